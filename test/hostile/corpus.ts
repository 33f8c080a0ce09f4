// Hostile input as data (corpus.json), and what a test of an entrance needs to feed it there. An entry is written in
// parts, for most of it is too large to be written out.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';

type Part = string | { hex: string } | { repeat: string; times: number };
export type Hostile = { name: string; bytes: Buffer };

const bytesOf = (part: Part): Buffer => {
  if (typeof part === 'string') return Buffer.from(part);
  return 'hex' in part ? Buffer.from(part.hex, 'hex') : Buffer.from(part.repeat.repeat(part.times));
};

export const CORPUS: readonly Hostile[] = (
  JSON.parse(readFileSync(join(import.meta.dirname, 'corpus.json'), 'utf8')) as { name: string; parts: Part[] }[]
).map(({ name, parts }) => ({ name, bytes: Buffer.concat(parts.map(bytesOf)) }));

/** The same in every run. */
export const SEED = 20_260_302;

/**
 * Entries of the corpus with some of their bytes replaced, left out or doubled, cut short, and bytes that are nothing
 * at all.
 */
export const mutations: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 6 }).map((json) => Buffer.from(json)),
  fc
    .tuple(
      fc.constantFrom(...CORPUS.filter(({ bytes }) => bytes.length > 0 && bytes.length < 20_000)),
      fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255), fc.nat(2)), {
        minLength: 1,
        maxLength: 6,
      }),
    )
    .map(([{ bytes }, changes]) =>
      changes.reduce((changed, [place, byte, kind]) => {
        const at = Math.floor(place * changed.length);
        const replaced = kind === 0 ? [byte] : kind === 1 ? [] : [byte, changed[at] ?? 0];
        return Buffer.concat([changed.subarray(0, at), Buffer.from(replaced), changed.subarray(at + 1)]);
      }, bytes),
    ),
);

/** Names that every object answers to. */
export const NAMES_OF_EVERY_OBJECT = Object.getOwnPropertyNames(Object.prototype);
