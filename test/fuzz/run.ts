// One target, so many inputs: what became of them, and what was found.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { corpusOf, keep } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { inputsOf, smallest } from './inputs.ts';
import type { Target } from './target.ts';

export type Order = {
  inputs: number;
  seed: number;
  /** Inputs that come to new code are grown further, and added to the corpus of the target. */
  isGrowing: boolean;
};
export type Report = {
  name: string;
  played: number;
  ways: Record<string, number>;
  /** With the least input that shows it; null: none. */
  fault: { problem: string; hex: string } | null;
  /** Of the heap, from when a tenth was played to the end. */
  grownBytes: number;
  kept: number;
};
/** Told of each input before it is played, so that somebody outside knows which one hangs. */
export type Watch = (bytes: Buffer, played: number) => void;

/** More inputs than this are not kept of one run. */
const MOST_KEPT = 200;
/** So many are played between two looks at what they came to. */
const A_LOOK = 256;
/** The heap may breathe by so much; a leak of a hundred bytes an input is more, after a million. */
export const MOST_GROWN_BYTES = 48 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heap = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

export async function problemOf(target: Target, bytes: Buffer): Promise<string | null> {
  try {
    await target.play(bytes);
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

export async function run(target: Target, order: Order, watch: Watch): Promise<Report> {
  const kept = corpusOf(target);
  const report: Report = { name: target.name, played: 0, ways: {}, fault: null, grownBytes: 0, kept: 0 };
  const growth = order.isGrowing ? new Growth(target, kept) : null;
  let before = 0;
  const inputs = inputsOf(target, kept, order.seed, order.inputs);
  for (const bytes of together(kept.slice(), inputs)) {
    watch(bytes, report.played);
    const problem = await playInto(report, target, bytes);
    if (problem !== null) {
      const least = await smallest(bytes, async (shorter) => (await problemOf(target, shorter)) !== null);
      report.fault = { problem: (await problemOf(target, least)) ?? problem, hex: least.toString('hex') };
      break;
    }
    await growth?.played(bytes);
    if (report.played === Math.ceil(order.inputs / 10)) before = heap();
  }
  report.grownBytes = before === 0 ? 0 : heap() - before;
  report.kept = growth?.end() ?? 0;
  return report;
}

/** Without a promise where the target has none: ten million of them are dear. */
function playInto(report: Report, target: Target, bytes: Buffer): Promise<string | null> | string | null {
  const went = (way: string): null => {
    report.played++;
    report.ways[way] = (report.ways[way] ?? 0) + 1;
    return null;
  };
  const failed = (error: unknown): string => String(error);
  try {
    const way = target.play(bytes);
    return typeof way === 'string' ? went(way) : way.then(went, failed);
  } catch (error) {
    return failed(error);
  }
}

function* together<T>(...lists: Iterable<T>[]): Generator<T> {
  for (const list of lists) yield* list;
}

class Growth {
  readonly #target: Target;
  readonly #kept: Buffer[];
  readonly #coverage = new Coverage();
  readonly #fresh: Buffer[] = [];
  #since: Buffer[] = [];
  #isWarm = false;

  constructor(target: Target, kept: Buffer[]) {
    this.#target = target;
    this.#kept = kept;
  }

  async played(bytes: Buffer): Promise<void> {
    this.#since.push(bytes);
    if (this.#since.length < A_LOOK) return;
    const since = this.#since;
    this.#since = [];
    // What the corpus itself comes to is nothing new.
    const isNew = this.#coverage.take() > 0 && this.#isWarm;
    if (!this.#isWarm) await this.#playAll(this.#kept.slice());
    this.#isWarm = true;
    if (isNew && this.#fresh.length < MOST_KEPT) await this.#find(since);
  }

  /** Which of them it was cannot be told afterwards: a fresh count is begun, without what they came to. */
  async #find(among: readonly Buffer[]): Promise<void> {
    const fresh = new Coverage();
    try {
      for (const bytes of this.#kept) await this.#target.play(bytes);
      fresh.take();
      for (const bytes of among) {
        await this.#target.play(bytes);
        if (fresh.take() === 0) continue;
        this.#kept.push(bytes);
        this.#fresh.push(bytes);
      }
    } finally {
      fresh.end();
    }
  }

  async #playAll(all: readonly Buffer[]): Promise<void> {
    for (const bytes of all) await this.#target.play(bytes);
    this.#coverage.take();
  }

  end(): number {
    this.#coverage.end();
    if (this.#fresh.length > 0) keep(this.#target, this.#fresh);
    return this.#fresh.length;
  }
}
