// A device's clock in its registers, both ways, after the `clock` of a profile.

import { numberToRegisters, registersToNumber } from './layout.ts';
import type { Profile } from './profile-schema.ts';
import { instantOf, TIME_FORMS, wallClock } from './times.ts';

export type ClockSpec = NonNullable<Profile['clock']>;
type ClockPart = NonNullable<ClockSpec['order']>[number];

const zoneOf = (spec: ClockSpec, zone: string): string => (spec.zone === 'utc' ? 'UTC' : zone);
const order = (spec: ClockSpec): readonly ClockPart[] => spec.order ?? [];

/** How many registers the clock has. */
export const clockLength = (spec: ClockSpec): number =>
  spec.type === 'unix32' ? 2 : spec.type === 'registers' ? order(spec).length : 3;

/** `atMs` as the device keeps it; seconds are cut. */
export function clockRegisters(spec: ClockSpec, atMs: number, zone: string): number[] {
  const wall = wallClock(atMs, zoneOf(spec, zone));
  if (spec.type === 'unix32') {
    return numberToRegisters(BigInt(Math.floor(atMs / 1000)) & 0xffff_ffffn, 2, { words: spec.words, bytes: 'hi-lo' });
  }
  const parts: Readonly<Record<ClockPart, number>> = {
    yyyy: wall.year,
    yy: wall.year % 100,
    mm: wall.month,
    dd: wall.day,
    hh: wall.hour,
    mi: wall.minute,
    ss: wall.second,
    wd: wall.weekday,
  };
  const values = order(spec).map((part) => parts[part]);
  if (spec.type === 'registers') return values;
  const bytes = spec.type === 'bcd6' ? values.map((value) => Number.parseInt(String(value), 16)) : values;
  return [0, 2, 4].map((i) => ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
}

/** The instant in these registers, or null when they hold no date. */
export function fromClockRegisters(spec: ClockSpec, registers: readonly number[], zone: string): number | null {
  if (spec.type === 'unix32') return Number(registersToNumber(registers, { words: spec.words, bytes: 'hi-lo' })) * 1000;
  const bytes = registers.flatMap((register) => [register >> 8, register & 0xff]);
  const values =
    spec.type === 'registers'
      ? registers
      : spec.type === 'bcd6'
        ? bytes.map((byte) => (/^[0-9]+$/.test(byte.toString(16)) ? Number(byte.toString(16)) : 99))
        : bytes;
  const part = (name: ClockPart): number => values[order(spec).indexOf(name)] ?? 0;
  const year = order(spec).includes('yyyy') ? part('yyyy') : 2000 + part('yy');
  const text = [year, part('mm'), part('dd'), part('hh'), part('mi'), part('ss')].map((value, i) =>
    pad(value, i === 0 ? 4 : 2),
  );
  const [yyyy, mm, dd, hh, mi, ss] = text;
  const utcMs = Date.parse(`${yyyy ?? ''}-${mm ?? ''}-${dd ?? ''}T${hh ?? ''}:${mi ?? ''}:${ss ?? ''}Z`);
  const wall = Number.isNaN(utcMs) ? null : TIME_FORMS.unix32.fromRaw(BigInt(Math.max(0, utcMs / 1000)));
  // A date that the calendar does not have is moved on silently by some parsers: it must come back as it went in.
  if (wall === null || wall.day !== part('dd') || wall.month !== part('mm')) return null;
  return instantOf(wall, zoneOf(spec, zone));
}

const pad = (value: number, width: number): string => value.toString().padStart(width, '0');
