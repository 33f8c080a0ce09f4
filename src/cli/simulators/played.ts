// What every simulated device is to `lintel simulate`: something on a port that understands a few lines, and tells what happens to it.

import { DURATION_FORM, parseDuration } from '../../domain/duration.ts';
import { OperatingError } from '../../domain/errors.ts';
import { parseConverter } from '../../domain/line.ts';
import type { Clock, OpenPort, Random } from '../../domain/ports.ts';
import { UsageError } from '../terminal.ts';

/** One line that people or scripts may send: its word, what follows it, what it does. Resolves with what to print. */
export type Action = { usage: string; about: string; run: (words: readonly string[]) => Promise<string> | string };

export type Played = {
  /** What a facility file gives as `port` (or host and port); null where the far end of a line is the caller's to know. */
  address: string | null;
  actions: Readonly<Record<string, Action>>;
  stop(): Promise<void>;
};

export type Stage = {
  clock: Clock;
  random: Random;
  openPort: OpenPort;
  /** Says what happens at the device. */
  say: (text: string) => void;
};

export type PlayOptions = {
  port: string;
  baud: number | null;
  parity: 'none' | 'even' | 'odd' | null;
  unit: number;
  frame: 'rdm6300' | 'id-12la';
  profile: string | null;
  rtu: boolean;
  installMode: boolean;
  /** As it was written; null: none. */
  key: string | null;
};

/** `tcp://127.0.0.1:PORT` to listen on; null for a device. Nothing is ever opened to the network. */
export function listenPort(port: string): number | null {
  if (port.startsWith('/')) return null;
  const isAnyPort = /:0+$/.test(port);
  const address = parseConverter(isAnyPort ? port.replace(/:0+$/, ':1') : port);
  if (address === null)
    throw new UsageError('--port: a device path such as /dev/pts/3, or tcp://127.0.0.1:PORT to listen there');
  if (!['127.0.0.1', 'localhost'].includes(address.host))
    throw new UsageError(`--port: a simulator listens on 127.0.0.1 only, not on ${address.host}`);
  return isAnyPort ? 0 : address.port;
}

export const wrong = (usage: string): OperatingError => new OperatingError('invalid_input', `Usage: ${usage}`);

export function isOn(word: string | undefined, usage: string): boolean {
  if (word === 'on') return true;
  if (word === 'off') return false;
  throw wrong(usage);
}

/** The lines `silence` and `power`, which every device understands in its own way. */
export function troubles(
  clock: Clock,
  {
    silence,
    power,
  }: { silence: (isSilent: boolean) => Promise<void> | void; power: (isOn: boolean) => Promise<void> | void },
): Readonly<Record<string, Action>> {
  const [silenceUsage, powerUsage] = ['silence 5s', 'power on|off'];
  return {
    silence: {
      usage: silenceUsage,
      about: 'says and hears nothing for so long, as with a pulled cable',
      async run([word = '']) {
        if (!DURATION_FORM.test(word)) throw wrong(silenceUsage);
        await silence(true);
        clock.after(parseDuration(word), () => void silence(false));
        return `silent for ${word}`;
      },
    },
    power: {
      usage: powerUsage,
      about: 'switches it off or on again',
      async run([word]) {
        await power(isOn(word, powerUsage));
        return `power ${word ?? ''}`;
      },
    },
  };
}
