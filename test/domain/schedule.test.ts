import { describe, expect, it } from 'vitest';
import { daysBetween, localMoment } from '../../src/domain/local-time.ts';
import {
  isWithin,
  mostRanges,
  parseRanges,
  parseWeek,
  rangesText,
  scheduleFrom,
  scheduleText,
  type Schedule,
} from '../../src/domain/schedule.ts';

const OSLO = 'Europe/Oslo';

function office(holidays: Schedule['holidays'] = []): Schedule {
  const week = parseWeek('mon-fri 08:00-12:00, 13:00-17:00; sat 10:00-24:00');
  if (typeof week === 'string') throw new Error(week);
  return { week, holidays };
}

const opensAt = (schedule: Schedule, instant: string, isHoliday = false): boolean =>
  isWithin(schedule, localMoment(Date.parse(instant), OSLO), isHoliday);

describe('a week in one line', () => {
  it.each([
    ['mon-fri 08:00-17:00', ['08:00-17:00', '08:00-17:00', '08:00-17:00', '08:00-17:00', '08:00-17:00', 'closed', 'closed']],
    ['Mon, Wed 08:00-12:00,13:00-17:00', ['08:00-12:00, 13:00-17:00', 'closed', '08:00-12:00, 13:00-17:00', 'closed', 'closed', 'closed', 'closed']],
    ['fri-mon 00:00-24:00', ['00:00-24:00', 'closed', 'closed', 'closed', '00:00-24:00', '00:00-24:00', '00:00-24:00']],
    ['monday 08:00-12:00; mon 11:00-14:00; mon 14:00-15:00', ['08:00-15:00', 'closed', 'closed', 'closed', 'closed', 'closed', 'closed']],
  ])('%s', (text, days) => {
    const week = parseWeek(text);
    expect(typeof week === 'string' ? week : week.map(rangesText)).toEqual(days);
  }); // prettier-ignore

  it.each([
    ['', 'opens on no day at all'],
    ['mon', 'is not days and ranges'],
    ['moon 08:00-12:00', '"moon" is no day of the week'],
    ['mon-tue-wed 08:00-12:00', '"mon-tue-wed" is no day of the week'],
    ['mon 8-12', '"8-12" is no range of the day'],
    ['mon 08:00-24:01', '"08:00-24:01" is no range of the day'],
    ['mon 24:00-24:00', '"24:00-24:00" is no range of the day'],
    ['mon 08:60-09:00', '"08:60-09:00" is no range of the day'],
    ['mon 12:00-12:00', '"12:00-12:00" ends before it begins'],
    ['fri 22:00-06:00', '22:00-24:00, and 00:00-06:00 on the day after'],
    ['mon 01:00-01:30,02:00-02:30,03:00-03:30,04:00-04:30,05:00-05:30,06:00-06:30,07:00-07:30,08:00-08:30,09:00-09:30', 'at most 8 ranges'],
  ])('%s is refused in words', (text, message) => {
    expect(parseWeek(text)).toContain(message);
  }); // prettier-ignore
});

describe('a schedule', () => {
  it('lets in from the first minute of a range to before its last, by the wall clock', () => {
    // A Monday in winter: Oslo is one hour ahead of UTC.
    expect(opensAt(office(), '2026-01-05T06:59:59.999Z')).toBe(false);
    expect(opensAt(office(), '2026-01-05T07:00:00Z')).toBe(true);
    expect(opensAt(office(), '2026-01-05T10:59:59.999Z')).toBe(true);
    expect(opensAt(office(), '2026-01-05T11:00:00Z')).toBe(false);
    expect(opensAt(office(), '2026-01-10T22:59:59Z')).toBe(true);
    expect(opensAt(office(), '2026-01-10T23:00:00Z')).toBe(false);
    expect(opensAt(office(), '2026-01-11T11:00:00Z')).toBe(false);
  });

  it('follows daylight saving: eight in the morning is an hour earlier by UTC in summer', () => {
    expect(opensAt(office(), '2026-07-06T06:00:00Z')).toBe(true);
    expect(opensAt(office(), '2026-07-06T05:59:00Z')).toBe(false);
  });

  it('is judged by the day that the building has, not the one that UTC has', () => {
    // 23:30 UTC on Sunday is Monday in Oslo, and the other way round in New York.
    expect(localMoment(Date.parse('2026-01-04T23:30:00Z'), OSLO)).toEqual({
      date: '2026-01-05',
      weekday: 0,
      minute: 30,
    });
    expect(localMoment(Date.parse('2026-01-05T03:30:00Z'), 'America/New_York')).toMatchObject({
      date: '2026-01-04',
      weekday: 6,
    });
  });

  it('holds on holidays as it says: not at all, as usual, or at times of their own', () => {
    const noon = '2026-01-05T09:00:00Z';
    expect(opensAt(office([]), noon, true)).toBe(false);
    expect(opensAt(office(null), noon, true)).toBe(true);
    const own = parseRanges(['14:00-15:00']);
    if (typeof own === 'string') throw new Error(own);
    expect([opensAt(office(own), noon, true), opensAt(office(own), '2026-01-05T13:30:00Z', true)]).toEqual([
      false,
      true,
    ]);
  });

  it('comes out of the store as it went in', () => {
    expect(scheduleFrom(scheduleText(office([])))).toEqual(office([]));
    expect(scheduleFrom(scheduleText(office(null)))).toEqual(office(null));
    expect(mostRanges(office())).toBe(2);
  });
});

it('days between two dates pass over months and leap days', () => {
  expect(daysBetween('2028-02-28', '2028-03-01', 10)).toEqual(['2028-02-28', '2028-02-29', '2028-03-01']);
  expect(daysBetween('2026-12-31', '2026-12-30', 10)).toEqual([]);
});
