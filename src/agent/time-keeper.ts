// How late it is and how far that can be relied on, for everybody who judges windows: the trust in the clock, what is
// left of its grace, and the word of the facility file.

import { newEvent } from '../domain/events.ts';
import type { Policy } from '../domain/facility.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { TimeWitness } from '../domain/window.ts';
import { ClockGrace } from '../ops/clock-grace.ts';
import { ClockTrust, type BootRecord, type Voucher } from '../ops/clock-trust.ts';
import type { Store } from '../store/store.ts';
import type { Survival } from './survival.ts';

export type TimeKeeperOptions = {
  clock: Clock;
  log: Log;
  vouchers: readonly Voucher[];
  bootRecord: BootRecord | null;
  policy: Policy;
  store: Store | null;
  survival: Survival;
  /** Windows may be judged otherwise from now on. */
  onChange: () => void;
};

const FLOOR_KEY = 'clock_floor';
const GRACE_KEY = 'clock_grace_spent';

export class TimeKeeper {
  readonly trust: ClockTrust;
  readonly #grace: ClockGrace;
  readonly #mayJudgeByFloor: boolean;

  constructor({ clock, log, vouchers, bootRecord, policy, store, survival, onChange }: TimeKeeperOptions) {
    this.#mayJudgeByFloor = policy.clockUntrusted === 'judge_by_floor';
    this.trust = new ClockTrust({
      clock,
      log,
      vouchers,
      bootRecord,
      floor: {
        load: () => survival.try(() => store?.meta.number(FLOOR_KEY)) ?? null,
        save: (floorMs) => store?.group(() => store.meta.set(FLOOR_KEY, floorMs)),
      },
    });
    this.#grace = new ClockGrace({
      clock,
      log,
      graceMs: policy.clockGraceMs,
      store: {
        load: () => survival.try(() => store?.meta.number(GRACE_KEY)) ?? null,
        save: (spentMs) => store?.now(() => store.meta.set(GRACE_KEY, spentMs)),
      },
    });
    this.#grace.follow(this.trust.state().trusted);
    this.trust.onChange((state) => {
      this.#grace.follow(state.trusted);
      const event = newEvent(state.trusted ? 'agent.clock_trusted' : 'agent.clock_untrusted', { reason: state.reason });
      survival.try(() => store?.group(() => store.events.add(event, clock.nowMs())));
      onChange();
    });
  }

  /** Nobody waits for whoever vouches: doors are served meanwhile, by the floor. */
  start(): void {
    void this.trust.start();
  }

  now(): TimeWitness {
    const { trusted, nowMs, floorMs } = this.trust.state();
    const isGraceLeft = this.#mayJudgeByFloor && this.#grace.isLeft();
    return { trusted, nowMs, floorMs: this.#mayJudgeByFloor ? floorMs : null, isGraceLeft };
  }

  stop(): void {
    this.trust.stop();
    this.#grace.stop();
  }
}
