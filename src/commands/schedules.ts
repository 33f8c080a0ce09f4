// Weekly schedules: create, get, list, update, delete. A change holds at the doors of the gateway with the transaction
// that stores it; a controller that keeps schedules itself is told next, and one that could not keep what is asked
// refuses the command.

import { refusalOfSchedule } from '../acceptance/schedules.ts';
import { OperatingError, refuse } from '../domain/errors.ts';
import { rangeText, scheduleFrom, scheduleText, WEEKDAYS, type Schedule } from '../domain/schedule.ts';
import { zonesFor } from '../store/schedule-fit.ts';
import type { ScheduleRow } from '../store/schedules.ts';
import type { Store } from '../store/store.ts';
import type { ParamsOf } from './contract.ts';
import { folded, pageBytes, readPage, writePage } from './paging.ts';
import type { Call, Outcome, Room } from './room.ts';
import type { ResultOf } from './contract/results.ts';
import { changedFields, recordChange } from './trace.ts';
import { iso } from '../domain/iso.ts';

export function createSchedule(
  room: Room,
  params: ParamsOf<'schedules/create'>,
  call: Call,
): Outcome<'schedules/create'> {
  const { schedules, tombstones } = room.store;
  const scheduleId = params.schedule_id ?? room.random.uuid();
  const exists = (why: string): OperatingError =>
    new OperatingError('schedule_exists', `schedule ${scheduleId} ${why}`, ['params', 'schedule_id']);
  if (tombstones.has('schedule', scheduleId)) throw exists('was deleted, and a deleted id is never used again');
  const content = scheduleText({ week: params.week, holidays: params.on_holidays });
  const existing = schedules.byId(scheduleId);
  if (existing !== undefined) {
    if (existing.name === params.name && existing.content === content)
      return { result: { schedule: scheduleObject(room, existing) } };
    throw exists('exists with other details. Remedy: schedules/update');
  }
  const row = { schedule_id: scheduleId, name: params.name, content, created_at: call.nowMs };
  const scheduleKey = schedules.insert(row);
  room.store.raiseRevision();
  recordChange(room, call, { eventType: 'schedule.created', ids: { schedule_id: scheduleId } });
  return { result: { schedule: scheduleObject(room, { ...row, schedule_key: scheduleKey }) } };
}

export function getSchedule(room: Room, params: ParamsOf<'schedules/get'>): Outcome<'schedules/get'> {
  return { result: { schedule: scheduleObject(room, findSchedule(room, params.schedule_id)) } };
}

export function listSchedules(room: Room, params: ParamsOf<'schedules/list'>, call: Call): Outcome<'schedules/list'> {
  const rows = room.store.schedules.list({
    after: readPage(params.page_cursor),
    search: folded(params.search),
    limit: params.limit + 1,
  });
  return {
    result: writePage(
      'schedules',
      rows,
      { items: params.limit, bytes: pageBytes(call.mostReplyBytes) },
      (row) => scheduleObject(room, row),
      (row) => row.schedule_key,
    ),
  };
}

export function updateSchedule(
  room: Room,
  params: ParamsOf<'schedules/update'>,
  call: Call,
): Outcome<'schedules/update'> {
  const { store } = room;
  const row = findSchedule(room, params.schedule_id);
  const before = scheduleFrom(row.content);
  const schedule: Schedule = {
    week: params.week ?? before.week,
    holidays: params.on_holidays === undefined ? before.holidays : params.on_holidays,
  };
  const changed: ScheduleRow = { ...row, name: params.name ?? row.name, content: scheduleText(schedule) };
  const holders = store.zones.holdersOf(row.schedule_key);
  for (const name of holders) {
    const controller = room.site.slotController(name);
    if (controller === undefined) continue;
    if (!store.zones.isFollowed(name, row.schedule_key)) {
      // Nobody there needs it any more: whether the controller can keep it is asked of whoever will follow it.
      store.zones.leave(name, row.schedule_key);
      continue;
    }
    const param = params.week === undefined ? 'on_holidays' : 'week';
    if (room.isAccepted !== true) refuse(refusalOfSchedule(store, controller, schedule, row.schedule_key, param));
    zonesFor(store, controller, schedule, row.schedule_key);
  }
  store.schedules.update(changed);
  if (changed.content !== row.content) store.zones.doubtSchedule(row.schedule_key);
  store.raiseRevision();
  const fields = [
    ...changedFields(row, changed, { name: ['name'] }),
    ...(JSON.stringify(schedule.week) === JSON.stringify(before.week) ? [] : ['week']),
    ...(JSON.stringify(schedule.holidays) === JSON.stringify(before.holidays) ? [] : ['on_holidays']),
  ];
  recordChange(room, call, { eventType: 'schedule.updated', ids: { schedule_id: row.schedule_id }, fields });
  return { result: { schedule: scheduleObject(room, changed) }, wake: holders };
}

export function deleteSchedule(
  room: Room,
  params: ParamsOf<'schedules/delete'>,
  call: Call,
): Outcome<'schedules/delete'> {
  const { store } = room;
  const row = store.schedules.byId(params.schedule_id);
  if (row === undefined) {
    if (store.tombstones.has('schedule', params.schedule_id)) return { result: {} };
    throw scheduleNotFound(params.schedule_id);
  }
  const uses = store.schedules.usesOf(row.schedule_key);
  const paths = store.schedules.pathsOf(row.schedule_key);
  if (uses + paths > 0) {
    throw new OperatingError(
      'schedule_in_use',
      `${paths === 0 ? `${uses} credential(s)` : `${uses} credential(s) and ${paths} group(s) or grant(s)`} follow schedule ${row.schedule_id}, and would open at all times without it. Remedy: give them another, or delete them, first`,
      ['params', 'schedule_id'],
    );
  }
  const holders = store.zones.holdersOf(row.schedule_key);
  store.schedules.delete(row.schedule_key);
  store.tombstones.add('schedule', row.schedule_id, call.nowMs);
  store.raiseRevision();
  recordChange(room, call, { eventType: 'schedule.deleted', ids: { schedule_id: row.schedule_id } });
  return { result: {}, wake: holders };
}

export function findSchedule(room: Room, scheduleId: string): ScheduleRow {
  const row = room.store.schedules.byId(scheduleId);
  if (row === undefined) throw scheduleNotFound(scheduleId);
  return row;
}

const scheduleNotFound = (scheduleId: string): OperatingError =>
  new OperatingError('schedule_not_found', `no schedule ${scheduleId} here. Remedy: schedules/create first`, [
    'params',
    'schedule_id',
  ]);

function scheduleObject({ store, acsSystemId }: Room, row: ScheduleRow): ResultOf<'schedules/get'>['schedule'] {
  const { week, holidays } = scheduleFrom(row.content);
  return {
    schedule_id: row.schedule_id,
    acs_system_id: acsSystemId,
    name: row.name,
    week: Object.fromEntries(WEEKDAYS.map((day, i) => [day, (week[i] ?? []).map(rangeText)])),
    on_holidays: holidays === null ? 'as_usual' : holidays.length === 0 ? 'closed' : holidays.map(rangeText),
    credential_count: store.schedules.usesOf(row.schedule_key),
    controller_states: store.zones.holdersOf(row.schedule_key).map((controller) => {
      const zones = store.zones.chain(controller, row.schedule_key);
      // A schedule that holds on holidays as on any day needs none of them there.
      const areHolidaysTold = holidays === null || store.zones.holidaysTold(controller).written !== null;
      const isTold = areHolidaysTold && zones.every(({ written }) => written !== null);
      // It can be told to a controller, and not read back.
      return { controller, time_zones: zones.map(({ zone }) => zone), state: isTold ? 'unconfirmed' : 'writing' };
    }),
    created_at: iso(row.created_at),
    errors: isAsWritten(store, row) ? [] : [tampered(row)],
  };
}

/** As it stands in the store: `row` may be what a command has just made of it. */
function isAsWritten(store: Store, { schedule_key }: ScheduleRow): boolean {
  const stored = store.schedules.byKey(schedule_key);
  return stored === undefined || store.seals.holdsScheduleRow(stored);
}

const tampered = (row: ScheduleRow): ResultOf<'schedules/get'>['schedule']['errors'][number] => ({
  error_code: 'storage_tampered',
  message:
    'The record was changed behind the back of Lintel. Nobody enters by this schedule. Remedy: create another and give it to those who follow this one.',
  created_at: iso(row.created_at),
});
