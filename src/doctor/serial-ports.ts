// The serial ports of this machine as an installer needs them: by the name that stays, with the adapter behind it, who
// holds it, and how long its chip keeps bytes back. Read from what the kernel and udev show, so that nothing is opened:
// opening a line pulls at its control wires, and whoever serves doors over it would notice.

import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { lockHolders } from '../domain/kernel-locks.ts';
import { namesIn, textIn } from './look.ts';

/** Where the kernel and udev show what there is. */
export type MachineRoots = { sys: string; dev: string; proc: string };
export const THIS_MACHINE: MachineRoots = { sys: '/sys', dev: '/dev', proc: '/proc' };

export type SerialPortFound = {
  /** What belongs into the facility file: the name that stays when adapters come in another order. */
  path: string;
  /** The kernel's own, e.g. `/dev/ttyUSB0`. */
  device: string;
  /** All others that udev gave it. */
  names: string[];
  kind: 'usb' | 'on_board';
  /** Maker and product, as the adapter says them. */
  product: string | null;
  serial_number: string | null;
  driver: string | null;
  /** How long an FTDI chip keeps received bytes back, ms; null: it has no such setting. */
  latency_timer_ms: number | null;
  /** Who has locked it. */
  held_by: { pid: number; program: string } | null;
};

/** Ports with hardware behind them, those on USB first, in the order of their devices. */
export function serialPorts(machine: MachineRoots = THIS_MACHINE): SerialPortFound[] {
  const folder = join(machine.sys, 'class/tty');
  const links = linksByDevice(machine);
  const ports = namesIn(folder).flatMap((name) => {
    const sys = join(folder, name);
    const device = realOf(join(sys, 'device'));
    // Consoles and pseudo terminals have no device; a port of the PC that is not fitted has type 0.
    if (device === null || textIn(join(sys, 'type')) === '0') return [];
    return [portOf(machine, name, device, links.get(name) ?? [])];
  });
  const rank = ({ kind }: SerialPortFound): number => (kind === 'usb' ? 0 : 1);
  const inOrder = new Intl.Collator('en', { numeric: true });
  return ports.sort((a, b) => rank(a) - rank(b) || inOrder.compare(a.device, b.device));
}

/** What a path of the facility file leads to; null: to nothing that is there. */
export function portAt(path: string, ports: readonly SerialPortFound[]): SerialPortFound | null {
  const real = realOf(path);
  return ports.find(({ device }) => device === path || (real !== null && real === realOf(device))) ?? null;
}

function portOf(machine: MachineRoots, name: string, device: string, names: string[]): SerialPortFound {
  const path = join(machine.dev, name);
  const usb = usbDeviceAbove(device, machine);
  const said = usb === null ? [] : [textIn(join(usb, 'manufacturer')), textIn(join(usb, 'product'))];
  const product = said.filter((text) => text !== null).join(' ');
  const timer = Number(textIn(join(device, 'latency_timer')) ?? NaN);
  return {
    path: stable(names) ?? path,
    device: path,
    names,
    kind: usb === null ? 'on_board' : 'usb',
    product: product === '' ? null : product,
    serial_number: usb === null ? null : textIn(join(usb, 'serial')),
    driver: driverOf(device),
    latency_timer_ms: Number.isInteger(timer) ? timer : null,
    held_by: holderOf(machine, path),
  };
}

/** By the adapter, else by the socket that it sits in. */
const stable = (names: readonly string[]): string | null =>
  ['/serial/by-id/', '/lintel/', '/serial/by-path/']
    .map((part) => names.find((name) => name.includes(part)))
    .find((name) => name !== undefined) ?? null;

function linksByDevice({ dev }: MachineRoots): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const folder of ['serial/by-id', 'lintel', 'serial/by-path']) {
    for (const name of namesIn(join(dev, folder))) {
      const path = join(dev, folder, name);
      const device = linkTarget(path);
      if (device !== null) found.set(device, [...(found.get(device) ?? []), path]);
    }
  }
  return found;
}

function linkTarget(path: string): string | null {
  try {
    return basename(readlinkSync(path));
  } catch {
    return null;
  }
}

/** The USB device is where its maker's number stands, a few folders above the port. */
function usbDeviceAbove(device: string, { sys }: MachineRoots): string | null {
  const top = realOf(sys) ?? sys;
  for (let at = device; at.startsWith(top) && at !== top; at = dirname(at))
    if (textIn(join(at, 'idVendor')) !== null) return at;
  return null;
}

const driverOf = (device: string): string | null => {
  const driver = linkTarget(join(device, 'driver'));
  // Newer kernels put a port of their own in front of the chip's driver.
  return driver === 'port' || driver === 'ctrl' ? linkTarget(join(dirname(dirname(device)), 'driver')) : driver;
};

/** By the kernel's list of locks, which everybody may read; nobody where it shows none (a container). */
function holderOf({ proc }: MachineRoots, path: string): SerialPortFound['held_by'] {
  try {
    const [pid] = lockHolders(readFileSync(join(proc, 'locks'), 'latin1'), statSync(path));
    return pid === undefined ? null : { pid, program: textIn(join(proc, String(pid), 'comm')) ?? 'unknown' };
  } catch {
    return null;
  }
}

function realOf(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}
