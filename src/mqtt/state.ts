// Retained state: each topic has a source, is published anew at every connect, and afterwards when it has changed, not
// more often than people can read.

import type { Clock, Timer } from '../domain/ports.ts';

export type StateSource = {
  topic: string;
  /** Null: nobody knows at the moment, and what was published last stays. */
  read: () => Record<string, unknown> | null;
  /** Members that move all the time (counters): alone they are published once a minute only. */
  restless: readonly string[];
};

const SETTLE_MS = 200;
const RESTLESS_EVERY_MS = 60_000;

export class RetainedState {
  readonly #clock: Clock;
  readonly #sources: readonly StateSource[];
  readonly #publish: (topic: string, json: string) => void;
  readonly #published = new Map<string, string>();
  #timer: Timer | null = null;
  #restlessTimer: Timer | null = null;
  #isUp = false;

  constructor(clock: Clock, sources: readonly StateSource[], publish: (topic: string, json: string) => void) {
    this.#clock = clock;
    this.#sources = sources;
    this.#publish = publish;
  }

  connected(): void {
    this.#isUp = true;
    this.#published.clear();
    this.#publishAll(true);
    this.#scheduleRestless();
  }

  disconnected(): void {
    this.#isUp = false;
    this.#timer?.cancel();
    this.#restlessTimer?.cancel();
    this.#timer = null;
    this.#restlessTimer = null;
  }

  /** Something may have changed; looked at in a moment, together with what changes until then. */
  touch(): void {
    if (!this.#isUp) return;
    this.#timer ??= this.#clock.after(SETTLE_MS, () => {
      this.#timer = null;
      this.#publishAll(false);
    });
  }

  #publishAll(withRestless: boolean): void {
    for (const source of this.#sources) {
      const state = source.read();
      if (state === null) continue;
      const calm = JSON.stringify(
        Object.fromEntries(Object.entries(state).filter(([key]) => !source.restless.includes(key))),
      );
      if (!withRestless && this.#published.get(source.topic) === calm) continue;
      this.#published.set(source.topic, calm);
      this.#publish(source.topic, JSON.stringify(state));
    }
  }

  #scheduleRestless(): void {
    this.#restlessTimer = this.#clock.after(RESTLESS_EVERY_MS, () => {
      this.#publishAll(true);
      this.#scheduleRestless();
    });
  }
}
