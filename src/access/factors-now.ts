// Which factors are in force at an entrance at an instant, and word to whoever shows it when the clock has changed them.

import { type Factors, strictestOf } from '../domain/factors.ts';
import { isWithin } from '../domain/schedule.ts';
import type { Clock, Timer } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Calendar } from './schedule-check.ts';

const MINUTE_MS = 60_000;

/** `why` null: they are the same at all times. */
export type FactorsInForce = {
  factors: Factors;
  why: 'schedule' | 'otherwise' | 'clock_untrusted' | 'card_waits' | null;
};

export function factorsAt(
  { factors, factorsByTime }: SiteEntrance,
  time: TimeWitness,
  calendar: Calendar,
): FactorsInForce {
  if (factorsByTime === null) return { factors, why: null };
  if (!time.trusted) return { factors: strictestOf(factorsByTime), why: 'clock_untrusted' };
  const moment = calendar.moment(time.nowMs);
  const isHoliday = calendar.isHoliday(moment.date);
  const held = factorsByTime.schedules.find(({ schedule }) => isWithin(schedule, moment, isHoliday));
  return held === undefined
    ? { factors: factorsByTime.otherwise, why: 'otherwise' }
    : { factors: held.factors, why: 'schedule' };
}

export type FactorsNowOptions = {
  site: Site;
  clock: Clock;
  time: () => TimeWitness;
  calendar: Calendar;
  onChange: () => void;
};

export class FactorsNow {
  readonly #options: FactorsNowOptions;
  readonly #byTime: readonly SiteEntrance[];
  #told = '';
  #timer: Timer | null = null;

  constructor(options: FactorsNowOptions) {
    this.#options = options;
    this.#byTime = options.site.entrances.filter(({ factorsByTime }) => factorsByTime !== null);
  }

  /** Nobody is woken for it where no entrance changes by the clock. */
  start(): void {
    if (this.#byTime.length > 0) this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  at(entrance: SiteEntrance, time: TimeWitness): FactorsInForce {
    return factorsAt(entrance, time, this.#options.calendar);
  }

  /** Whoever decides asks for the moment itself: this is for those who are shown it. */
  #look(): void {
    const { clock, time, onChange } = this.#options;
    const now = time();
    const told = this.#byTime.map((entrance) => this.at(entrance, now).factors).join();
    if (this.#told !== '' && told !== this.#told) onChange();
    this.#told = told;
    this.#timer = clock.after(MINUTE_MS - (clock.nowMs() % MINUTE_MS), () => this.#look());
  }
}
