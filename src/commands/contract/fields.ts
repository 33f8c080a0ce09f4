// What parameters of several resources hold: each field once, with its words for what is wanted there.

import { z } from 'zod';
import { CARD_FORMATS } from '../../domain/card-formats.ts';
import { eventTypes, isEventType } from '../../domain/events.ts';
import { UUID_FORM } from '../../domain/ids.ts';
import { PIN_FORM } from '../../domain/pin.ts';
import { MOST_RANGES, parseRanges, WEEKDAYS } from '../../domain/schedule.ts';
import { MOST_USES } from '../../domain/uses.ts';
import { didYouMean } from '../../domain/words.ts';
import { holidaysOf, weekOf } from '../schedule-params.ts';

const ID_WANTED = 'an id in the form of a UUID, e.g. 33333333-3333-3333-3333-333333333333';
export const id = (description: string) =>
  z.string(ID_WANTED).regex(UUID_FORM, ID_WANTED).toLowerCase().describe(description).meta({ format: 'uuid' });

const INSTANT_WANTED = 'an RFC 3339 instant with an offset, e.g. 2026-03-01T10:40:00Z';
/** An instant on the border, epoch milliseconds inside. */
export const instant = z.iso.datetime({ offset: true, error: INSTANT_WANTED }).transform((text) => Date.parse(text));
export const startsAt = instant.describe('From when on it is valid, including this instant');
export const endsAt = instant.describe('Until when it is valid, excluding this instant');

export const text = (description: string, max: number) =>
  z.string().trim().min(1, 'must not be empty').max(max, `at most ${max} characters`).describe(description);

const MOST_METADATA_BYTES = 4_096;
export const metadata = z
  .record(z.string(), z.json())
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= MOST_METADATA_BYTES, 'at most 4 KiB')
  .describe('Kept and returned as given, at most 4 KiB');

export const code = z
  .string('digits only, 4 to 12 of them, as a string')
  .regex(PIN_FORM, 'digits only, 4 to 12 of them')
  .describe('The PIN: 4 to 12 digits, as a string; leading zeros count');
/** The longest number of a card, in its canonical form. */
export const MOST_CARD_CHARACTERS = 520;
export const cardNumber = z
  .string('a string')
  .min(1)
  .max(MOST_CARD_CHARACTERS)
  .describe(
    'Canonical (`H10301:123:45678`, `uid:04A1B2C3`, `raw:26:BDD93740`), or the number alone, read by `card_format` or the default of the facility',
  );
export const cardFormat = z
  .enum(CARD_FORMATS.filter((name) => name !== 'uid-reversed'))
  .describe('How a number without its format is read');
export const entranceIds = z
  .array(id('An entrance'))
  .max(1000)
  .describe('The entrances it opens; [] opens none; left out, it follows its user');
export const system = id('Optional; must be the facility’s own').optional();
export const limit = z.int().min(1).max(500).default(100).describe('At most this many, up to 500');
export const mostEntrances = z.int().min(1).max(500).default(500).describe('At most this many, up to 500');
const pageCursor = z.string().max(200).optional().describe('`next_page_cursor` of the page before');
const search = z.string().min(1).max(200).optional().describe('Part of the name, or an id');
export const paging = { acs_system_id: system, limit, page_cursor: pageCursor, search };
export const secretRevision = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .describe('A number of the caller’s own for the PIN or card value, covered by the digest');

export const accessSchedule = z
  .strictObject({ starts_at: startsAt.optional(), ends_at: endsAt.nullable().optional() })
  .refine((value) => value.ends_at == null || value.starts_at === undefined || value.ends_at > value.starts_at, {
    message: 'ends_at must be later than starts_at',
    path: ['ends_at'],
  })
  .describe('When this person may enter at all');

export const userFields = {
  full_name: text('Name', 200),
  email_address: z.string().max(320).describe('E-mail address'),
  phone_number: z.string().max(40).describe('Phone number'),
  user_identity_id: id('Kept as given'),
  is_extended_access: z
    .boolean()
    .describe('Needs longer at a door: the strike and the time until it counts as held are extended'),
  metadata,
};

/** Instead of its id, wherever a user is named. */
export const userIdentity = userFields.user_identity_id
  .describe('Instead of acs_user_id: the user with this identity')
  .optional();

export const windowOrder = (value: { starts_at?: number | undefined; ends_at?: number | null | undefined }): boolean =>
  value.starts_at === undefined || value.ends_at == null || value.ends_at > value.starts_at;
export const DATE_ORDER = { message: 'must not be earlier than date', path: ['last_date'] };
export const WINDOW_ORDER = { message: 'ends_at must be later than starts_at', path: ['ends_at'] };

/** What `parse` makes of it, or what it says is wrong. */
export function read<T, R>(parse: (value: T) => R | string): (value: T, context: z.RefinementCtx<T>) => R {
  return (value, context) => {
    const parsed = parse(value);
    if (typeof parsed !== 'string') return parsed;
    context.addIssue({ code: 'custom', message: parsed, input: value });
    return z.NEVER;
  };
}

const dayRanges = z
  .array(z.string('a range of the day as 08:00-17:30'), 'a list of ranges, each as 08:00-17:30')
  // Checked here and read with the week: a mistake in one day is told at its place, which a union does not do for what
  // it could not read.
  .superRefine((ranges, context) => void read(parseRanges)(ranges, context));
const WEEK_WANTED =
  'days and ranges as mon-fri 08:00-12:00, 13:00-17:00; sat 10:00-14:00, or an object of ranges by day';
export const week = z
  .union(
    [z.string().max(1000), z.strictObject(Object.fromEntries(WEEKDAYS.map((day) => [day, dayRanges.optional()])))],
    WEEK_WANTED,
  )
  .transform(read(weekOf))
  .describe(
    'When it lets in, by the wall clock of the facility: `mon-fri 08:00-12:00, 13:00-17:00; sat 10:00-14:00`, or `{"monday": ["08:00-17:00"], …}`; days left out are closed',
  );
export const onHolidays = z
  .union([z.string().max(200), z.array(z.string()).max(MOST_RANGES)], 'closed, as_usual, or ranges as 10:00-14:00')
  .transform(read(holidaysOf))
  .describe('What holds on holidays: `closed`, `as_usual`, or ranges of the day as `10:00-14:00`');
export const maxUses = z
  .int(`a whole number from 1 to ${MOST_USES}`)
  .min(1, 'at least 1')
  .max(MOST_USES, `at most ${MOST_USES}`)
  .describe('How often it opens in all, at all entrances together; left out or null, any number of times');
export const scheduleId = id('The weekly schedule that it follows, within its window');
const DATE_WANTED = 'a date as 2026-12-25';
export const date = z.iso.date(DATE_WANTED);

/** A misspelt type would never be found, and nothing would say so. */
export const eventType = z
  .string()
  .max(100)
  .superRefine((type, context) => {
    if (isEventType(type)) return;
    const meant = didYouMean(type.slice(0, 64), eventTypes(), 'docs/mqtt-api.md lists them');
    context.addIssue({
      code: 'custom',
      message: `no such type of event: ${meant}`,
      input: type,
    });
  });

/** When somebody is in a group, or may open what was granted. */
export const ownWindow = {
  starts_at: startsAt.nullable().optional(),
  ends_at: endsAt.nullable().optional(),
};
type Bounds = { starts_at?: number | null | undefined; ends_at?: number | null | undefined };
export const isWindow = ({ starts_at: start, ends_at: end }: Bounds): boolean =>
  start == null || end == null || end > start;

/** Ids of the examples, the same in all of them. */
export const USER = '33333333-3333-3333-3333-333333333333';
export const CREDENTIAL = '66666666-6666-6666-6666-666666666666';
export const ENTRANCE = '55555555-5555-5555-5555-555555555555';
export const GROUP = '44444444-4444-4444-4444-444444444444';
export const SCHEDULE = '99999999-9999-9999-9999-999999999999';
export const HOLIDAY = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa';
