// Holidays: create, get, list, update, delete. They concern every schedule of the facility, each of which says what
// holds on them.

import { OperatingError, refused } from '../domain/errors.ts';
import { daysBetween } from '../domain/local-time.ts';
import { holidaysFitting } from '../store/schedule-fit.ts';
import type { HolidayRow, NewHoliday } from '../store/schedules.ts';
import type { ParamsOf } from './contract.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import type { ResultOf } from './contract/results.ts';
import { changedFields, recordChange } from './trace.ts';
import { iso } from '../domain/iso.ts';

/** One holiday is no longer than this. */
const MOST_DAYS = 61;

export function createHoliday(room: Room, params: ParamsOf<'holidays/create'>, call: Call): Outcome<'holidays/create'> {
  const { holidays, tombstones } = room.store;
  const holidayId = params.holiday_id ?? room.random.uuid();
  const refuse = (why: string): OperatingError =>
    new OperatingError('holiday_exists', `holiday ${holidayId} ${why}`, ['params', 'holiday_id']);
  if (tombstones.has('holiday', holidayId)) throw refuse('was deleted, and a deleted id is never used again');
  const wanted: NewHoliday = {
    holiday_id: holidayId,
    name: params.name,
    first_date: params.date,
    last_date: params.last_date ?? params.date,
    is_every_year: params.every_year ? 1 : 0,
    created_at: call.nowMs,
  };
  const existing = holidays.byId(holidayId);
  if (existing !== undefined) {
    const isSame = (['name', 'first_date', 'last_date', 'is_every_year'] as const).every(
      (field) => existing[field] === wanted[field],
    );
    if (isSame) return { result: { holiday: holidayObject(room, existing) } };
    throw refuse('exists with other details. Remedy: holidays/update');
  }
  const days = daysOf(wanted);
  const former = holidays.days();
  const holidayKey = holidays.insert(wanted, days);
  recordChange(room, call, { eventType: 'holiday.created', ids: { holiday_id: holidayId } });
  return stored(room, { ...wanted, holiday_key: holidayKey }, former, call);
}

export function getHoliday(room: Room, params: ParamsOf<'holidays/get'>): Outcome<'holidays/get'> {
  return { result: { holiday: holidayObject(room, findHoliday(room, params.holiday_id)) } };
}

export function listHolidays(room: Room, params: ParamsOf<'holidays/list'>, call: Call): Outcome<'holidays/list'> {
  const rows = room.store.holidays.list({
    after: readPage(params.page_cursor),
    search: folded(params.search),
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'holidays',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => holidayObject(room, row),
      (row) => row.holiday_key,
    ),
  };
}

export function updateHoliday(room: Room, params: ParamsOf<'holidays/update'>, call: Call): Outcome<'holidays/update'> {
  const row = findHoliday(room, params.holiday_id);
  const wasOneDay = row.first_date === row.last_date;
  const first = params.date ?? row.first_date;
  const changed: HolidayRow = {
    ...row,
    name: params.name ?? row.name,
    first_date: first,
    // A single day that is moved stays a single day.
    last_date: params.last_date ?? (wasOneDay ? first : row.last_date),
    is_every_year: params.every_year === undefined ? row.is_every_year : params.every_year ? 1 : 0,
  };
  const days = daysOf(changed);
  const former = room.store.holidays.days();
  room.store.holidays.update(changed, days);
  const fields = changedFields(row, changed, HOLIDAY_FIELDS);
  recordChange(room, call, { eventType: 'holiday.updated', ids: { holiday_id: row.holiday_id }, fields });
  return stored(room, changed, former, call);
}

const HOLIDAY_FIELDS = {
  name: ['name'],
  date: ['first_date'],
  last_date: ['last_date'],
  every_year: ['is_every_year'],
} as const satisfies Record<string, readonly (keyof HolidayRow)[]>;

export function deleteHoliday(room: Room, params: ParamsOf<'holidays/delete'>, call: Call): Outcome<'holidays/delete'> {
  const { store } = room;
  const row = store.holidays.byId(params.holiday_id);
  if (row === undefined) {
    if (store.tombstones.has('holiday', params.holiday_id)) return { result: {} };
    throw holidayNotFound(params.holiday_id);
  }
  store.holidays.delete(row.holiday_key);
  store.tombstones.add('holiday', row.holiday_id, call.nowMs);
  store.raiseRevision();
  recordChange(room, call, { eventType: 'holiday.deleted', ids: { holiday_id: row.holiday_id } });
  const keepers = scheduleKeepers(room);
  doubtHolidays(room, keepers, call.nowMs);
  return { result: {}, wake: keepers.map(({ name }) => name) };
}

/** The days as they are looked up. */
export function daysOf(holiday: Pick<HolidayRow, 'first_date' | 'last_date' | 'is_every_year'>): string[] {
  if (holiday.last_date < holiday.first_date) {
    throw refused('invalid_input', 'last_date', 'must not be earlier than date');
  }
  const days = daysBetween(holiday.first_date, holiday.last_date, MOST_DAYS + 1);
  if (days.length > MOST_DAYS) {
    throw refused(
      'invalid_input',
      'last_date',
      `a holiday has at most ${MOST_DAYS} days. Remedy: give a schedule of its own to whoever may not enter for longer, or several holidays`,
    );
  }
  return holiday.is_every_year === 1 ? everyYear(days) : days;
}

/**
 * What reaches from February into March has the leap day of the years that have one, whatever the year in which it was
 * written.
 */
function everyYear(days: readonly string[]): string[] {
  const found = days.map((day) => day.slice(5));
  return found.includes('02-28') && found.includes('03-01') ? [...new Set([...found, '02-29'])] : found;
}

/**
 * Inside the transaction that stored it: a controller that cannot hold as many refuses the command, unless there are no
 * more than before (`former`).
 */
function stored(room: Room, row: HolidayRow, former: readonly string[], call: Call): Outcome {
  const keepers = scheduleKeepers(room);
  const days = keepers.length === 0 ? [] : room.store.holidays.days();
  const countOf = (all: readonly string[]): number => holidaysFitting(all, room.timeZone, call.nowMs, Infinity).length;
  const count = countOf(days);
  for (const { name, most } of keepers) {
    if (room.isAccepted !== true && count > most && count > countOf(former)) {
      throw refused(
        'no_space_for_access_code_on_device',
        'date',
        `${name} holds ${most} holidays a year, and with this one there are ${count}. Remedy: delete holidays that have passed or are not needed`,
      );
    }
  }
  doubtHolidays(room, keepers, call.nowMs);
  room.store.raiseRevision();
  return { result: { holiday: holidayObject(room, row) }, wake: keepers.map(({ name }) => name) };
}

type Keeper = { name: string; most: number };

/** Controllers that keep schedules, and so holidays, themselves, and how many of these each can. */
const scheduleKeepers = (room: Room): Keeper[] =>
  room.site
    .slotControllers()
    .flatMap(({ name, slots }) => (slots.schedules == null ? [] : [{ name, most: slots.schedules.holidays }]));

/**
 * The holidays are others from here on: no controller that was told different ones holds them before it was told these.
 */
function doubtHolidays({ store, timeZone }: Room, keepers: readonly Keeper[], nowMs: number): void {
  const days = keepers.length === 0 ? [] : store.holidays.days();
  for (const { name, most } of keepers) {
    const { written } = store.zones.holidaysTold(name);
    const wanted = JSON.stringify(holidaysFitting(days, timeZone, nowMs, most));
    if (written !== null && written !== wanted) store.zones.setHolidaysTold(name, null, 0);
  }
}

function findHoliday(room: Room, holidayId: string): HolidayRow {
  const row = room.store.holidays.byId(holidayId);
  if (row === undefined) throw holidayNotFound(holidayId);
  return row;
}

const holidayNotFound = (holidayId: string): OperatingError =>
  new OperatingError('holiday_not_found', `no holiday ${holidayId} here`, ['params', 'holiday_id']);

const holidayObject = (room: Room, row: HolidayRow): ResultOf<'holidays/get'>['holiday'] => ({
  holiday_id: row.holiday_id,
  acs_system_id: room.acsSystemId,
  name: row.name,
  date: row.first_date,
  last_date: row.last_date,
  every_year: row.is_every_year === 1,
  created_at: iso(row.created_at),
});
