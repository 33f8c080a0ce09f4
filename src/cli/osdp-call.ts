// What the verbs of `lintel osdp` are given, and how they end.

import { timeoutOf } from './channel.ts';
import type { Given } from './options.ts';
import type { Asking } from './osdp-upload.ts';
import type { Fields } from '../domain/fields.ts';
import { untilSignal } from './signals.ts';
import { DONE, type Terminal } from './terminal.ts';

export type Call = { channel: Asking; given: Given; terminal: Terminal; words: readonly string[] };

/** As long as a person takes who is to show a card or a finger. */
export const PERSON_MS = 45_000;

export function say(given: Given, terminal: Terminal, answer: Fields, words: string): number {
  terminal.out(given.has('json') ? `${JSON.stringify(answer)}\n` : `${words}\n`);
  return DONE;
}

export const QUICK_MS = 10_000;

/** What takes as long as a person, a flash or 128 addresses take, unless somebody says otherwise. */
export const unhurried = (given: Given): number | null => (given.has('timeout') ? timeoutOf(given, QUICK_MS) : null);

/** Aborted by Ctrl-C: then the agent ends what was asked of it, and its answer says so. */
export function ownSignal(): AbortSignal {
  const abort = new AbortController();
  void untilSignal().then(() => abort.abort());
  return abort.signal;
}
