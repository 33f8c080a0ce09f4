// What a controller profile may say, as a zod schema: an installer writes it in YAML with the manual of a device in the other hand. It is data, never code: a closed
// set of field types and steps, and no expression beyond `$slot` and `$count`. What words alone cannot check (overlaps, limits) is in `profile-lint.ts`.

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
  registerArea,
  smallField,
  word,
  TRANSPORTS,
  wordOrder,
} from './schema-parts.ts';

export const PROFILE_SCHEMA = 'lintel.controller/1';

// ---- transport ---------------------------------------------------------------------------------------------------------------------------------

const transport = z.strictObject({
  kinds: z.array(z.enum(TRANSPORTS)).min(1).describe('How the device can be reached'),
  serial: z
    .strictObject({
      baud: z.int().min(50).max(4_000_000),
      parity: z.enum(['none', 'even', 'odd']),
      stop_bits: z.literal([1, 2]).default(1),
    })
    .optional()
    .describe('As the device leaves the factory; a bus that differs is warned of'),
  turnaround_max: duration.default(300).describe('The longest the device takes before its answer begins'),
  late_reply_max: duration
    .optional()
    .describe('How late an answer that was given up may still come (default: turnaround_max)'),
  min_gap: duration.default(0).describe('Least pause before a request to this device'),
  max_in_flight: z.int().min(1).max(16).default(1).describe('Requests at once over TCP'),
  retries: z
    .strictObject({ read: z.int().min(0).max(5).default(2) })
    .prefault({})
    .describe('How often a read is asked again; a write never is, it is read back'),
});

const limits = z
  .strictObject({
    read_registers: z.int().min(1).max(PDU_LIMITS.readRegisters).default(PDU_LIMITS.readRegisters),
    write_registers: z.int().min(1).max(PDU_LIMITS.writeRegisters).default(PDU_LIMITS.writeRegisters),
    read_bits: z.int().min(1).max(PDU_LIMITS.readBits).default(PDU_LIMITS.readBits),
    write_coils: z.int().min(1).max(PDU_LIMITS.writeCoils).default(PDU_LIMITS.writeCoils),
    functions: z
      .array(z.literal([...FUNCTION_CODES]))
      .default([1, 2, 3, 4, 5, 6, 15, 16])
      .describe('Function codes that the device knows'),
    cross_slot_write: z.boolean().default(true).describe('Whether one write may carry several slots'),
  })
  .prefault({})
  .describe('What the device takes in one request');

// ---- outputs, inputs, doors --------------------------------------------------------------------------------------------------------------------

const pulse = z
  .strictObject({
    area: z.enum(['coil', 'holding']).describe('coil: the raw value field of FC05; holding: FC06'),
    at: address,
    unit: duration.describe('What the value counts'),
    base: word.default(0).describe('Added to the value: a command in the high byte, say'),
    min: duration,
    max: duration,
  })
  .describe('A pulse that the device itself ends');

const output = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('coil'), at: address, pulse: pulse.optional(), state: z.boolean().default(true) }),
    z.strictObject({
      kind: z.literal('register'),
      at: address,
      on: word,
      off: word,
      pulse: pulse.optional(),
      state: z
        .strictObject({ area: registerArea, at: address, on: word, mask: word.default(0xffff) })
        .optional()
        .describe('Where the state is read'),
    }),
    z.strictObject({
      kind: z.literal('bit'),
      at: address,
      registers: z.literal([1, 2]).default(1),
      words: wordOrder.optional(),
      bit: z.int().min(0).max(31),
      pulse: pulse.optional(),
    }),
  ])
  .describe('coil: one coil; register: commands as values; bit: one bit of a word that is written whole');

const input = z.strictObject({
  area,
  at: address,
  bit: bitIndex.optional().describe('holding and input only'),
  invert: z.boolean().default(false),
  debounce: duration.default(0).describe('So long a change must last'),
  latch: z
    .strictObject({ area: z.literal('coil').default('coil'), at: address, clear: z.literal([0, 1]).default(0) })
    .optional()
    .describe('A coil that keeps a short press until it is cleared'),
  role: z.enum(['input', 'tamper', 'power']).default('input').describe('tamper and power are told as such'),
});

const door = z.strictObject({
  strike: z.int().min(0).optional().describe('Index in outputs'),
  contact: z.int().min(0).optional().describe('Index in inputs'),
  rex: z.int().min(0).optional().describe('Index in inputs'),
});

// ---- clock, events, checks ---------------------------------------------------------------------------------------------------------------------

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
  zone: z.enum(['utc', 'local']),
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
  slot: smallField.optional(),
  door: smallField.optional(),
  time: instant.omit({ inclusive: true }).optional(),
});

const eventBase = { area: registerArea.default('holding'), base: address, record: eventRecord };
const events = z
  .discriminatedUnion('mode', [
    z.strictObject({
      mode: z.literal('flag-clear'),
      ...eventBase,
      registers: z.int().min(1).max(32),
      flag: z.strictObject({ area: bitArea, at: address, clear: z.literal([0, 1]).default(0) }),
    }),
    z.strictObject({
      mode: z.literal('sequence'),
      ...eventBase,
      registers: z.int().min(1).max(32),
      sequence: z.strictObject({ area: registerArea, at: address }),
    }),
    z.strictObject({
      mode: z.literal('fifo'),
      ...eventBase,
      registers: z.int().min(1).max(32),
      count: z
        .strictObject({ area: registerArea, at: address })
        .describe('How many events wait; the oldest stands at base'),
      pop: z.strictObject({ at: address, value: word }).describe('Written to drop the oldest'),
    }),
    z.strictObject({
      mode: z.literal('ring'),
      ...eventBase,
      stride: z.int().min(1).max(32),
      count: z.int().min(2).max(32_768),
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
  count: z.int().min(1).max(64).default(1),
  mask: word.default(0xffff),
  eq: word,
  why: z.string().min(1).describe('What it means and what to do'),
});

export const profileSchema = z.strictObject({
  schema: z.literal(PROFILE_SCHEMA),
  id: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,63}$/),
  title: z.string().min(1),
  provenance: z.strictObject({
    status: z
      .enum(['reference', 'vendor-doc', 'device-tested', 'guess'])
      .describe('reference: a map of ours that devices implement; a guess is refused unless the controller accepts it'),
    source: z.string().min(1),
    tested_firmware: z.array(z.string()).default([]),
  }),
  addressing: z
    .strictObject({ base: z.literal([0, 1, 'modicon']) })
    .prefault({ base: 0 })
    .describe('0: as on the wire; 1: the manual counts from 1; modicon: 40001 is the first holding register'),
  transport,
  limits,
  identity: z
    .strictObject({ area: registerArea.default('holding'), at: address, expect: z.array(word).min(1).max(16) })
    .optional()
    .describe('Registers that show which device answers; another one is never written to'),
  boot_counter: z
    .strictObject({ area: registerArea, at: address })
    .optional()
    .describe('A register that changes whenever the device starts'),
  reset_flag: z
    .strictObject({ area: bitArea, at: address, clear: z.literal([0, 1]).default(0) })
    .optional()
    .describe('A coil that is one after a start, until it is cleared'),
  config_check: z.array(configCheck).default([]).describe('Settings that must be so before an output is driven'),
  clock: clock.optional(),
  credentials: credentials.optional(),
  events: events.optional(),
  reader: reader.optional(),
  outputs: z.array(output).default([]),
  inputs: z.array(input).default([]),
  doors: z.array(door).default([]),
  watchdog: z
    .strictObject({ at: address, value: z.union([word, z.literal('counter')]), every: duration })
    .optional()
    .describe('A register that is written again and again, or the device drops its outputs'),
  examples: z
    .array(
      z.strictObject({
        what: z.string().min(1),
        request: z.string().regex(/^([0-9A-Fa-f]{2} ?)+$/),
        reply: z
          .string()
          .regex(/^([0-9A-Fa-f]{2} ?)+$/)
          .optional(),
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
