// Where a line is and how it speaks: the keys that the buses of a facility file share, and the settings they become.

import { z } from 'zod';
import type { ConfigProblem, LineSettings, Parity } from './ports.ts';

const LINE_PATH_REMEDY =
  'give the path of a serial device, best from /dev/serial/by-id, e.g. /dev/serial/by-id/usb-FTDI_…, or a serial converter as tcp://host:port with a port from 1 to 65535, e.g. tcp://192.0.2.30:4001';

const linePath = z.string().check((context) => {
  const { value } = context;
  const good = value.startsWith('/') ? !value.includes('\0') && value.length > 1 : parseConverter(value) !== null;
  if (!good) context.issues.push({ code: 'custom', input: value, message: LINE_PATH_REMEDY });
});

/** The keys that say where a line is and how it speaks, with a driver's own defaults: spread them into a strict object. */
export function lineKeys(defaults: { baud: number; parity?: Parity; dataBits?: 7 | 8; stopBits?: 1 | 2 }) {
  return {
    port: linePath.describe(
      'Path of the serial device, or tcp://host:port of a serial converter (raw TCP server mode)',
    ),
    baud: z
      .int()
      .min(50)
      .max(4_000_000)
      .default(defaults.baud)
      .describe('Bits per second; a converter on the network has its own setting, keep both equal'),
    parity: z
      .enum(['none', 'even', 'odd'])
      .default(defaults.parity ?? 'none')
      .describe('Parity bit'),
    data_bits: z
      .literal([7, 8])
      .default(defaults.dataBits ?? 8)
      .describe('Data bits of a character'),
    stop_bits: z
      .literal([1, 2])
      .default(defaults.stopBits ?? 1)
      .describe('Stop bits of a character'),
  };
}

export type LineConfig = { port: string; baud: number; parity: Parity; data_bits: 7 | 8; stop_bits: 1 | 2 };

export function lineSettings(config: LineConfig): LineSettings {
  return {
    path: config.port,
    baud: config.baud,
    parity: config.parity,
    dataBits: config.data_bits,
    stopBits: config.stop_bits,
  };
}

/** Doubts about a line that its schema lets pass, for a driver's `checkBus`; `path` starts at the facility file's root. */
export function lineProblems(busName: string, config: LineConfig): ConfigProblem[] {
  if (!/^\/dev\/tty(USB|ACM)[0-9]+$/.test(config.port)) return [];
  return [
    {
      severity: 'warning',
      path: ['buses', busName, 'port'],
      message: `${config.port} may name another adapter after the next start or replugging: the kernel numbers them in the order they appear`,
      remedy: 'use the link to it in /dev/serial/by-id, or in /dev/serial/by-path where adapters have no serial number',
    },
  ];
}

export type ConverterAddress = { host: string; port: number };

/** `tcp://host:port`, with an IPv6 address in brackets; null when it is none. */
export function parseConverter(path: string): ConverterAddress | null {
  const match = /^tcp:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(path);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port };
}

/** Time that `count` bytes take on the wire, in milliseconds with a fraction. */
export function wireTimeMs(settings: LineSettings, count: number): number {
  const bitsPerByte = 1 + settings.dataBits + (settings.parity === 'none' ? 0 : 1) + settings.stopBits;
  return (count * bitsPerByte * 1000) / settings.baud;
}
