// Weekly schedules and holidays. A decision reads the schedule with its credential, and asks for the day in two point
// look-ups.

import type { Db } from './db.ts';

export type ScheduleRow = {
  schedule_key: number;
  schedule_id: string;
  name: string;
  /** The text of domain/schedule.ts. */
  content: string;
  created_at: number;
  /** Over what decides (seal.ts); never written from here. */
  seal?: Buffer | null;
};
export type NewSchedule = Omit<ScheduleRow, 'schedule_key' | 'seal'>;

export type HolidayRow = {
  holiday_key: number;
  holiday_id: string;
  name: string;
  /** `YYYY-MM-DD`, both included. */
  first_date: string;
  last_date: string;
  is_every_year: 0 | 1;
  created_at: number;
};
export type NewHoliday = Omit<HolidayRow, 'holiday_key'>;

export type PageFilter = { after: number; search: string | null; limit: number };

export class ScheduleTable {
  readonly #byId;
  readonly #byKey;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #list;
  readonly #all;
  readonly #usesOf;
  readonly #pathsOf;

  constructor(db: Db) {
    this.#byId = db.prepare<[string], ScheduleRow>('SELECT * FROM schedules WHERE schedule_id = ?');
    this.#byKey = db.prepare<[number], ScheduleRow>('SELECT * FROM schedules WHERE schedule_key = ?');
    this.#insert = db.prepare<[NewSchedule]>(
      'INSERT INTO schedules (schedule_id, name, content, created_at) VALUES (:schedule_id, :name, :content, :created_at)',
    );
    this.#update = db.prepare<[ScheduleRow]>(
      'UPDATE schedules SET name = :name, content = :content WHERE schedule_key = :schedule_key',
    );
    this.#delete = db.prepare<[number]>('DELETE FROM schedules WHERE schedule_key = ?');
    this.#list = db.prepare<[PageFilter], ScheduleRow>(
      `SELECT * FROM schedules WHERE schedule_key > :after AND (:search IS NULL OR instr(fold(name), :search) OR schedule_id = :search)
       ORDER BY schedule_key LIMIT :limit`,
    );
    this.#all = db.prepare<[], ScheduleRow>('SELECT * FROM schedules ORDER BY schedule_key');
    this.#pathsOf = db.prepare<[{ schedule: number }], { count: number }>(
      `SELECT (SELECT count(*) FROM access_groups WHERE schedule_key = :schedule)
            + (SELECT count(*) FROM user_entrances WHERE schedule_key = :schedule AND grant_key = 0)
            + (SELECT count(*) FROM access_grants WHERE schedule_key = :schedule) AS count`,
    );
    this.#usesOf = db.prepare<[number], { count: number }>(
      'SELECT count(*) AS count FROM credentials WHERE schedule_key = ?',
    );
  }

  byId(scheduleId: string): ScheduleRow | undefined {
    return this.#byId.get(scheduleId);
  }

  byKey(scheduleKey: number): ScheduleRow | undefined {
    return this.#byKey.get(scheduleKey);
  }

  insert(schedule: NewSchedule): number {
    return Number(this.#insert.run(schedule).lastInsertRowid);
  }

  update(schedule: ScheduleRow): void {
    this.#update.run(schedule);
  }

  delete(scheduleKey: number): void {
    this.#delete.run(scheduleKey);
  }

  list(filter: PageFilter): ScheduleRow[] {
    return this.#list.all(filter);
  }

  all(): ScheduleRow[] {
    return this.#all.all();
  }

  /** How many groups and grants follow it. */
  pathsOf(scheduleKey: number): number {
    return this.#pathsOf.get({ schedule: scheduleKey })?.count ?? 0;
  }

  /** How many credentials follow it. */
  usesOf(scheduleKey: number): number {
    return this.#usesOf.get(scheduleKey)?.count ?? 0;
  }
}

export class HolidayTable {
  readonly #byId;
  readonly #insert;
  readonly #addDay;
  readonly #clearDays;
  readonly #update;
  readonly #delete;
  readonly #list;
  readonly #isHoliday;
  readonly #days;
  #changes = 0;

  constructor(db: Db) {
    this.#byId = db.prepare<[string], HolidayRow>('SELECT * FROM holidays WHERE holiday_id = ?');
    this.#insert = db.prepare<[NewHoliday]>(
      `INSERT INTO holidays (holiday_id, name, first_date, last_date, is_every_year, created_at)
       VALUES (:holiday_id, :name, :first_date, :last_date, :is_every_year, :created_at)`,
    );
    this.#addDay = db.prepare<[string, number]>('INSERT OR IGNORE INTO holiday_days (day, holiday_key) VALUES (?, ?)');
    this.#clearDays = db.prepare<[number]>('DELETE FROM holiday_days WHERE holiday_key = ?');
    this.#update = db.prepare<[HolidayRow]>(
      `UPDATE holidays SET name = :name, first_date = :first_date, last_date = :last_date, is_every_year = :is_every_year
       WHERE holiday_key = :holiday_key`,
    );
    this.#delete = db.prepare<[number]>('DELETE FROM holidays WHERE holiday_key = ?');
    this.#list = db.prepare<[PageFilter], HolidayRow>(
      `SELECT * FROM holidays WHERE holiday_key > :after AND (:search IS NULL OR instr(fold(name), :search) OR holiday_id = :search)
       ORDER BY holiday_key LIMIT :limit`,
    );
    this.#isHoliday = db.prepare<[string, string], { found: number }>(
      'SELECT 1 AS found FROM holiday_days WHERE day IN (?, ?) LIMIT 1',
    );
    this.#days = db.prepare<[], { day: string }>('SELECT DISTINCT day FROM holiday_days ORDER BY day');
  }

  byId(holidayId: string): HolidayRow | undefined {
    return this.#byId.get(holidayId);
  }

  /** `days`: every day of it, `YYYY-MM-DD`, or `MM-DD` where it comes every year. */
  insert(holiday: NewHoliday, days: readonly string[]): number {
    const key = Number(this.#insert.run(holiday).lastInsertRowid);
    this.#setDays(key, days);
    return key;
  }

  update(holiday: HolidayRow, days: readonly string[]): void {
    this.#update.run(holiday);
    this.#setDays(holiday.holiday_key, days);
  }

  delete(holidayKey: number): void {
    this.#delete.run(holidayKey);
    this.#changes += 1;
  }

  list(filter: PageFilter): HolidayRow[] {
    return this.#list.all(filter);
  }

  /** `date` is `YYYY-MM-DD`. */
  isHoliday(date: string): boolean {
    return this.#isHoliday.get(date, date.slice(5)) !== undefined;
  }

  /** Every day that is a holiday, `YYYY-MM-DD`, or `MM-DD` for every year. */
  days(): string[] {
    return this.#days.all().map(({ day }) => day);
  }

  /** Rises when a holiday may have changed, so that nobody need read them all to see that none has. */
  get changes(): number {
    return this.#changes;
  }

  #setDays(holidayKey: number, days: readonly string[]): void {
    this.#clearDays.run(holidayKey);
    for (const day of days) this.#addDay.run(day, holidayKey);
    this.#changes += 1;
  }
}
