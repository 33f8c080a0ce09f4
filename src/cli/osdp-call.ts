// What the verbs of `lintel osdp` are given, and how they end.

import type { Given } from './options.ts';
import type { Asking } from './osdp-upload.ts';
import type { Fields } from './show.ts';
import { DONE, type Terminal } from './terminal.ts';

export type Call = { channel: Asking; given: Given; terminal: Terminal; words: readonly string[] };

/** As long as a person takes who is to show a card or a finger. */
export const PERSON_MS = 45_000;

export function say(given: Given, terminal: Terminal, answer: Fields, words: string): number {
  terminal.out(given.has('json') ? `${JSON.stringify(answer)}\n` : `${words}\n`);
  return DONE;
}
