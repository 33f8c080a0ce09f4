// Which numbered time zone of a controller holds which part of which schedule. A schedule takes one zone for each range
// that its fullest day has; a number is given to another schedule only when no slot of the controller can name it any
// more.

import type { Db } from './db.ts';

export type ZoneRow = {
  controller: string;
  zone: number;
  /** Null: its schedule is gone, or has other zones. */
  schedule_key: number | null;
  /** 0 for the one that slots name. */
  part: number;
  /** What the controller acknowledged last; null: nothing that can be relied on. */
  written: string | null;
};

export type WantingRow = { target_key: number; credential_key: number };

/**
 * What a controller was told of the holidays, null for nothing that can be relied on, and the most days it was ever
 * told.
 */
export type HolidaysTold = { written: string | null; most: number };

/** The numbers that may be given away at a controller, both included. */
export type ZoneRange = { firstZone: number; lastZone: number };

/** The credentials without a list, of the users of `table`, that have rows at the controller. */
const FOLLOWERS = (table: string): string =>
  `JOIN credentials c ON c.user_key = ${table}.user_key AND c.has_own_entrances = 0
     JOIN targets t ON t.credential_key = c.credential_key AND t.controller = :controller`;

export class ZoneTable {
  readonly #ofController;
  readonly #chain;
  readonly #holdersOf;
  readonly #isTaken;
  readonly #insert;
  readonly #delete;
  readonly #setWritten;
  readonly #doubt;
  readonly #doubtSchedule;
  readonly #leave;
  readonly #touchNaming;
  readonly #outside;
  readonly #isNamed;
  readonly #isGoneNamed;
  readonly #isDoubtful;
  readonly #isFollowed;
  readonly #wanting;
  readonly #followedBy;
  readonly #holidays;
  readonly #setHolidays;

  constructor(db: Db) {
    this.#ofController = db.prepare<[string], ZoneRow>(
      'SELECT * FROM controller_zones WHERE controller = ? ORDER BY schedule_key, part',
    );
    this.#chain = db.prepare<[string, number], ZoneRow>(
      'SELECT * FROM controller_zones WHERE controller = ? AND schedule_key = ? ORDER BY part',
    );
    this.#holdersOf = db.prepare<[number], { controller: string }>(
      'SELECT DISTINCT controller FROM controller_zones WHERE schedule_key = ? ORDER BY controller',
    );
    this.#isTaken = db.prepare<[string, number], { found: number }>(
      'SELECT 1 AS found FROM controller_zones WHERE controller = ? AND zone = ?',
    );
    this.#insert = db.prepare<[string, number, number, number]>(
      'INSERT INTO controller_zones (controller, zone, schedule_key, part) VALUES (?, ?, ?, ?)',
    );
    this.#delete = db.prepare<[string, number]>('DELETE FROM controller_zones WHERE controller = ? AND zone = ?');
    this.#setWritten = db.prepare<[string | null, string, number]>(
      'UPDATE controller_zones SET written = ? WHERE controller = ? AND zone = ?',
    );
    this.#doubt = db.prepare<[string]>('UPDATE controller_zones SET written = NULL WHERE controller = ?');
    this.#doubtSchedule = db.prepare<[number]>('UPDATE controller_zones SET written = NULL WHERE schedule_key = ?');
    this.#touchNaming = db.prepare<[string, number, string]>(
      `UPDATE targets SET due_at = 0 WHERE controller = ? AND zone IN
         (SELECT zone FROM controller_zones WHERE schedule_key = ? AND controller = ?)`,
    );
    this.#leave = db.prepare<[string, number]>(
      'UPDATE controller_zones SET schedule_key = NULL WHERE controller = ? AND schedule_key = ?',
    );
    this.#outside = db.prepare<[{ controller: string } & ZoneRange]>(
      `UPDATE controller_zones SET schedule_key = NULL WHERE controller = :controller AND schedule_key IN
         (SELECT schedule_key FROM controller_zones WHERE controller = :controller AND (zone < :firstZone OR zone > :lastZone))`,
    );
    this.#isNamed = db.prepare<[string, number], { found: number }>(
      'SELECT 1 AS found FROM targets WHERE controller = ? AND zone = ? LIMIT 1',
    );
    this.#isGoneNamed = db.prepare<[string], { found: number }>(
      `SELECT 1 AS found FROM controller_zones z JOIN targets t ON t.controller = z.controller AND t.zone = z.zone
       WHERE z.controller = ? AND z.schedule_key IS NULL LIMIT 1`,
    );
    this.#isDoubtful = db.prepare<[string], { found: number }>(
      'SELECT 1 AS found FROM targets WHERE controller = ? AND slot IS NOT NULL AND read_hash IS NULL LIMIT 1',
    );
    this.#isFollowed = db.prepare<[{ schedule: number; controller: string }], { found: number }>(
      `SELECT 1 AS found WHERE EXISTS (SELECT 1 FROM credentials c JOIN targets t USING (credential_key)
           WHERE c.schedule_key = :schedule AND t.controller = :controller)
         OR EXISTS (SELECT 1 FROM access_groups g JOIN access_group_users m USING (group_key) ${FOLLOWERS('m')} WHERE g.schedule_key = :schedule)
         OR EXISTS (SELECT 1 FROM user_entrances ue ${FOLLOWERS('ue')} WHERE ue.schedule_key = :schedule)`,
    );
    this.#wanting = db.prepare<[string, string, number, number], WantingRow>(
      `SELECT target_key, credential_key FROM targets
       WHERE state = 'failed' AND controller = ? AND erase_since IS NULL AND error_message = ? AND target_key > ? ORDER BY target_key LIMIT ?`,
    );
    this.#followedBy = db.prepare<[{ credential: number; controller: string }], { schedule_key: number }>(
      // A card's slot also follows the schedule of the code that lies in it.
      `SELECT c.schedule_key FROM credentials own JOIN credentials c ON c.credential_key = own.credential_key OR c.user_key = own.user_key
       WHERE own.credential_key = :credential AND c.schedule_key IS NOT NULL
         AND EXISTS (SELECT 1 FROM targets t WHERE t.credential_key = c.credential_key AND t.controller = :controller)
       UNION SELECT g.schedule_key FROM credentials own JOIN access_group_users m USING (user_key) JOIN access_groups g USING (group_key)
       WHERE own.credential_key = :credential AND g.schedule_key IS NOT NULL
       UNION SELECT ue.schedule_key FROM credentials own JOIN user_entrances ue USING (user_key)
       WHERE own.credential_key = :credential AND ue.schedule_key IS NOT NULL`,
    );
    this.#holidays = db.prepare<[string], HolidaysTold>(
      'SELECT written, most FROM controller_holidays WHERE controller = ?',
    );
    this.#setHolidays = db.prepare<[string, string | null, number]>(
      `INSERT INTO controller_holidays (controller, written, most) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET written = excluded.written, most = max(most, excluded.most)`,
    );
  }

  ofController(controller: string): ZoneRow[] {
    return this.#ofController.all(controller);
  }

  /** The zones of a schedule at a controller, the one that slots name first. */
  chain(controller: string, scheduleKey: number): ZoneRow[] {
    return this.#chain.all(controller, scheduleKey);
  }

  /** The controllers at which the schedule has zones. */
  holdersOf(scheduleKey: number): string[] {
    return this.#holdersOf.all(scheduleKey).map(({ controller }) => controller);
  }

  /** Whether the schedule can have as many zones here as it needs. */
  hasRoom(controller: string, range: ZoneRange, scheduleKey: number, needed: number): boolean {
    const own = this.#chain.all(controller, scheduleKey).length;
    if (own >= needed) return true;
    return this.#free(controller, range).length + this.#idle(controller, range, scheduleKey).length >= needed - own;
  }

  /**
   * Inside a transaction: gives the schedule as many zones as it needs here; false, and nothing changed, when they
   * cannot be had.
   */
  claim(controller: string, range: ZoneRange, scheduleKey: number, needed: number): boolean {
    const own = this.#chain.all(controller, scheduleKey).length;
    if (own >= needed) return true;
    if (!this.hasRoom(controller, range, scheduleKey, needed)) return false;
    for (let part = own; part < needed; part++) {
      const zone = this.#free(controller, range)[0] ?? this.#reclaim(controller, range, scheduleKey);
      if (zone === undefined) return false;
      this.#insert.run(controller, zone, scheduleKey, part);
    }
    return true;
  }

  #free(controller: string, { firstZone, lastZone }: ZoneRange): number[] {
    const numbers = Array.from({ length: Math.max(0, lastZone - firstZone + 1) }, (_, i) => firstZone + i);
    return numbers.filter((zone) => this.#isTaken.get(controller, zone) === undefined);
  }

  /** Zones that nobody here needs any more. */
  #idle(controller: string, { firstZone, lastZone }: ZoneRange, exceptScheduleKey: number): ZoneRow[] {
    if (this.#isDoubtful.get(controller) !== undefined) return [];
    const rows = this.#ofController.all(controller);
    const needed = new Set<number>();
    for (const { schedule_key: key, zone } of rows) {
      if (key === null || needed.has(key)) continue;
      const isNeeded = key === exceptScheduleKey || this.#isFollowed.get({ schedule: key, controller }) !== undefined;
      if (isNeeded || this.#isNamed.get(controller, zone) !== undefined) needed.add(key);
    }
    const isGoneNamed = this.isGoneNamed(controller);
    return rows.filter(
      ({ schedule_key: key, zone }) =>
        zone >= firstZone && zone <= lastZone && (key === null ? !isGoneNamed : !needed.has(key)),
    );
  }

  #reclaim(controller: string, range: ZoneRange, exceptScheduleKey: number): number | undefined {
    const row = this.#idle(controller, range, exceptScheduleKey).at(-1);
    if (row !== undefined) this.#delete.run(controller, row.zone);
    return row?.zone;
  }

  setWritten(controller: string, zone: number, written: string | null): void {
    this.#setWritten.run(written, controller, zone);
  }

  /** The controller may have lost what it was told: all of it is told again. */
  doubt(controller: string): void {
    this.#doubt.run(controller);
    this.#setHolidays.run(controller, null, 0);
  }

  /** The schedule is another one from here on: no controller holds it before it was told. */
  doubtSchedule(scheduleKey: number): void {
    this.#doubtSchedule.run(scheduleKey);
  }

  release(controller: string, zone: number): void {
    this.#delete.run(controller, zone);
  }

  /** The schedule has no zones here any more; they are free once no slot names one. */
  leave(controller: string, scheduleKey: number): void {
    this.#leave.run(controller, scheduleKey);
  }

  /**
   * The controller keeps what the schedule was and will not have what it is: it has no zones here any more, and slots
   * that name one are judged by that.
   */
  refuse(controller: string, scheduleKey: number): void {
    this.#touchNaming.run(controller, scheduleKey, controller);
    this.#leave.run(controller, scheduleKey);
  }

  /**
   * A schedule of which the facility file gives us one number no more has none of its numbers any more: a part of it
   * would be another schedule.
   */
  leaveOutside(controller: string, { firstZone, lastZone }: ZoneRange): void {
    this.#outside.run({ controller, firstZone, lastZone });
  }

  /** Whether a slot of the controller may name a zone of the schedule that this one is of. */
  isNamed({ controller, schedule_key: key }: ZoneRow): boolean {
    const isNamed = ({ zone }: ZoneRow): boolean => this.#isNamed.get(controller, zone) !== undefined;
    return key !== null && this.#chain.all(controller, key).some(isNamed);
  }

  /**
   * Whether a slot of the controller may name a zone of any schedule that is gone: nobody knows any more to which
   * others that one leads.
   */
  isGoneNamed(controller: string): boolean {
    return this.#isGoneNamed.get(controller) !== undefined || this.#isDoubtful.get(controller) !== undefined;
  }

  /** Whether a credential with rows at this controller follows the schedule, itself or by a group or grant of its user. */
  isFollowed(controller: string, scheduleKey: number): boolean {
    return this.#isFollowed.get({ schedule: scheduleKey, controller }) !== undefined;
  }

  /** Rows behind the key `after` that this is said of: that their schedule has no zones here. */
  wanting(controller: string, message: string, after: number, limit: number): WantingRow[] {
    return this.#wanting.all(controller, message, after, limit);
  }

  /**
   * The schedules that a slot of this credential may follow here: its own, and those of its user's other credentials.
   */
  followedBy(credentialKey: number, controller: string): number[] {
    return this.#followedBy.all({ credential: credentialKey, controller }).map(({ schedule_key: key }) => key);
  }

  holidaysTold(controller: string): HolidaysTold {
    return this.#holidays.get(controller) ?? { written: null, most: 0 };
  }

  setHolidaysTold(controller: string, written: string | null, most: number): void {
    this.#setHolidays.run(controller, written, most);
  }
}
