// The weekly schedules of one controller that keeps them itself: its holidays, then the time zones of each schedule,
// the one that slots name last, so that a link never leads to what is not there yet. Nothing of it can be read back:
// what was acknowledged is taken as held until the controller may have lost it.

import type { ScheduleOutcome, ZoneContent } from '../domain/ports.ts';
import { OperatingError } from '../domain/errors.ts';
import { localMoment } from '../domain/local-time.ts';
import { scheduleFrom, type Schedule } from '../domain/schedule.ts';
import { holidaysFitting, zonesFor, zonesNeeded } from '../store/schedule-fit.ts';
import type { Store } from '../store/store.ts';
import type { ScheduleRow } from '../store/schedules.ts';
import type { ZoneRow } from '../store/zones.ts';
import { certainInstant, whyUnheld } from './desired.ts';
import { call, FINE, inSlices, type Post, type StepResult, type ZoneKeeper } from './post.ts';

/** What the controller refused is offered again after so long, or when it is to be something else. */
const REFUSED_AGAIN_MS = 10 * 60_000;
/** From this many calls in a row on that it leaves unanswered, its slots are not held up by them any more. */
const SILENCES_BEARABLE = 3;
const SILENT_AGAIN_MS = 60_000;

/** How often it is asked whether zones have become free for schedules that found none. */
const WANTING_EVERY_MS = 15_000;
const ROWS_PER_LOOK = 256;

type Offer = {
  /** `holidays`, or the number of a time zone. */
  key: string;
  text: string;
  send: () => Promise<ScheduleOutcome>;
  /** Whether it is to hold this still: a command may have changed it while it was sent. */
  isWanted: () => boolean;
  note: (written: string | null) => void;
  /** Inside a transaction: the controller said no, and still has what was there before. */
  refuse: () => void;
};
type Refused = { text: string; message: string; untilMs: number };

export class Zones implements ZoneKeeper {
  readonly #refused = new Map<string, Refused>();
  /** What the zones held when it came to be doubted: to refuse that once more takes nothing back. */
  readonly #doubted = new Map<number, string>();
  /** How many calls in a row were not answered, though the controller is online: it may not know these commands. */
  #silences = 0;
  /** The day and the holidays that were compared last with what the controller was told. */
  #compared: string | null = null;
  /** When schedules that found no zones are next looked at, monotonic ms. */
  #wantingAtMs = 0;

  /** Tells the controller one thing that it does not know yet; null when it knows all. */
  async step(post: Post): Promise<StepResult | null> {
    if (post.controller.slots.schedules == null) return null;
    await this.#claimWanting(post);
    const rows = post.store.zones.ofController(post.controller.name);
    if (rows.length === 0) return null;
    const offer = this.#holidays(post) ?? this.#zone(post, rows);
    if (offer === null) {
      await release(post, rows);
      return null;
    }
    return await this.#tell(post, offer);
  }

  /**
   * Why a slot that names this zone cannot be written; null when it can, `waiting` while the controller is still to be
   * told.
   */
  problemOf(post: Post, zone: number): string | null {
    const rows = post.store.zones.ofController(post.controller.name);
    const head = rows.find((row) => row.zone === zone);
    const chain = rows.filter((row) => row.schedule_key === head?.schedule_key);
    const missing = head === undefined ? zone : chain.find(({ written }) => written === null)?.zone;
    const areHolidaysMissing =
      post.store.zones.holidaysTold(post.controller.name).written === null && mindsHolidays(post.store, head);
    const key = areHolidaysMissing ? 'holidays' : missing;
    return key === undefined ? null : (this.#refused.get(String(key))?.message ?? WAITING);
  }

  /** The controller may have lost what it was told. */
  async doubt(post: Post): Promise<void> {
    if (post.controller.slots.schedules == null) return;
    this.#refused.clear();
    this.#silences = 0;
    this.#compared = null;
    for (const { zone, written } of post.store.zones.ofController(post.controller.name))
      if (written !== null) this.#doubted.set(zone, written);
    await inSlices(post, [null], () => post.store.zones.doubt(post.controller.name));
  }

  /**
   * A schedule that found no zones here, after a change of the facility file, gets those that have become free, and
   * whoever follows it is judged by that.
   */
  async #claimWanting(post: Post): Promise<void> {
    const { store, controller, clock } = post;
    if (clock.monotonicMs() < this.#wantingAtMs) return;
    this.#wantingAtMs = clock.monotonicMs() + WANTING_EVERY_MS;
    const isHeld = (key: number): boolean => {
      const stored = store.schedules.byKey(key);
      return stored !== undefined && zonesFor(store, controller, scheduleOf(store, stored), key) !== null;
    };
    for (let after = 0; ;) {
      const rows = store.zones.wanting(controller.name, whyUnheld('schedule_not_held') ?? '', after, ROWS_PER_LOOK);
      const last = rows.at(-1);
      if (last === undefined) return;
      await inSlices(post, rows, ({ target_key: target, credential_key: credential }) => {
        if (store.zones.followedBy(credential, controller.name).every(isHeld)) store.targets.touchRow(target);
      });
      after = last.target_key;
    }
  }

  #holidays(post: Post): Offer | null {
    const { store, controller, clock } = post;
    const { schedules } = controller.slots;
    if (schedules == null) return null;
    const nowMs = certainInstant(post.time()) ?? clock.nowMs();
    const { changes } = store.holidays;
    const compared = `${localMoment(nowMs, schedules.timeZone).date} ${changes}`;
    const told = store.zones.holidaysTold(controller.name);
    if (compared === this.#compared && told.written !== null) return null;
    // What the controller was told last is nearer to the truth than days that somebody else wrote.
    if (!store.seals.holdHolidays()) return null;
    const days = holidaysFitting(store.holidays.days(), schedules.timeZone, nowMs, schedules.holidays);
    const text = JSON.stringify(days);
    if (text === told.written || this.#isRefused(post, 'holidays', text)) {
      this.#compared = compared;
      return null;
    }
    return {
      key: 'holidays',
      text,
      send: async () => (await post.device.schedules?.writeHolidays(days, told.most)) ?? NO_SCHEDULES,
      isWanted: () => store.holidays.changes === changes,
      note: (written) => store.zones.setHolidaysTold(controller.name, written, Math.max(told.most, days.length)),
      refuse: () => undefined,
    };
  }

  /** The last part first: whatever a zone links to is there before it. */
  #zone(post: Post, rows: readonly ZoneRow[]): Offer | null {
    const { store, controller } = post;
    for (const row of [...rows].sort((a, b) => b.part - a.part)) {
      const content = contentOf(post.store, rows, row);
      if (content === null) continue;
      const text = JSON.stringify(content);
      const key = String(row.zone);
      if (row.written === text || this.#isRefused(post, key, text)) continue;
      return {
        key,
        text,
        send: async () => (await post.device.schedules?.writeZone(row.zone, content)) ?? NO_SCHEDULES,
        isWanted: () => textOf(store, controller.name, row.zone) === text,
        note: (written) => {
          store.zones.setWritten(controller.name, row.zone, written);
          if (written !== null) this.#doubted.delete(row.zone);
        },
        refuse: () => {
          if (row.schedule_key !== null && this.#doubted.get(row.zone) !== text && store.zones.isNamed(row))
            store.zones.refuse(controller.name, row.schedule_key);
        },
      };
    }
    return null;
  }

  #isRefused(post: Post, key: string, text: string): boolean {
    const refused = this.#refused.get(key);
    return refused?.text === text && post.clock.monotonicMs() < refused.untilMs;
  }

  async #tell(post: Post, { key, text, send, isWanted, note, refuse }: Offer): Promise<StepResult> {
    const { controller, clock, log } = post;
    // From here on nobody knows what it holds, whatever happens to the process.
    await inSlices(post, [null], () => note(null));
    const outcome = await sent(post, send());
    const isSilent = outcome.outcome === 'unknown' && post.device.status().online;
    this.#silences = isSilent ? this.#silences + 1 : 0;
    if (outcome.outcome === 'done') {
      this.#refused.delete(key);
      await inSlices(post, [null], () => note(isWanted() ? text : null));
      return TOLD;
    }
    // Silence about this is a matter of the controller, not of a slot.
    if (outcome.outcome === 'unknown' && this.#silences < SILENCES_BEARABLE)
      return { asked: 2, unknown: 2, problem: outcome.message, isRepeat: false };
    const what = key === 'holidays' ? 'the holidays' : `time zone ${key}`;
    const says = isSilent ? 'does not answer when it is told' : 'refused';
    const message = `The controller ${says} ${what}, which the schedule needs: ${outcome.message}`;
    const againMs = isSilent ? SILENT_AGAIN_MS : REFUSED_AGAIN_MS;
    this.#refused.set(key, { text, message, untilMs: clock.monotonicMs() + againMs });
    // Nobody opens by a schedule that was taken back.
    if (outcome.outcome === 'refused') await inSlices(post, [null], refuse);
    log.warn('the controller does not take a weekly schedule', {
      controller: controller.name,
      what,
      problem: outcome.message,
    });
    // Nothing came back that would show that the line is well.
    return isSilent ? FINE : TOLD;
  }
}

async function sent(post: Post, work: Promise<ScheduleOutcome>): Promise<ScheduleOutcome> {
  try {
    return await call(post, 1, 'writing a weekly schedule', work);
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    return { outcome: 'unknown', message: error.message };
  }
}

/** Not said to anybody: the row simply waits for its turn. */
export const WAITING = 'waiting';
const TOLD: StepResult = { asked: 1, unknown: 0, problem: null, isRepeat: false };
const NO_SCHEDULES: ScheduleOutcome = { outcome: 'refused', message: 'it keeps no schedules' };

/** Null for a zone that its schedule does not need any more. */
function contentOf(store: Store, rows: readonly ZoneRow[], row: ZoneRow): ZoneContent | null {
  const key = row.schedule_key;
  const stored = key === null ? undefined : store.schedules.byKey(key);
  if (stored === undefined) return null;
  const schedule = scheduleOf(store, stored);
  const needed = zonesNeeded(schedule);
  if (row.part >= needed) return null;
  const next = rows.find((other) => other.schedule_key === key && other.part === row.part + 1);
  return {
    days: schedule.week.map((ranges) => ranges[row.part] ?? null),
    onHolidays: schedule.holidays === null,
    link: row.part + 1 < needed ? (next?.zone ?? null) : null,
  };
}

/** One that was changed behind our back opens at no time. */
const scheduleOf = (store: Store, row: ScheduleRow): Schedule =>
  store.seals.holdsScheduleRow(row) ? scheduleFrom(row.content) : CLOSED;
const CLOSED: Schedule = { week: Array.from({ length: 7 }, () => []), holidays: [] };

/** False for a schedule that holds on holidays as on any day. */
function mindsHolidays(store: Store, head: ZoneRow | undefined): boolean {
  const stored = head?.schedule_key == null ? undefined : store.schedules.byKey(head.schedule_key);
  return stored === undefined || scheduleOf(store, stored).holidays !== null;
}

/** What a zone is to hold now; null: nothing. */
function textOf(store: Store, controller: string, zone: number): string | null {
  const rows = store.zones.ofController(controller);
  const row = rows.find((one) => one.zone === zone);
  const content = row === undefined ? null : contentOf(store, rows, row);
  return content === null ? null : JSON.stringify(content);
}

/** Zones that nothing leads to any more are free for other schedules. Called when all the others were told. */
async function release(post: Post, rows: readonly ZoneRow[]): Promise<void> {
  const { store, controller } = post;
  const isLeft = (row: ZoneRow): boolean => contentOf(store, rows, row) === null;
  const isHeadTold = (row: ZoneRow): boolean =>
    rows.every((other) => other.schedule_key !== row.schedule_key || isLeft(other) || other.written !== null);
  const isGoneNamed = rows.some((row) => row.schedule_key === null) && store.zones.isGoneNamed(controller.name);
  const left = rows.filter((row) => isLeft(row) && isHeadTold(row) && !(row.schedule_key === null && isGoneNamed));
  if (left.length > 0) await inSlices(post, left, (row) => store.zones.release(controller.name, row.zone));
}

/** What a controller is still to be told of schedules, for people. */
export function untold(store: Store, controller: string): string[] {
  const rows = store.zones.ofController(controller);
  const zones = rows.filter((row) => {
    const content = contentOf(store, rows, row);
    return content !== null && row.written !== JSON.stringify(content);
  });
  const nameOf = ({ schedule_key: key }: ZoneRow): string =>
    (key === null ? undefined : store.schedules.byKey(key)?.name) ?? 'a schedule';
  const areHolidaysUntold = rows.length > 0 && store.zones.holidaysTold(controller).written === null;
  return [
    ...(areHolidaysUntold ? ['the holidays'] : []),
    ...zones.map((row) => `time zone ${row.zone}, for ${nameOf(row)}`),
  ];
}
