// What a controller profile may say, as a zod schema: an installer writes it in YAML with the manual of a device in the
// other hand. It is data, never code: a closed set of field types and steps, and no expression beyond `$slot` and
// `$count`. What words alone cannot check (overlaps, limits) is in `profile-lint.ts`.

import { z } from 'zod';
import { FUNCTION_CODES, PDU_LIMITS } from './codec.ts';
import { credentials, instant } from './credential-schema.ts';
import { FEEDBACK_SIGNALS, reader } from './reader-schema.ts';
import {
  address,
  area,
  bitArea,
  bitIndex,
  duration,
  durationOr,
  registerArea,
  smallField,
  word,
  TRANSPORTS,
  wordOrder,
} from './schema-parts.ts';

export const PROFILE_SCHEMA = 'lintel.controller/1';

// ---- transport ------------------------------------------------------------------------------------------------------

const transport = z.strictObject({
  kinds: z.array(z.enum(TRANSPORTS)).min(1).describe('How the device can be reached'),
  serial: z
    .strictObject({
      baud: z.int().min(50).max(4_000_000).describe('Bits per second'),
      parity: z.enum(['none', 'even', 'odd']).describe('Parity bit of each character'),
      stop_bits: z.literal([1, 2]).default(1).describe('Stop bits of each character'),
    })
    .optional()
    .describe('As the device leaves the factory; a bus that differs is warned of'),
  turnaround_max: durationOr(300).describe('The longest the device takes before its answer begins'),
  late_reply_max: duration
    .optional()
    .describe('How late an answer that was given up may still come (default: turnaround_max)'),
  min_gap: durationOr(0).describe('Least pause before a request to this device'),
  max_in_flight: z.int().min(1).max(16).default(1).describe('Requests at once over TCP'),
  retries: z
    .strictObject({ read: z.int().min(0).max(5).default(2).describe('Times more') })
    .prefault({})
    .describe('How often a read is asked again; a write never is, it is read back'),
});

const most = (limit: number) => z.int().min(1).max(limit).default(limit);

const limits = z
  .strictObject({
    read_registers: most(PDU_LIMITS.readRegisters).describe('Registers in one read (FC03, FC04)'),
    write_registers: most(PDU_LIMITS.writeRegisters).describe('Registers in one write (FC16)'),
    read_bits: most(PDU_LIMITS.readBits).describe('Coils or inputs in one read (FC01, FC02)'),
    write_coils: most(PDU_LIMITS.writeCoils).describe('Coils in one write (FC15)'),
    functions: z
      .array(z.literal([...FUNCTION_CODES]))
      .default([1, 2, 3, 4, 5, 6, 15, 16])
      .describe('Function codes that the device knows'),
    cross_slot_write: z.boolean().default(true).describe('Whether one write may carry several slots'),
  })
  .prefault({})
  .describe('What the device takes in one request');

// ---- outputs, inputs, doors -----------------------------------------------------------------------------------------

const pulse = z
  .strictObject({
    area: z.enum(['coil', 'holding']).describe('coil: the raw value field of FC05; holding: FC06'),
    at: address,
    unit: duration.describe('What the value counts: 100ms where 7 means 700 ms'),
    base: word.default(0).describe('Added to the value: a command in the high byte, say'),
    min: duration.describe('Shortest pulse that the device takes'),
    max: duration.describe('Longest pulse that the device takes'),
  })
  .describe('A pulse that the device itself ends');

const settles = duration
  .optional()
  .describe('How long after a command its state may still be the old one (default: two scans)');

const output = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('coil'),
      at: address,
      pulse: pulse.optional(),
      settles,
      state: z
        .boolean()
        .default(true)
        .describe('Whether reading the coil shows the state; false: it is a command only'),
    }),
    z.strictObject({
      kind: z.literal('register'),
      at: address,
      on: word.describe('The command that energises'),
      off: word.describe('The command that releases'),
      pulse: pulse.optional(),
      settles,
      state: z
        .strictObject({
          area: registerArea,
          at: address,
          on: word.describe('What stands there while it is energised'),
          mask: word.default(0xffff).describe('Which bits of it count'),
        })
        .optional()
        .describe('Where the state is read'),
    }),
    z.strictObject({
      kind: z.literal('bit'),
      at: address,
      registers: z.literal([1, 2]).default(1).describe('Length of the word'),
      words: wordOrder.optional(),
      bit: z.int().min(0).max(31).describe('Bit of the word, 0 is the lowest'),
      pulse: pulse.optional(),
      settles,
    }),
  ])
  .describe('coil: one coil; register: commands as values; bit: one bit of a word that is written whole');

const input = z.strictObject({
  area,
  at: address,
  bit: bitIndex.optional().describe('holding and input only'),
  invert: z.boolean().default(false).describe('true: active while the bit is 0'),
  debounce: durationOr(0).describe('So long a change must last'),
  latch: z
    .strictObject({
      area: z.literal('coil').default('coil'),
      at: address,
      clear: z.literal([0, 1]).default(0).describe('What clears it'),
    })
    .optional()
    .describe('A coil that keeps a short press until it is cleared'),
  role: z.enum(['input', 'tamper', 'power']).default('input').describe('tamper and power are told as such'),
});

const door = z.strictObject({
  strike: z.int().min(0).optional().describe('Index in outputs'),
  contact: z.int().min(0).optional().describe('Index in inputs'),
  rex: z.int().min(0).optional().describe('Index in inputs'),
});

// ---- clock, events, checks ------------------------------------------------------------------------------------------

export const CLOCK_PARTS = ['yyyy', 'yy', 'mm', 'dd', 'hh', 'mi', 'ss', 'wd'] as const;

const clock = z.strictObject({
  at: address,
  type: z
    .enum(['unix32', 'bcd6', 'bytes6', 'registers'])
    .describe(
      'unix32: seconds since 1970 in two registers; bcd6, bytes6: six bytes in three registers; registers: one each',
    ),
  words: wordOrder.optional(),
  order: z.array(z.enum(CLOCK_PARTS)).min(6).max(7).optional().describe('Order of the parts; not for unix32'),
  zone: z.enum(['utc', 'local']).describe('Whose clock it is; local needs time_zone at the controller'),
  set: z
    .strictObject({ at: address, value: word })
    .optional()
    .describe('Written afterwards, where the device takes a time over only then'),
});

export const EVENT_KINDS = [
  'granted',
  'denied',
  'rex',
  'opened',
  'closed',
  'forced',
  'held',
  'tamper',
  'other',
] as const;

const eventRecord = z.strictObject({
  code: smallField.extend({
    map: z
      .record(z.string().regex(/^[0-9]{1,5}$/), z.string().regex(/^[a-z]+(-[a-z-]+)?$/))
      .describe('kind or kind-detail for each code, e.g. denied-unknown'),
  }),
  slot: smallField.optional().describe('The slot of the credential'),
  door: smallField.optional().describe('The door, counted from 1'),
  time: instant.omit({ inclusive: true }).optional().describe('When it happened, by the clock of the device'),
});

const eventBase = {
  area: registerArea.default('holding'),
  base: address.describe('Where the event stands, or the first of them'),
  record: eventRecord.describe('Where the parts of an event stand, counted from its first register'),
};
const eventRegisters = z.int().min(1).max(32).describe('Registers of an event');
const events = z
  .discriminatedUnion('mode', [
    z.strictObject({
      mode: z.literal('flag-clear'),
      ...eventBase,
      registers: eventRegisters,
      flag: z.strictObject({ area: bitArea, at: address, clear: z.literal([0, 1]).default(0) }),
    }),
    z.strictObject({
      mode: z.literal('sequence'),
      ...eventBase,
      registers: eventRegisters,
      sequence: z.strictObject({ area: registerArea, at: address }),
    }),
    z.strictObject({
      mode: z.literal('fifo'),
      ...eventBase,
      registers: eventRegisters,
      count: z
        .strictObject({ area: registerArea, at: address })
        .describe('How many events wait; the oldest stands at base'),
      pop: z.strictObject({ at: address, value: word }).describe('Written to drop the oldest'),
    }),
    z.strictObject({
      mode: z.literal('ring'),
      ...eventBase,
      stride: z.int().min(1).max(32).describe('Registers from one event to the next'),
      count: z.int().min(2).max(32_768).describe('Events that the ring holds'),
      head: z.strictObject({ area: registerArea, at: address }).describe('Where the device writes next'),
      tail: z.strictObject({ at: address }).describe('What we have taken; a holding register that we write'),
      indices: z
        .enum(['counter', 'slot'])
        .describe('counter: runs on to 65535 and wraps; slot: the place in the ring itself'),
    }),
  ])
  .describe('How the device hands over what happened');

const configCheck = z.strictObject({
  area: registerArea,
  at: address,
  count: z.int().min(1).max(64).default(1).describe('Registers that are looked at, each for itself'),
  mask: word.default(0xffff).describe('Which bits of each count'),
  eq: word.describe('What each must be'),
  why: z.string().min(1).describe('What it means and what to do'),
});

export const profileSchema = z.strictObject({
  schema: z.literal(PROFILE_SCHEMA),
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/)
    .describe('Name of the profile: that of its file'),
  title: z.string().min(1).describe('What the device is called by people'),
  provenance: z.strictObject({
    status: z
      .enum(['reference', 'vendor-doc', 'device-tested', 'guess'])
      .describe('reference: a map of ours that devices implement; a guess is refused unless the controller accepts it'),
    source: z.string().min(1).describe('Manual, edition and page; and what is not confirmed'),
    tested_firmware: z.array(z.string()).default([]).describe('Firmware on which it was tried'),
  }),
  addressing: z
    .strictObject({ base: z.literal([0, 1, 'modicon']) })
    .prefault({ base: 0 })
    .describe('0: as on the wire; 1: the manual counts from 1; modicon: 40001 is the first holding register'),
  transport,
  limits,
  identity: z
    .strictObject({
      area: registerArea.default('holding'),
      at: address,
      expect: z.array(word).min(1).max(16).describe('What stands there'),
    })
    .optional()
    .describe('Registers that show which device answers; another one is never written to'),
  boot_counter: z
    .strictObject({ area: registerArea, at: address })
    .optional()
    .describe('A register that changes whenever the device starts'),
  reset_flag: z
    .strictObject({ area: bitArea, at: address, clear: z.literal([0, 1]).default(0).describe('What clears it') })
    .optional()
    .describe('A coil that is one after a start, until it is cleared'),
  config_check: z.array(configCheck).default([]).describe('Settings that must be so before an output is driven'),
  clock: clock.optional().describe('The clock of the device, set by Lintel; a window needs one'),
  credentials: credentials.optional().describe('The table of credentials in the device'),
  events: events.optional(),
  reader: reader.optional(),
  scan: durationOr(50).describe('How long the program of the device takes to come round'),
  outputs: z.array(output).default([]).describe('Relays and strikes, counted from 0 in this order'),
  inputs: z.array(input).default([]).describe('Contacts, buttons and other inputs, counted from 0 in this order'),
  doors: z.array(door).default([]).describe('Doors that the device decides for by its table, counted from 1'),
  watchdog: z
    .strictObject({
      at: address,
      value: z.union([word, z.literal('counter')]).describe('A fixed value, or one more each time'),
      every: duration.describe('How often: a third of the time after which the device drops its outputs'),
    })
    .optional()
    .describe('A register that is written again and again, or the device drops its outputs'),
  examples: z
    .array(
      z.strictObject({
        what: z.string().min(1).describe('What the manual says that it does'),
        request: z
          .string()
          .regex(/^([0-9A-Fa-f]{2} ?)+$/)
          .describe('The bytes that go to the device, CRC and all'),
        reply: z
          .string()
          .regex(/^([0-9A-Fa-f]{2} ?)+$/)
          .optional()
          .describe('The bytes that come back'),
        do: z.discriminatedUnion('verb', [
          z.strictObject({ verb: z.literal('pulse'), output: z.int().min(0), for: duration }),
          z.strictObject({ verb: z.literal('set'), output: z.int().min(0), on: z.boolean() }),
          z.strictObject({ verb: z.literal('read_inputs') }),
          z.strictObject({ verb: z.literal('look_for_card') }).describe('The request by which a reader is looked at'),
          z.strictObject({ verb: z.literal('read_card') }),
          z.strictObject({ verb: z.literal('acknowledge_card') }),
          z.strictObject({ verb: z.literal('feedback'), signal: z.enum(FEEDBACK_SIGNALS) }),
          z.strictObject({
            verb: z.literal('write_slot'),
            slot: z.int().min(0),
            card: z.string().optional(),
            pin: z
              .string()
              .regex(/^[0-9]{1,12}$/)
              .optional(),
            card_and_pin: z.boolean().default(false),
            doors: z.array(z.int().min(1)).default([1]),
            starts_at: z.iso.datetime().optional(),
            ends_at: z.iso.datetime().optional(),
          }),
          z.strictObject({ verb: z.literal('erase_slot'), slot: z.int().min(0) }),
        ]),
      }),
    )
    .default([])
    .describe('Frames as the manual shows them (RTU, with CRC, for unit 1), checked by every test of the profile'),
});

export type ProfileDocument = z.output<typeof profileSchema>;

/** A profile ready for use: checked, and its addresses as they go over the wire. */
export type Profile = ProfileDocument;

/** What is wrong or doubtful in a profile; `path` stands inside the profile. */
export type ProfileProblem = {
  severity: 'error' | 'warning';
  path: readonly (string | number)[];
  message: string;
  remedy: string;
};
