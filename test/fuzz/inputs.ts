// The inputs of a run: from one seed always the same, one after the other.

import fc from 'fast-check';
import { Chance } from '../world/seeded/chance.ts';
import { mutated } from './mutate.ts';
import type { Target } from './target.ts';

/** So many are drawn at a time; so many of them from the form of the target itself. */
const A_BLOCK = 512;
const STRUCTURED = 16;

/** `kept` may grow meanwhile. */
export function* inputsOf(target: Target, kept: readonly Buffer[], seed: number, count: number): Generator<Buffer> {
  const chance = new Chance(seed);
  for (let made = 0; made < count; made += A_BLOCK) {
    const form = target.structured;
    const structured = form === undefined ? [] : fc.sample(form, { seed: chance.whole(0, 0x7fffffff), numRuns: STRUCTURED }); // prettier-ignore
    for (let i = 0; i < Math.min(A_BLOCK, count - made); i++) yield structured[i] ?? mutated(target, kept, chance);
  }
}

/** The same fault with as little as possible; how often it is tried has a bound. */
export async function smallest(bytes: Buffer, fails: (bytes: Buffer) => Promise<boolean>): Promise<Buffer> {
  let least = bytes;
  let tries = 2_000;
  for (let step = Math.ceil(least.length / 2); step >= 1; step = step === 1 ? 0 : Math.ceil(step / 2)) {
    for (let at = 0; at < least.length && tries > 0; tries--) {
      const shorter = Buffer.concat([least.subarray(0, at), least.subarray(at + step)]);
      if (await fails(shorter)) least = shorter;
      else at += step;
    }
  }
  return least;
}
