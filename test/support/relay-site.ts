// A building whose relay boards end no pulse by themselves: what is left on stays on until somebody switches it off.
// For tests of how Lintel's life ends and begins.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startModbusDevices, type ModbusSimulator } from '../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../drivers/modbus/simulator-unit.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { startUartReader, type UartReader } from '../../drivers/uart/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { launch, say, type Ended, type Options, type Running } from '../cli/lintel.ts';
import { runArguments } from '../cli/served.ts';
import { until } from './ports.ts';
import { SYSTEM } from './room.ts';
import { temporaryFolder } from './store.ts';

/** Which output of which board opens which door. The first output is the one that a careless zero finds. */
const DOORS = [
  { door: 'front', board: 'north', output: 0 },
  { door: 'back', board: 'south', output: 5 },
] as const;

/** However busy the machine that runs the tests. */
export const STARTED_MS = 60_000;

export type RelaySite = {
  folder: string;
  file: string;
  socket: string;
  lines: Readonly<Record<'north' | 'south', ModbusSimulator>>;
  /** The relays that are on, as `board/output`. */
  on: () => string[];
  /** `lintel run` in a process of its own; resolves when the boards are online, or at once where that is not wanted. */
  run: (options?: Options & { waits?: boolean }) => Promise<Running>;
  ask: (...args: string[]) => Promise<Ended>;
  /** Both doors for ten minutes: both relays are on when this resolves. */
  openAll: () => Promise<void>;
};

export async function raiseRelays(): Promise<RelaySite> {
  const folder = temporaryFolder();
  const board = (): Promise<ModbusSimulator> =>
    startModbusDevices({
      listen: { kind: 'tcp', port: 0 },
      units: [{ unit: 1, profile: 'adam-6060' }],
      clock: systemClock,
    });
  const lines = { north: await board(), south: await board() };
  const readers: { door: string; reader: UartReader }[] = [];
  for (const { door } of DOORS)
    readers.push({
      door,
      reader: await startUartReader({
        port: 'tcp://127.0.0.1:0',
        frame: 'rdm6300',
        clock: systemClock,
        openPort: portOpener(systemClock),
      }),
    });
  onTestFinished(async () => {
    await Promise.all([lines.north.close(), lines.south.close(), ...readers.map(({ reader }) => reader.stop())]);
  });
  const file = join(folder, 'relays.yaml');
  const socket = join(folder, 'control.sock');
  const desks = readers.map(({ door, reader }) => ({ door, address: reader.address ?? '' }));
  writeFileSync(file, facilityFile(folder, { north: lines.north.port, south: lines.south.port }, desks));
  const ask = (...args: string[]): Promise<Ended> => say(...args, '--socket', socket);
  return {
    folder,
    file,
    socket,
    lines,
    on: () =>
      Object.entries(lines).flatMap(([name, line]) => {
        const unit = line.unit(1);
        return unit.profile.outputs.flatMap((_, i) => (unit.output(i) ? [`${name}/${i}`] : []));
      }),
    async run({ waits = true, ...options } = {}) {
      const agent = launch(runArguments(file, socket), options);
      if (!waits) return agent;
      await agent.says(/doors are served/, STARTED_MS);
      for (const name of ['north', 'south']) await online(ask, name);
      return agent;
    },
    ask,
    async openAll() {
      for (const { door, board: name, output } of DOORS) {
        const opened = await ask('entrances', 'unlock', door);
        if (opened.code !== 0) throw new Error(`${door}: ${opened.stderr}`);
        await until(() => lines[name].unit(1).output(output), `${name}/${output} to be on`);
      }
    },
  };
}

async function online(ask: RelaySite['ask'], name: string): Promise<void> {
  let answer = '';
  for (let tries = 0; tries < 1000; tries++) {
    answer = (await ask('controllers', 'get', name, '--json')).stdout;
    if (answer.includes('"online":true')) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} does not come online: ${answer}`);
}

/**
 * The first write of each output since the requests were last forgotten, as `[output, on]`, in the order of the wire.
 */
export function firstWrites(unit: SimulatedUnit): [number, boolean][] {
  const seen = new Map<number, boolean>();
  for (const pdu of unit.requests) {
    if (pdu[0] !== 5) continue;
    const output = unit.profile.outputs.findIndex((spec) => spec.kind === 'coil' && spec.at === pdu.readUInt16BE(1));
    if (!seen.has(output)) seen.set(output, pdu.readUInt16BE(3) !== 0);
  }
  return [...seen];
}

const facilityFile = (
  folder: string,
  ports: { north: number; south: number },
  desks: readonly { door: string; address: string }[],
): string => `
facility: relays
acs_system_id: ${SYSTEM}
time_zone: Europe/Oslo
clock: {trust: always}
mqtt: {url: "mqtt://127.0.0.1:1"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d}}
buses:
  one: {driver: modbus, transport: tcp, host: 127.0.0.1, port: ${ports.north}}
  two: {driver: modbus, transport: tcp, host: 127.0.0.1, port: ${ports.south}}
${desks.map(({ door, address }) => `  desk-${door}: {driver: uart, port: "${address}", baud: 9600, frame: rdm6300}`).join('\n')}
controllers:
  north: {bus: one, unit: 1, profile: adam-6060, accept_guess: true}
  south: {bus: two, unit: 1, profile: adam-6060, accept_guess: true}
${desks.map(({ door }) => `  ${door}-reader: {bus: desk-${door}, card_formats: [uid]}`).join('\n')}
entrances:
${DOORS.map(
  ({ door, board, output }, i) => `  ${door}:
    acs_entrance_id: 55555555-5555-4555-8555-55555555555${i}
    display_name: ${door}
    readers: [${door}-reader]
    factors: card
    strike: {controller: ${board}, output: ${output}, pulse: 10m}
    rex: {controller: ${board}, input: 1}
`,
).join('')}`;
