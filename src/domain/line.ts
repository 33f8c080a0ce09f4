// Where a line is and how it speaks: the keys that the buses of a facility file share, and the settings they become.

import { z } from 'zod';
import type { BudgetTerms } from './budget.ts';
import type { ConfigProblem, LineSettings, Parity } from './ports.ts';

const PATH_WORDS = 'the path of a serial device, or tcp://host:port of a serial converter with a port from 1 to 65535';
const PATH_EXAMPLES = ['/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0', 'tcp://192.0.2.30:4001'];

const isLinePath = (text: string): boolean =>
  text.startsWith('/') ? text.length > 1 && !text.includes('\0') : parseConverter(text) !== null;

/**
 * The keys that say where a line is and how it speaks, with a driver's own defaults: spread them into a strict object.
 */
export function lineKeys(defaults: { baud: number; parity?: Parity; dataBits?: 7 | 8; stopBits?: 1 | 2 }) {
  return {
    port: z
      .string()
      .refine(isLinePath, {
        error: `expected ${PATH_WORDS}`,
        params: { remedy: `Write for example \`port: ${PATH_EXAMPLES.join('` or `port: ')}\`.` },
      })
      .meta({
        title: 'Port',
        description:
          'The serial device, best by its link in /dev/serial/by-id; or a serial converter on the network in raw TCP server mode.',
        examples: PATH_EXAMPLES,
        patternErrorMessage: PATH_WORDS,
      }),
    baud: z.int().min(50).max(4_000_000).default(defaults.baud).meta({
      title: 'Baud rate',
      description: 'Bits per second. A converter on the network has a setting of its own: keep both equal.',
    }),
    parity: z
      .enum(['none', 'even', 'odd'])
      .default(defaults.parity ?? 'none')
      .meta({ title: 'Parity', description: 'The parity bit of each character.' }),
    data_bits: z
      .literal([7, 8])
      .default(defaults.dataBits ?? 8)
      .meta({ title: 'Data bits', description: 'Data bits of each character.' }),
    stop_bits: z
      .literal([1, 2])
      .default(defaults.stopBits ?? 1)
      .meta({ title: 'Stop bits', description: 'Stop bits after each character.' }),
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

/**
 * Doubts about a line that its schema lets pass, for a driver's `checkBus`; `path` starts at the facility file's root.
 */
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

/** What a network has held back for a while and then brings together. */
const INTAKE_AT_ONCE_BYTES = 64 * 1024;
/** What 115,200 baud carries, twice: a converter may be set to more than the facility file knows. */
const INTAKE_LEAST_PER_SECOND = 23_040;

/** How many bytes a line may bring: twice what its wire carries, for whatever brings more is no wire. */
export function intakeTerms(settings: LineSettings): BudgetTerms {
  return { atOnce: INTAKE_AT_ONCE_BYTES, perSecond: Math.max(INTAKE_LEAST_PER_SECOND, 2000 / wireTimeMs(settings, 1)) };
}
