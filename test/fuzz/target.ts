// What a target of the fuzzer is: one parser of bytes from outside as a function of bytes alone, and what must hold of
// it whatever they are.

import type fc from 'fast-check';
import type { Chance } from '../world/seeded/chance.ts';

export type Target = {
  name: string;
  /** Whose bytes they are. */
  about: string;
  /** What the parser takes for good, made by our own encoders: the first inputs, and the stuff of all others. */
  seeds: readonly Buffer[];
  /** Inputs of its own form, beside those that grow out of the seeds. */
  structured?: fc.Arbitrary<Buffer>;
  /** What is put in between while inputs are changed: words of the language. */
  words?: readonly string[];
  /** A change of its own, beside those of bytes: one that leaves the input in its form. */
  change?: (bytes: Buffer, chance: Chance, kept: readonly Buffer[]) => Buffer;
  /** Makes checksums and the like good again, so that what was changed is looked at and not thrown away. */
  mend?: (bytes: Buffer, chance: Chance) => Buffer;
  /** No input is longer. */
  mostBytes?: number;
  /**
   * Hands the bytes to the parser. Gives the way that they went, of a few; throws where something does not hold that
   * must. An error that the parser may throw is caught in here, and any other is a find.
   */
  play: (bytes: Buffer) => string | Promise<string>;
  /** What the suite plays beyond the corpus; by default as many as are played in a moment. */
  inputsInSuite?: number;
};

/** Something that must hold of a parser, and does not. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** What `run` gives or, where it throws an error of this class, `refused`; whatever else it throws is a find. */
export function orRefused<T>(refusal: abstract new (...args: never[]) => Error, run: () => T): T | 'refused' {
  try {
    return run();
  } catch (error) {
    if (error instanceof refusal) return 'refused';
    throw error;
  }
}

/**
 * The bytes cut into pieces; where is the bytes' own matter, so that the same bytes are cut the same way, and any way
 * comes up.
 */
export function* pieces(bytes: Buffer): Generator<Buffer> {
  let state = bytes.length;
  for (const byte of bytes) state = (Math.imul(state, 31) + byte) >>> 0;
  for (let at = 0; at < bytes.length;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const length = 1 + ((state >>> 16) % (1 + ((state >>> 8) % 24)));
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** Reads an input as a list of parts, each behind a byte that says how long it is; for parsers that are asked again. */
export function partsOf(bytes: Buffer, mostParts = 64): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length && parts.length < mostParts;) {
    const length = bytes.readUInt8(at) < 0xff ? bytes.readUInt8(at) : bytes.length;
    parts.push(bytes.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return parts;
}

/** The other way round; the last part may be of any length, others have at most 254 bytes. */
export const joined = (...parts: readonly Buffer[]): Buffer =>
  Buffer.concat(parts.flatMap((part) => [Buffer.from([Math.min(part.length, 0xff)]), part]));
