// What every simulated device is to `lintel simulate`: one or several on a port, each of which understands a few lines
// and tells what happens to it.

import { DURATION_FORM, parseDuration } from '../../domain/duration.ts';
import { OperatingError } from '../../domain/errors.ts';
import { parseConverter } from '../../domain/line.ts';
import type { Clock, OpenPort, Random, Timer } from '../../domain/ports.ts';
import { UsageError } from '../terminal.ts';
import { unitsText } from './units.ts';

/** One line that people or scripts may send: its word, what follows it, what it does. Resolves with what to print. */
export type Action = {
  usage: string;
  about: string;
  /** The device does something of its own, which it cannot without power. */
  needsPower?: boolean;
  run: (words: readonly string[]) => Promise<string> | string;
};

export type Actions = Readonly<Record<string, Action>>;

export type PlayedDevice = {
  /** Its unit or address on the port; null where a port has no such thing. */
  unit: number | null;
  /** The same words for each device of a port. */
  actions: Actions;
};

export type Played = {
  /**
   * What a facility file gives as `port` (or host and port), and the units there; null where the far end of a line is
   * the caller's to know.
   */
  address: string | null;
  devices: readonly PlayedDevice[];
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
  /** Ascending, each once. */
  units: readonly number[];
  frame: 'rdm6300' | 'id-12la';
  profile: string | null;
  rtu: boolean;
  installMode: boolean;
  /** An OSDP reader to the letter. */
  isStrict: boolean;
  /** The text by which an OSDP reader hands over what phones signed; null: it has transparent mode. */
  pkocMessages: '1.50' | '1.63' | null;
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

/** Refuses a unit that no device of this kind can have. */
export function checkUnits(units: readonly number[], from: number, to: number, kind: string): void {
  const wrongOnes = units.filter((unit) => unit < from || unit > to);
  if (wrongOnes.length > 0)
    throw new UsageError(`--unit: ${kind} has ${from} to ${to}, and not ${unitsText(wrongOnes)}`);
}

/** `address 3`, `addresses 1-20`: as a facility file names them. */
export const place = (word: 'unit' | 'address', units: readonly number[]): string =>
  `${word}${units.length === 1 ? '' : word === 'unit' ? 's' : 'es'} ${unitsText(units)}`;

/** Says what happens at one device; where there are several, at which. */
export const sayingOf = ({ say }: Stage, unit: number, units: readonly number[]): ((text: string) => void) =>
  units.length === 1 ? say : (text) => say(`${unit}: ${text}`);

/** Has a look now and again and again. Returns how to end that. */
export function watch(clock: Clock, everyMs: number, look: () => void): () => void {
  let timer: Timer | null = null;
  const again = (): void => {
    look();
    timer = clock.after(everyMs, again);
  };
  again();
  return () => timer?.cancel();
}

export const wrong = (usage: string): OperatingError => new OperatingError('invalid_input', `Usage: ${usage}`);

export function isOn(word: string | undefined, usage: string): boolean {
  if (word === 'on') return true;
  if (word === 'off') return false;
  throw wrong(usage);
}

/** What a device understands, with the lines `silence` and `power`, which each carries out in its own way. */
export function withTroubles(
  clock: Clock,
  actions: Actions,
  {
    silence,
    power,
  }: { silence: (isSilent: boolean) => Promise<void> | void; power: (isOn: boolean) => Promise<void> | void },
): Actions {
  const [silenceUsage, powerUsage] = ['silence 5s', 'power on|off'];
  let isPowered = true;
  let silentUntil: Timer | null = null;
  const guarded = Object.entries(actions).map(([word, action]): [string, Action] => {
    if (action.needsPower !== true) return [word, action];
    return [word, { ...action, run: (words) => (isPowered ? action.run(words) : 'nothing: it has no power') }];
  });
  return {
    ...Object.fromEntries(guarded),
    silence: {
      usage: silenceUsage,
      about: 'says and hears nothing for so long, as with a pulled cable',
      async run([word = '']) {
        if (!DURATION_FORM.test(word)) throw wrong(silenceUsage);
        silentUntil?.cancel();
        await silence(true);
        silentUntil = clock.after(parseDuration(word), () => void silence(false));
        return `silent for ${word}`;
      },
    },
    power: {
      usage: powerUsage,
      about: 'switches it off or on again',
      async run([word]) {
        isPowered = isOn(word, powerUsage);
        await power(isPowered);
        return `power ${word ?? ''}`;
      },
    },
  };
}
