// Questions that a device which is there answers with the same exception again and again. One refusal says something
// about a question; one that has lasted for seconds says something about the device, and somebody must look at it.

import { describeException, exceptionKind, isReadOnly, type Request } from './codec.ts';
import type { Clock } from '../../src/domain/ports.ts';

/** So many of them, over so long, with no good answer in between. */
const LEAST = 3;
const LASTING_MS = 3_000;
/** Nobody has asked any more. */
const FORGOTTEN_MS = 10 * 60_000;
const QUESTIONS_BOUND = 32;

type Refusal = { code: number; count: number; firstAtMs: number; lastAtMs: number; what: string };

export class Refusals {
  readonly #clock: Clock;
  readonly #changed: (problem: string | null, before: string | null) => void;
  readonly #refused = new Map<string, Refusal>();
  #problem: string | null = null;

  /** `changed` is told what is wrong by now, null: nothing any more, and what was before. */
  constructor(clock: Clock, changed: (problem: string | null, before: string | null) => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Why the device does not do what it is asked, for people. */
  get problem(): string | null {
    return this.#problem;
  }

  answered(request: Request, exception: number | null): void {
    // Every good answer comes through here: where nothing is refused there is nothing to do.
    if (exception === null && this.#refused.size === 0) return;
    const key = keyOf(request);
    // Whether a unit is reached is the bus's business.
    if (exception === null || exceptionKind(exception) === 'path') this.#refused.delete(key);
    else this.#note(key, request, exception);
    this.#tell();
  }

  /** It is met anew. */
  forget(): void {
    this.#refused.clear();
    this.#tell();
  }

  #note(key: string, request: Request, code: number): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [old, { lastAtMs }] of [...this.#refused])
      if (nowMs - lastAtMs > FORGOTTEN_MS) this.#refused.delete(old);
    const known = this.#refused.get(key);
    if (known?.code === code) {
      known.count++;
      known.lastAtMs = nowMs;
    } else if (known !== undefined || this.#refused.size < QUESTIONS_BOUND)
      this.#refused.set(key, { code, count: 1, firstAtMs: nowMs, lastAtMs: nowMs, what: describe(request) });
  }

  #tell(): void {
    const lasting = [...this.#refused.values()].find(
      ({ count, firstAtMs, lastAtMs }) => count >= LEAST && lastAtMs - firstAtMs >= LASTING_MS,
    );
    const problem =
      lasting === undefined ? null : `${describeException(lasting.code)}, again and again, to ${lasting.what}`;
    const before = this.#problem;
    if (problem === before) return;
    this.#problem = problem;
    this.#changed(problem, before);
  }
}

/** Reads by what they read; of writes it says more that one of them is taken. */
const keyOf = (request: Request): string =>
  isReadOnly(request) ? `${request.fc} ${request.address}` : String(request.fc);

const AREAS: Readonly<Record<number, string>> = {
  1: 'coils',
  2: 'discrete inputs',
  3: 'holding registers',
  4: 'input registers',
};

function describe(request: Request): string {
  const area = AREAS[request.fc];
  return area === undefined ? `writes (function ${request.fc})` : `reading ${area} at ${request.address}`;
}
