// The contract with whoever commands a facility, as data: every resource and verb, the shape of its parameters, and
// what it answers. Validation, the generated reference (docs/mqtt-api.md) and the command line's help all come from
// here.

import { z } from 'zod';
import { CARD_FORMATS } from '../domain/card-formats.ts';
import { eventTypes, isEventType } from '../domain/events.ts';
import { COMMAND_ID_FORM, UUID_FORM } from '../domain/ids.ts';
import { PIN_FORM } from '../domain/pin.ts';
import { MOST_RANGES, parseRanges, WEEKDAYS } from '../domain/schedule.ts';
import { nearest } from '../domain/words.ts';
import { holidaysOf, weekOf } from './schedule-params.ts';

// ---- fields ---------------------------------------------------------------------------------------------------------

const ID_WANTED = 'an id in the form of a UUID, e.g. 33333333-3333-3333-3333-333333333333';
const id = (description: string) =>
  z.string(ID_WANTED).regex(UUID_FORM, ID_WANTED).toLowerCase().describe(description).meta({ format: 'uuid' });

const INSTANT_WANTED = 'an RFC 3339 instant with an offset, e.g. 2026-03-01T10:40:00Z';
/** An instant on the border, epoch milliseconds inside. */
export const instant = z.iso.datetime({ offset: true, error: INSTANT_WANTED }).transform((text) => Date.parse(text));
const startsAt = instant.describe('From when on it is valid, including this instant');
const endsAt = instant.describe('Until when it is valid, excluding this instant');

const text = (description: string, max: number) =>
  z.string().trim().min(1, 'must not be empty').max(max, `at most ${max} characters`).describe(description);

const MOST_METADATA_BYTES = 4_096;
const metadata = z
  .record(z.string(), z.json())
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= MOST_METADATA_BYTES, 'at most 4 KiB')
  .describe('Kept and returned as given, at most 4 KiB');

const code = z
  .string('digits only, 4 to 12 of them, as a string')
  .regex(PIN_FORM, 'digits only, 4 to 12 of them')
  .describe('The PIN: 4 to 12 digits, as a string; leading zeros count');
const cardNumber = z
  .string('a string')
  .min(1)
  .max(200)
  .describe(
    'Canonical (`H10301:123:45678`, `uid:04A1B2C3`, `raw:26:BDD93740`), or the number alone, read by `card_format` or the default of the facility',
  );
const cardFormat = z
  .enum(CARD_FORMATS.filter((name) => name !== 'uid-reversed'))
  .describe('How a number without its format is read');
const entranceIds = z
  .array(id('An entrance'))
  .max(1000)
  .describe('The entrances it opens; [] opens none; left out, it follows its user');
const system = id('Optional; must be the facility’s own').optional();
const limit = z.int().min(1).max(500).default(100).describe('At most this many, up to 500');
const pageCursor = z.string().max(200).optional().describe('`next_page_cursor` of the page before');
const search = z.string().min(1).max(200).optional().describe('Part of the name, or an id');
const paging = { acs_system_id: system, limit, page_cursor: pageCursor, search };
const secretRevision = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .describe('A number of the caller’s own for the PIN or card value, covered by the digest');

const accessSchedule = z
  .strictObject({ starts_at: startsAt.optional(), ends_at: endsAt.nullable().optional() })
  .refine((value) => value.ends_at == null || value.starts_at === undefined || value.ends_at > value.starts_at, {
    message: 'ends_at must be later than starts_at',
    path: ['ends_at'],
  })
  .describe('When this person may enter at all');

const userFields = {
  full_name: text('Name', 200),
  email_address: z.string().max(320).describe('E-mail address'),
  phone_number: z.string().max(40).describe('Phone number'),
  user_identity_id: id('Kept as given'),
  metadata,
};

const windowOrder = (value: { starts_at?: number | undefined; ends_at?: number | null | undefined }): boolean =>
  value.starts_at === undefined || value.ends_at == null || value.ends_at > value.starts_at;
const DATE_ORDER = { message: 'must not be earlier than date', path: ['last_date'] };
const WINDOW_ORDER = { message: 'ends_at must be later than starts_at', path: ['ends_at'] };

/** What `parse` makes of it, or what it says is wrong. */
function read<T, R>(parse: (value: T) => R | string): (value: T, context: z.RefinementCtx<T>) => R {
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
const week = z
  .union(
    [z.string().max(1000), z.strictObject(Object.fromEntries(WEEKDAYS.map((day) => [day, dayRanges.optional()])))],
    WEEK_WANTED,
  )
  .transform(read(weekOf))
  .describe(
    'When it lets in, by the wall clock of the facility: `mon-fri 08:00-12:00, 13:00-17:00; sat 10:00-14:00`, or `{"monday": ["08:00-17:00"], …}`; days left out are closed',
  );
const onHolidays = z
  .union([z.string().max(200), z.array(z.string()).max(MOST_RANGES)], 'closed, as_usual, or ranges as 10:00-14:00')
  .transform(read(holidaysOf))
  .describe('What holds on holidays: `closed`, `as_usual`, or ranges of the day as `10:00-14:00`');
const scheduleId = id('The weekly schedule that it follows, within its window');
const DATE_WANTED = 'a date as 2026-12-25';
const date = z.iso.date(DATE_WANTED);

/** A misspelt type would never be found, and nothing would say so. */
const eventType = z
  .string()
  .max(100)
  .superRefine((type, context) => {
    if (isEventType(type)) return;
    const meant = nearest(type.slice(0, 64), eventTypes());
    context.addIssue({
      code: 'custom',
      message: `no such type of event${meant === null ? '; docs/mqtt-api.md lists them' : `: did you mean ${meant}?`}`,
      input: type,
    });
  });

const brandMetadata = metadata.optional();

export const credentialCreateParams = z
  .strictObject({
    acs_credential_id: id(
      'Minted by the caller, so that a repeat is the same credential; left out, Lintel mints it',
    ).optional(),
    acs_system_id: system,
    acs_user_id: id('Whose credential it is').optional(),
    user_identity_id: id('Instead of acs_user_id: the user with this identity').optional(),
    access_method: z
      .enum(['code', 'card', 'mobile_key'], 'one of code, card (mobile_key answers not_supported in this version)')
      .describe('code or card'),
    code: z
      .string('a string of digits')
      .max(200)
      .optional()
      .describe(
        'The PIN, 4 to 12 digits. Left out for `code`: one is generated and shown in this reply only. With `card`: the card number',
      ),
    card_number: cardNumber.optional(),
    card_format: cardFormat.optional(),
    starts_at: startsAt.optional(),
    ends_at: endsAt.nullable().optional(),
    allowed_acs_entrance_ids: entranceIds.optional(),
    is_one_time_use: z.boolean().default(false).describe('Good for one entry'),
    schedule_id: scheduleId.nullable().optional(),
    is_multi_phone_sync_credential: z.boolean().default(false).describe('Kept as given'),
    credential_manager_acs_system_id: id('Kept as given').optional(),
    display_name: text('What people call it', 200).optional(),
    secret_revision: secretRevision.optional(),
    metadata: metadata.optional(),
    visionline_metadata: brandMetadata,
    salto_space_metadata: brandMetadata,
    assa_abloy_vostio_metadata: brandMetadata,
    hotek_metadata: brandMetadata,
  })
  .refine(windowOrder, WINDOW_ORDER);

export const credentialUpdateParams = z
  .strictObject({
    acs_credential_id: id('Which'),
    acs_system_id: system,
    code: code.optional(),
    card_number: cardNumber.optional(),
    card_format: cardFormat.optional(),
    starts_at: startsAt.nullable().optional(),
    ends_at: endsAt.nullable().optional(),
    allowed_acs_entrance_ids: entranceIds.nullable().optional(),
    display_name: text('What people call it', 200).nullable().optional(),
    schedule_id: scheduleId.nullable().optional(),
    secret_revision: secretRevision.optional(),
    metadata: metadata.optional(),
  })
  .refine((value) => value.starts_at == null || value.ends_at == null || value.ends_at > value.starts_at, WINDOW_ORDER);

const credentialId = z.strictObject({ acs_credential_id: id('Which'), acs_system_id: system });
const scheduleOnly = z.strictObject({ schedule_id: id('Which'), acs_system_id: system });
const holidayOnly = z.strictObject({ holiday_id: id('Which'), acs_system_id: system });
const userId = z.strictObject({ acs_user_id: id('Which'), acs_system_id: system });
const entranceId = z.strictObject({ acs_entrance_id: id('Which'), acs_system_id: system });

const operation = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('create'), params: z.record(z.string(), z.unknown()) }),
  z.strictObject({ op: z.literal('update'), params: z.record(z.string(), z.unknown()) }),
  z.strictObject({ op: z.literal('delete'), params: z.record(z.string(), z.unknown()) }),
]);

// ---- commands -------------------------------------------------------------------------------------------------------

export type CommandSpec = {
  summary: string;
  params: z.ZodType;
  /** The member of `result`, and what it is. */
  result: string;
  /**
   * `reads`: no effect, not journalled. `stores`: one durable effect. `moves`: acts on the physical world, needs
   * `expires_at`, happens at most once. `works`: takes time, is accepted durably, answered when done.
   */
  kind: 'reads' | 'stores' | 'moves' | 'works';
  /** It acts on the physical world without moving anything: it needs `expires_at` as well. */
  mustExpire?: true;
  /** It takes access away: a number in its stream or a clock that goes before ours is no reason to refuse it. */
  revokes?: true;
  example: Record<string, unknown>;
};

const command = <P extends z.ZodType>(spec: CommandSpec & { params: P }): CommandSpec & { params: P } => spec;

const USER = '33333333-3333-3333-3333-333333333333';
const CREDENTIAL = '66666666-6666-6666-6666-666666666666';
const ENTRANCE = '55555555-5555-5555-5555-555555555555';
const SCHEDULE = '99999999-9999-9999-9999-999999999999';
const HOLIDAY = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa';

export const COMMANDS = {
  'users/create': command({
    summary: 'Adds a person.',
    params: z.strictObject({
      acs_user_id: id('Minted by the caller, so that a repeat is the same user; left out, Lintel mints it').optional(),
      acs_system_id: system,
      full_name: userFields.full_name,
      email_address: userFields.email_address.optional(),
      phone_number: userFields.phone_number.optional(),
      user_identity_id: userFields.user_identity_id.optional(),
      access_schedule: accessSchedule.nullable().optional(),
      metadata: metadata.optional(),
    }),
    result: '`acs_user`: the user',
    kind: 'stores',
    example: { acs_user_id: USER, full_name: 'Jane Doe' },
  }),
  'users/get': command({
    summary: 'One person.',
    params: userId,
    result: '`acs_user`: the user',
    kind: 'reads',
    example: { acs_user_id: USER },
  }),
  'users/list': command({
    summary: 'People, in order of creation.',
    params: z.strictObject({ ...paging, user_identity_id: userFields.user_identity_id.optional() }),
    result: '`acs_users`, `pagination`',
    kind: 'reads',
    example: { search: 'jane' },
  }),
  'users/update': command({
    summary: 'Changes what is given and leaves the rest; `access_schedule: null` clears it.',
    params: z.strictObject({
      acs_user_id: id('Which'),
      acs_system_id: system,
      full_name: userFields.full_name.optional(),
      email_address: userFields.email_address.nullable().optional(),
      phone_number: userFields.phone_number.nullable().optional(),
      user_identity_id: userFields.user_identity_id.nullable().optional(),
      access_schedule: accessSchedule.nullable().optional(),
      metadata: metadata.optional(),
    }),
    result: '`acs_user`: the user',
    kind: 'stores',
    example: {
      acs_user_id: USER,
      access_schedule: { starts_at: '2026-03-01T00:00:00Z', ends_at: '2026-04-01T00:00:00Z' },
    },
  }),
  'users/delete': command({
    summary: 'Deletes a person and invalidates and deletes all their credentials.',
    params: userId,
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_user_id: USER },
  }),
  'users/suspend': command({
    summary: 'Takes all access from a person until unsuspended; effective at once.',
    params: userId,
    result: '`acs_user`: the user',
    kind: 'stores',
    revokes: true,
    example: { acs_user_id: USER },
  }),
  'users/unsuspend': command({
    summary: 'Gives the access back.',
    params: userId,
    result: '`acs_user`: the user',
    kind: 'stores',
    example: { acs_user_id: USER },
  }),
  'credentials/create': command({
    summary: 'Adds a credential, a PIN or a card, with its window and its entrances.',
    params: credentialCreateParams,
    result: '`acs_credential`: the credential; `code` shows a generated PIN here and nowhere else',
    kind: 'stores',
    example: {
      acs_credential_id: CREDENTIAL,
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      starts_at: '2026-03-01T12:00:00Z',
      ends_at: '2026-03-04T10:00:00Z',
      allowed_acs_entrance_ids: [ENTRANCE],
    },
  }),
  'credentials/get': command({
    summary: 'One credential.',
    params: credentialId,
    result: '`acs_credential`: the credential',
    kind: 'reads',
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/list': command({
    summary: 'Credentials, in order of creation.',
    params: z.strictObject({
      ...paging,
      acs_user_id: id('Only this person’s').optional(),
      user_identity_id: userFields.user_identity_id.optional(),
      created_before: instant.optional().describe('Only older ones'),
    }),
    result: '`acs_credentials`, `pagination`',
    kind: 'reads',
    example: { acs_user_id: USER },
  }),
  'credentials/update': command({
    summary: 'Changes what is given and leaves the rest; `ends_at: null` makes it open ended.',
    params: credentialUpdateParams,
    result: '`acs_credential`: the credential',
    kind: 'stores',
    example: { acs_credential_id: CREDENTIAL, ends_at: '2026-03-05T10:00:00Z' },
  }),
  'credentials/delete': command({
    summary: 'Denies it at once, erases it from every controller, and never uses its id again.',
    params: credentialId,
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/assign': command({
    summary: 'Gives a credential to a person.',
    params: z.strictObject({
      acs_credential_id: id('Which'),
      acs_system_id: system,
      acs_user_id: id('To whom').optional(),
      user_identity_id: id('Instead of acs_user_id').optional(),
    }),
    result: '`acs_credential`: the credential',
    kind: 'stores',
    example: { acs_credential_id: CREDENTIAL, acs_user_id: USER },
  }),
  'credentials/unassign': command({
    summary: 'Takes it from its person: it is kept, and opens nothing.',
    params: z.strictObject({
      acs_credential_id: id('Which'),
      acs_system_id: system,
      acs_user_id: id('From whom; must be its user when given').optional(),
      user_identity_id: id('Instead of acs_user_id').optional(),
    }),
    result: '`acs_credential`: the credential',
    kind: 'stores',
    revokes: true,
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/list_accessible_entrances': command({
    summary: 'The entrances a credential opens.',
    params: credentialId,
    result: '`acs_entrances`',
    kind: 'reads',
    example: { acs_credential_id: CREDENTIAL },
  }),
  'credentials/apply': command({
    summary:
      'Up to 500 creates, updates and deletes in one command (100 when `atomic`), each answered by its position.',
    params: z
      .strictObject({
        acs_system_id: system,
        atomic: z.boolean().default(false).describe('All or nothing'),
        operations: z
          .array(operation)
          .min(1)
          .max(500, 'at most 500 operations')
          .describe('`[{"op":"create|update|delete","params":{…}}]`'),
      })
      .refine((value) => !value.atomic || value.operations.length <= 100, {
        message: 'at most 100 operations when atomic',
        path: ['operations'],
      }),
    result: '`results`: for each operation `{ok, acs_credential}` or `{ok, error}`',
    kind: 'works',
    example: { operations: [{ op: 'delete', params: { acs_credential_id: CREDENTIAL } }] },
  }),
  'schedules/create': command({
    summary: 'Adds a weekly schedule that credentials may follow.',
    params: z.strictObject({
      schedule_id: id(
        'Minted by the caller, so that a repeat is the same schedule; left out, Lintel mints it',
      ).optional(),
      acs_system_id: system,
      name: text('What people call it', 200),
      week,
      on_holidays: onHolidays.prefault('closed'),
    }),
    result: '`schedule`: the schedule',
    kind: 'stores',
    example: { schedule_id: SCHEDULE, name: 'Office hours', week: 'mon-fri 08:00-12:00, 13:00-17:00' },
  }),
  'schedules/get': command({
    summary: 'One schedule, and which controllers hold it.',
    params: scheduleOnly,
    result: '`schedule`: the schedule',
    kind: 'reads',
    example: { schedule_id: SCHEDULE },
  }),
  'schedules/list': command({
    summary: 'Schedules, in order of creation.',
    params: z.strictObject(paging),
    result: '`schedules`, `pagination`',
    kind: 'reads',
    example: {},
  }),
  'schedules/update': command({
    summary: 'Changes what is given and leaves the rest; whoever follows it follows it as it is now.',
    params: z.strictObject({
      schedule_id: id('Which'),
      acs_system_id: system,
      name: text('What people call it', 200).optional(),
      week: week.optional(),
      on_holidays: onHolidays.optional(),
    }),
    result: '`schedule`: the schedule',
    kind: 'stores',
    example: { schedule_id: SCHEDULE, on_holidays: '10:00-14:00' },
  }),
  'schedules/delete': command({
    summary: 'Deletes a schedule that no credential follows any more.',
    params: scheduleOnly,
    result: '`{}`',
    kind: 'stores',
    example: { schedule_id: SCHEDULE },
  }),
  'holidays/create': command({
    summary: 'Adds a day, or days in a row, on which schedules hold what they say of holidays.',
    params: z
      .strictObject({
        holiday_id: id(
          'Minted by the caller, so that a repeat is the same holiday; left out, Lintel mints it',
        ).optional(),
        acs_system_id: system,
        name: text('What people call it', 200),
        date: date.describe('The day, or the first of them, `YYYY-MM-DD`'),
        last_date: date.optional().describe('The last of them, at most 61 days in all; left out, it is one day'),
        every_year: z.boolean().default(false).describe('On the same days of every year'),
      })
      .refine((value) => value.last_date === undefined || value.last_date >= value.date, DATE_ORDER),
    result: '`holiday`: the holiday',
    kind: 'stores',
    example: { holiday_id: HOLIDAY, name: 'Christmas', date: '2026-12-25', last_date: '2026-12-26', every_year: true },
  }),
  'holidays/get': command({
    summary: 'One holiday.',
    params: holidayOnly,
    result: '`holiday`: the holiday',
    kind: 'reads',
    example: { holiday_id: HOLIDAY },
  }),
  'holidays/list': command({
    summary: 'Holidays, in order of creation.',
    params: z.strictObject(paging),
    result: '`holidays`, `pagination`',
    kind: 'reads',
    example: {},
  }),
  'holidays/update': command({
    summary: 'Changes what is given and leaves the rest.',
    params: z.strictObject({
      holiday_id: id('Which'),
      acs_system_id: system,
      name: text('What people call it', 200).optional(),
      date: date.optional().describe('The day, or the first of them'),
      last_date: date.optional().describe('The last of them'),
      every_year: z.boolean().optional().describe('On the same days of every year'),
    }),
    result: '`holiday`: the holiday',
    kind: 'stores',
    example: { holiday_id: HOLIDAY, every_year: false },
  }),
  'holidays/delete': command({
    summary: 'Deletes a holiday: its days are days of the week as any other.',
    params: holidayOnly,
    result: '`{}`',
    kind: 'stores',
    example: { holiday_id: HOLIDAY },
  }),
  'entrances/get': command({
    summary: 'One entrance.',
    params: entranceId,
    result: '`acs_entrance`: the entrance',
    kind: 'reads',
    example: { acs_entrance_id: ENTRANCE },
  }),
  'entrances/list': command({
    summary: 'The entrances of the facility file.',
    params: z.strictObject({ ...paging, acs_credential_id: id('Only those this credential opens').optional() }),
    result: '`acs_entrances`, `pagination`',
    kind: 'reads',
    example: {},
  }),
  'entrances/unlock': command({
    summary: 'Opens an entrance once, for its strike time.',
    params: z.strictObject({
      acs_entrance_id: id('Which'),
      acs_system_id: system,
      acs_user_id: id('For whom; recorded').optional(),
      acs_credential_id: id('By which credential; recorded').optional(),
      reason: text('Why; recorded', 200).optional(),
    }),
    result: '`action_attempt`: `{action_attempt_id, action_type, status, result: {was_confirmed_by_device}}`',
    kind: 'moves',
    example: { acs_entrance_id: ENTRANCE, reason: 'delivery' },
  }),
  'entrances/explain': command({
    summary:
      'What would happen if this credential, card or code were presented now, step by step. Nothing moves. By card or code only where `policy.explain_by_secret` of the facility file allows it, 200 times a day, and each burst is an event.',
    params: z.strictObject({
      acs_entrance_id: id('Where'),
      acs_system_id: system,
      acs_credential_id: id('Which credential').optional(),
      card_number: cardNumber.optional(),
      card_format: cardFormat.optional(),
      code: code.optional(),
      reader: text('At which of its readers; left out, its first', 64).optional(),
      at: instant.optional().describe('At another time than now; whether the keypad is locked then nobody can tell'),
    }),
    result: '`outcome` (granted or denied), `reason`, `steps`',
    kind: 'reads',
    example: { acs_entrance_id: ENTRANCE, acs_credential_id: CREDENTIAL },
  }),
  'controllers/get': command({
    summary: 'One controller: online, identity, slots, counters.',
    params: z.strictObject({ controller: text('Its name in the facility file', 64), acs_system_id: system }),
    result: '`controller`',
    kind: 'reads',
    example: { controller: 'store-panel' },
  }),
  'controllers/list': command({
    summary: 'All controllers.',
    params: z.strictObject({ acs_system_id: system }),
    result: '`controllers`',
    kind: 'reads',
    example: {},
  }),
  'controllers/resync': command({
    summary: 'Compares the whole table of a controller with what it should hold and puts right what differs.',
    params: z.strictObject({ controller: text('Its name in the facility file', 64), acs_system_id: system }),
    result: '`compared`, `differing`, `foreign`: numbers of slots',
    kind: 'works',
    example: { controller: 'store-panel' },
  }),
  'controllers/adopt_slot': command({
    summary:
      'Takes over a slot that was filled by somebody else: for a credential, which is written there in place of what it holds, or to be emptied.',
    params: z.strictObject({
      controller: text('Its name in the facility file', 64),
      slot: z.int().min(0).max(65_535).describe('Its number: one of `foreign_slots` of `controllers/get`'),
      acs_credential_id: id('Whose slot it becomes; left out, it is emptied and free').optional(),
      acs_system_id: system,
    }),
    result: '`controller`, `slot`, `acs_credential_id` (null: it is emptied); what comes of it is told by events',
    kind: 'stores',
    mustExpire: true,
    example: { controller: 'store-panel', slot: 7, acs_credential_id: CREDENTIAL },
  }),
  'events/list': command({
    summary: 'Events from a sequence number on, oldest first.',
    params: z.strictObject({
      acs_system_id: system,
      from_sequence: z.int().min(0).default(1).describe('The first wanted'),
      event_types: z.array(eventType).max(50).optional().describe('Only these'),
      limit,
    }),
    result: '`events`, `first_sequence` and `last_sequence` kept, `next_sequence`',
    kind: 'reads',
    example: { from_sequence: 4711 },
  }),
  'facility/digest': command({
    summary:
      'A digest over ids, windows, entrances, flags and secret revisions, never over a PIN or card value, that the sender can compute from its own list.',
    params: z.strictObject({ acs_system_id: system }),
    result: '`revision`, `digest` (SHA-256, hexadecimal), `users`, `credentials`',
    kind: 'reads',
    example: {},
  }),
  'facility/reset_stream': command({
    summary:
      'Forgets the number of a stream, after its sender has begun anew: the next number that comes is believed, whatever it is.',
    params: z.strictObject({
      stream_id: z.string().min(1).max(64).describe('`stream.id` of the sender’s commands'),
      acs_system_id: system,
    }),
    result: '`stream_id`, `last_seq`: the number it stood at (null: there was no such stream)',
    kind: 'stores',
    example: { stream_id: 'tower-1' },
  }),
} as const;

export type CommandName = keyof typeof COMMANDS;
export type ParamsOf<N extends CommandName> = z.output<(typeof COMMANDS)[N]['params']>;

export const isCommandName = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name);

/** Whether a command must say until when it is wanted. */
export const mustExpire = (name: CommandName): boolean => {
  const spec: CommandSpec = COMMANDS[name];
  return spec.kind === 'moves' || spec.mustExpire === true;
};

/** Verbs of the contract that this version does not have: answered `not_supported`, not `unknown_command`. */
export const PLANNED_COMMANDS: ReadonlySet<string> = new Set(
  [
    'users: add_to_access_group remove_from_access_group list_accessible_entrances revoke_access_to_all_entrances',
    'access_groups: create get list update delete add_user remove_user list_users list_accessible_entrances',
    'entrances: grant_access revoke_access list_credentials_with_access set_mode',
    'encoders: list scan_credential scan_to_assign_credential',
    'facility: begin_snapshot put_snapshot_page commit_snapshot',
  ].flatMap((line) => {
    const [resource = '', verbs = ''] = line.split(': ');
    return verbs.split(' ').map((verb) => `${resource}/${verb}`);
  }),
);

// ---- envelope -------------------------------------------------------------------------------------------------------

const COMMAND_ID_WANTED = '1 to 64 of A-Z a-z 0-9 . _ ~ -';
export const envelope = z.strictObject({
  command_id: z.string(COMMAND_ID_WANTED).regex(COMMAND_ID_FORM, COMMAND_ID_WANTED),
  issued_at: instant.optional(),
  expires_at: instant.optional(),
  sender: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('Who sends it: a name of the sender’s own, recorded with what the command changes; stated, not proved'),
  stream: z.strictObject({ id: z.string().min(1).max(64), seq: z.int().min(0) }).optional(),
  params: z.record(z.string(), z.unknown()).default({}),
});
export type Envelope = z.output<typeof envelope>;

/** How far ahead of `issued_at` a command that moves something may expire. */
export const MOST_AHEAD_MS = 60_000;
export const MOST_PAYLOAD_BYTES = 256 * 1024;
/**
 * Members and items in all operations of one `credentials/apply`: more than 500 of them can need in a payload of that
 * size.
 */
export const MOST_APPLY_VALUES = 20_000;
