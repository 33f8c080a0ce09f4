// Weekly schedules as the controller keeps them (sections 2.24 and 3.2): a numbered time zone has one range for each
// day of the week, Sunday first, and may go on in another zone. A user's slot names the zone in which it opens; zone 0
// is no restriction.

import { assert } from '../../src/domain/errors.ts';

export const TIME_ZONE_BYTES = 30;
const DAY_MINUTES = 24 * 60;

/** Minutes since midnight, both included. */
export type DayRange = { beginMinute: number; endMinute: number };

export type TimeZone = {
  /** Another zone that holds as well; 0: none. */
  link: number;
  onHolidays: boolean;
  level: number;
  /** Seven, Sunday first. */
  days: readonly DayRange[];
};

/**
 * A day on which nobody enters. The manual names no such value; a range without length opens for its one minute at the
 * worst, one turned round might for the whole day.
 */
export const CLOSED_DAY: DayRange = { beginMinute: 0, endMinute: 0 };

/**
 * The zones that hold this week (for each day from Sunday the ranges in which it is open), numbered upwards from
 * `first` and linked into a chain, for a day has one range in each. Null when the controller's zones do not suffice; a
 * slot then names `first`.
 */
export function zonesForWeek(
  week: readonly (readonly DayRange[])[],
  first: number,
  zoneCount: number,
): TimeZone[] | null {
  assert(week.length === 7, 'a week has seven days');
  const needed = Math.max(1, ...week.map((ranges) => ranges.length));
  if (first < 1 || first + needed > zoneCount) return null;
  return Array.from({ length: needed }, (_, part) => ({
    link: part + 1 < needed ? first + part + 1 : 0,
    onHolidays: false,
    level: 0,
    days: week.map((ranges) => ranges[part] ?? CLOSED_DAY),
  }));
}

export function encodeTimeZone(zone: TimeZone): Buffer {
  assert(zone.days.length === 7, 'a week has seven days');
  assert(zone.link >= 0 && zone.link <= 0x7f, 'a link is a number of seven bits');
  const bytes = Buffer.alloc(TIME_ZONE_BYTES);
  bytes.set([(zone.onHolidays ? 0x80 : 0) | zone.link, zone.level]);
  zone.days.forEach(({ beginMinute, endMinute }, day) => {
    assert(beginMinute < DAY_MINUTES && endMinute < DAY_MINUTES, 'a day has 1440 minutes');
    bytes.writeUInt16BE(beginMinute, 2 + day * 4);
    bytes.writeUInt16BE(endMinute, 4 + day * 4);
  });
  return bytes;
}

export function decodeTimeZone(bytes: Buffer): TimeZone {
  assert(bytes.length === TIME_ZONE_BYTES, 'a time zone has 30 bytes');
  const link = bytes.readUInt8(0);
  return {
    link: link & 0x7f,
    onHolidays: (link & 0x80) !== 0,
    level: bytes.readUInt8(1),
    days: Array.from({ length: 7 }, (_, day) => ({
      beginMinute: bytes.readUInt16BE(2 + day * 4),
      endMinute: bytes.readUInt16BE(4 + day * 4),
    })),
  };
}
