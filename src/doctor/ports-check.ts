// The lines to the devices: a serial port by a name that stays, that nobody else holds and whose chip keeps nothing
// back; a converter or device on the network that lets itself be connected to.

import { accessSync, constants, statSync } from 'node:fs';
import type { BusSetup, Facility } from '../domain/facility.ts';
import { explainConnecting, explainOpening } from '../domain/line-errors.ts';
import { Findings, splitRemedy, type Finding } from './finding.ts';
import type { DoctorsMachine } from './machine.ts';
import { portAt, serialPorts, type SerialPortFound } from './serial-ports.ts';

const CONNECT_MS = 3_000;
/** With more than this an OSDP reader's answer is late before it has left the adapter. */
const MOST_LATENCY_MS = 2;

/** Where a bus goes: a device of this machine, or a place on the network. */
type Line = { kind: 'serial'; path: string } | { kind: 'network'; host: string; port: number };

export function lineOf(config: unknown): Line | null {
  const { port, host } = config as { port?: unknown; host?: unknown };
  if (typeof host === 'string') return { kind: 'network', host, port: typeof port === 'number' ? port : 502 };
  if (typeof port !== 'string') return null;
  const [, name, number] = /^tcp:\/\/(.+):(\d+)$/.exec(port) ?? [];
  if (name === undefined) return { kind: 'serial', path: port };
  return { kind: 'network', host: name.replace(/^\[(.*)\]$/, '$1'), port: Number(number) };
}

/** `online`: buses on which somebody answers the agent just now. */
export async function checkPorts(
  machine: DoctorsMachine,
  { buses }: Facility,
  online: ReadonlySet<string>,
): Promise<Finding[]> {
  const found = new Findings('ports');
  const ports = serialPorts(machine.roots);
  for (const bus of buses) {
    const line = lineOf(bus.config);
    if (line?.kind === 'serial') checkSerial(found, bus, line.path, ports);
    // Many converters serve one client: whoever is connected already is not disturbed.
    else if (line !== null && online.has(bus.name)) found.good(`${line.host}:${line.port} is connected`, bus.name);
    else if (line !== null) await checkNetwork(found, machine, bus, line);
  }
  return found.all;
}

function checkSerial(found: Findings, { name }: BusSetup, path: string, ports: readonly SerialPortFound[]): void {
  const port = portAt(path, ports);
  const refusal = whyNotOpened(path);
  if (refusal !== null) {
    const { says, remedy } = splitAtStop(explainOpening(path, refusal).message);
    const here =
      ports.length === 0
        ? 'This machine shows no serial port at all'
        : `There are: ${ports.map((one) => one.path).join(', ')}`;
    found.fault(says, refusal === 'ENOENT' ? `${remedy}. ${here}` : remedy, name);
    return;
  }
  const faults = found.all.length;
  const { held_by: holder } = port ?? { held_by: null };
  if (holder !== null && !/^(node|lintel)/.test(holder.program))
    found.fault(
      `${path} is held by ${holder.program} (process ${holder.pid})`,
      'End that program: two on one line spoil each other’s words',
      name,
    );
  if (port !== null && port.kind === 'usb' && path === port.device)
    found.warning(
      `${path} is the name of whichever adapter came first`,
      port.path === port.device ? 'Name it by /dev/serial/by-id or /dev/serial/by-path' : `Write port: ${port.path}`,
      name,
    );
  const latencyMs = port?.latency_timer_ms ?? null;
  if (latencyMs !== null && latencyMs > MOST_LATENCY_MS)
    found.warning(
      `the adapter keeps received bytes back for ${latencyMs} ms`,
      'Install the udev rule of the package (/usr/lib/udev/rules.d/70-lintel.rules) and plug the adapter in again; or echo 1 > /sys/bus/usb-serial/devices/…/latency_timer',
      name,
    );
  if (found.all.length === faults)
    found.good(
      `${path}${port?.product == null ? '' : `: ${port.product}`}${port?.driver == null ? '' : `, ${port.driver}`}`,
      name,
    );
}

/** The code of what the system would say; null: it would be opened, as far as can be seen without doing it. */
function whyNotOpened(path: string): string | null {
  try {
    if (!statSync(path).isCharacterDevice()) return 'ENOTTY';
    accessSync(path, constants.R_OK | constants.W_OK);
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'ENOENT';
  }
}

async function checkNetwork(
  found: Findings,
  { connect }: DoctorsMachine,
  { name }: BusSetup,
  { host, port }: { host: string; port: number },
): Promise<void> {
  const reached = await connect({ host, port, tls: null }, CONNECT_MS);
  const where = `${host}:${port}`;
  if (reached.isReached) found.good(`${where} can be connected to`, name);
  else {
    // Silence until a deadline is, for who stands before it, a host that does not answer.
    const code = reached.code === 'ETIMEDOUT' ? 'EHOSTUNREACH' : reached.code;
    const error = Object.assign(new Error(reached.message), { code });
    const { says, remedy } = splitAtStop(explainConnecting(where, error).message);
    found.fault(says, remedy, name);
  }
}

/** What a line says of itself: the fact, a full stop, and what to do about it. */
function splitAtStop(message: string): { says: string; remedy: string } {
  const at = message.indexOf('. ');
  return at < 0
    ? splitRemedy(message, 'Look at the cable, the power and the settings of the device')
    : { says: message.slice(0, at), remedy: message.slice(at + 2) };
}
