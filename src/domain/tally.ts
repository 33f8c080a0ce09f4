// What was too much to be told one by one is counted, and the count is told now and then: soon after it began, every
// few minutes while it goes on, and when it is over.

import { Budget } from './budget.ts';
import type { Clock, Timer } from './ports.ts';

export type Tallied = {
  count: number;
  /** How many of each kind. */
  kinds: Readonly<Record<string, number>>;
  /** The first and the last of them, epoch ms. */
  sinceMs: number;
  untilMs: number;
};

export type TallyEvents = {
  /** The first one of a flood was counted. */
  began?: () => void;
  /** A count, told at most a dozen times an hour in the long run. */
  tell: (tallied: Tallied) => void;
  /** None has come for a while, and everything was told. */
  ended?: () => void;
};

const LOOK_MS = 10_000;
/** While a flood goes on, it is told again after this. */
const AGAIN_MS = 5 * 60_000;
/** A flood that comes and goes is told no more often than one that stays. */
const TELLING = { atOnce: 6, perSecond: 12 / 3600 } as const;

export class Tally {
  readonly #clock: Clock;
  readonly #events: TallyEvents;
  readonly #telling = new Budget(TELLING);
  #kinds = new Map<string, number>();
  #sinceMs = 0;
  #untilMs = 0;
  #lastAtMs = 0;
  #toldAtMs: number | null = null;
  #timer: Timer | null = null;

  constructor(clock: Clock, events: TallyEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** True from the first one counted until the flood is over. */
  get isOpen(): boolean {
    return this.#timer !== null;
  }

  /** Counts one. `kind` is one of a few words of ours. */
  add(kind = ''): void {
    if (this.#kinds.size === 0) this.#sinceMs = this.#clock.nowMs();
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
    this.#untilMs = this.#clock.nowMs();
    this.#lastAtMs = this.#clock.monotonicMs();
    if (this.#timer !== null) return;
    this.#toldAtMs = null;
    this.#lookLater();
    this.#events.began?.();
  }

  /** Tells what is left: nothing is counted any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#tell();
  }

  #lookLater(): void {
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    const isOver = nowMs - this.#lastAtMs >= LOOK_MS;
    const isDue = isOver || this.#toldAtMs === null || nowMs - this.#toldAtMs >= AGAIN_MS;
    if (isDue && this.#kinds.size > 0 && this.#telling.take(nowMs)) {
      this.#toldAtMs = nowMs;
      this.#tell();
    }
    if (!isOver || this.#kinds.size > 0) {
      this.#lookLater();
      return;
    }
    this.#timer = null;
    this.#events.ended?.();
  }

  #tell(): void {
    if (this.#kinds.size === 0) return;
    const kinds = Object.fromEntries(this.#kinds);
    const count = [...this.#kinds.values()].reduce((sum, each) => sum + each, 0);
    this.#kinds = new Map();
    this.#events.tell({ count, kinds, sinceMs: this.#sinceMs, untilMs: this.#untilMs });
  }
}
