// What a profile may say about a device's table of credentials.

import { z } from 'zod';
import { CODE_CONSTRAINTS, type CodeConstraint } from '../../src/domain/code-constraints.ts';
import { CARD_LAYOUTS } from './cards.ts';
import { PDU_LIMITS } from './codec.ts';
import {
  address,
  bitIndex,
  bitRange,
  byteOrder,
  duration,
  durationOr,
  offset,
  registerArea,
  smallField,
  word,
  wordOrder,
} from './schema-parts.ts';
import { TIME_TYPES } from './times.ts';

const CONSTRAINT_NAMES = Object.keys(CODE_CONSTRAINTS).filter((name): name is CodeConstraint =>
  Object.hasOwn(CODE_CONSTRAINTS, name),
);

// ---- credentials ----------------------------------------------------------------------------------------------------

const numberOrPattern = z
  .union([z.int().min(0), z.literal(['ones', 'zeros'])])
  .describe('A value, or all bits one or zero');

const flags = z.strictObject({
  at: offset,
  bits: z
    .strictObject({
      enabled: bitIndex.optional().describe('The slot counts'),
      card: bitIndex.optional().describe('The slot holds a card'),
      pin: bitIndex.optional().describe('The slot holds a PIN'),
      card_and_pin: bitIndex.optional().describe('Card and PIN are both asked for'),
      one_time: bitIndex.optional().describe('The device lets it open once'),
      door: bitRange.optional().describe('One bit for each door, door 1 lowest'),
    })
    .refine((bits) => Object.keys(bits).length > 0, 'name at least one bit'),
  set: word.default(0).describe('Bits that are one in every used slot'),
});

const mode = z.strictObject({
  at: offset,
  bits: bitRange.optional(),
  values: z
    .strictObject({
      empty: word,
      card: word.optional(),
      pin: word.optional(),
      card_or_pin: word.optional(),
      card_and_pin: word.optional(),
    })
    .describe('Which value says what is asked for'),
});

const card = z.strictObject({
  at: offset,
  type: z
    .enum(['u16', 'u32', 'u48', 'u64', 'bcd', 'ascii'])
    .describe('u16 to u64: a binary number of that many bits; bcd: decimal digits in nibbles; ascii: characters'),
  registers: z.int().min(1).max(16).optional().describe('Length in registers; bcd and ascii only'),
  words: wordOrder.optional(),
  bytes: byteOrder,
  format: z
    .union([z.enum(CARD_LAYOUTS), z.array(z.enum(CARD_LAYOUTS)).min(1)])
    .describe('How a card becomes a number; several where the device does not tell them apart'),
  mask: z
    .strictObject({
      drop_low: z.int().min(0).max(63).describe('Bits dropped at the end, a parity bit say'),
      keep: z.int().min(1).max(64).describe('Bits kept above those'),
    })
    .optional()
    .describe('Only some of the bits read; with format raw'),
  empty: numberOrPattern.default('zeros').describe('What stands there when there is no card'),
});

const pin = z.strictObject({
  at: offset,
  type: z
    .enum(['bcd', 'nibbles', 'ascii', 'u16', 'u32'])
    .describe(
      'bcd: nibbles from the right, filled with 0; nibbles: from the left, filled with F; ascii: characters; u16, u32: a number',
    ),
  registers: z.int().min(1).max(8).optional().describe('Length in registers; not for u16 and u32'),
  words: wordOrder.optional(),
  bytes: byteOrder,
  digits: z.tuple([z.int().min(1).max(12), z.int().min(1).max(12)]).meta({
    description: 'Shortest and longest PIN that the device takes',
    patternErrorMessage: 'two whole numbers from 1 to 12: [shortest, longest]',
  }),
  pad: z.int().min(0).max(0xff).optional().describe('Filling beside the digits: 0xF nibbles, 0 or 0x20 characters'),
  align: z.enum(['left', 'right']).optional().describe('Where the digits stand'),
  empty: numberOrPattern.optional().describe('What stands there when there is no PIN (default: all filling)'),
});

export const instant = z.strictObject({
  at: offset,
  type: z.enum(TIME_TYPES).describe('How the instant is written; see the table in the guide'),
  words: wordOrder.optional(),
  bytes: byteOrder,
  zone: z.enum(['utc', 'local']).describe('Whose clock it is; local needs time_zone at the controller'),
  none: numberOrPattern.optional().describe('What stands there without a limit'),
  inclusive: z
    .boolean()
    .default(false)
    .describe('until only: whether the device still opens during the minute (second, day) that stands there'),
});

const record = z.strictObject({
  flags: flags.optional(),
  mode: mode.optional(),
  slot: smallField.optional().describe('Where the device wants the slot number inside the record'),
  card: card.optional(),
  card_width: smallField.optional().describe('Number of bits of the card'),
  pin: pin.optional(),
  pin_length: smallField.optional().describe('Number of digits of the PIN, which keeps leading zeros'),
  doors: smallField.optional().describe('One bit for each door, door 1 lowest'),
  from: instant.optional(),
  until: instant.optional(),
  constants: z
    .array(z.strictObject({ at: offset, bits: bitRange.optional(), value: word }))
    .default([])
    .describe('What a used slot always holds, e.g. a time zone index'),
});

export const REFUSALS = ['full', 'duplicate', 'bad_pin', 'bad_card', 'not_supported', 'device_error'] as const;

const stepValue = z.union([word, z.literal(['$slot', '$count'])]);
const step = z
  .strictObject({
    write: z
      .strictObject({ at: address, value: stepValue.optional(), values: z.array(stepValue).min(1).optional() })
      .refine(({ value, values }) => (value === undefined) !== (values === undefined), 'give value, or values')
      .optional(),
    poll: z
      .strictObject({
        area: registerArea.default('holding'),
        at: address,
        until: z.strictObject({ eq: stepValue.describe('The value that means: done') }),
        busy: z.array(word).optional().describe('Values that mean: not yet (default: every other)'),
        error: z
          .record(z.string().regex(/^[0-9]{1,5}$/), z.enum(REFUSALS))
          .default({})
          .describe('Values that mean: refused, and why'),
        every: durationOr(50).describe('How often it is read'),
        max: durationOr(2_000).describe('After so long nobody knows whether it was done, and the slot is read back'),
      })
      .optional(),
    wait: duration.optional().describe('A pause'),
  })
  .refine((verbs) => Object.keys(verbs).length === 1, 'a step has one verb: write, poll or wait');
export type Step = z.output<typeof step>;

export const credentials = z.strictObject({
  table: z.strictObject({
    area: z.literal('holding').default('holding'),
    base: address.describe('First register of the first slot'),
    stride: z.int().min(1).max(PDU_LIMITS.writeRegisters).describe('Registers from one slot to the next'),
    count: z.int().min(1).max(65_536).describe('How many slots there are'),
    first_slot: z.int().min(0).max(65_535).default(0).describe('Number of the first slot'),
  }),
  record,
  capabilities: z
    .strictObject({
      pin_without_card: z.boolean().default(false).describe('A slot may hold a PIN alone'),
      card_and_pin: z.boolean().default(false).describe('A slot may ask for both'),
      card_or_pin: z.boolean().default(false).describe('A slot may hold both and ask for either'),
      duplicate_pins: z
        .enum(['reject', 'accept'])
        .default('accept')
        .describe('What the device does with a PIN that is there already'),
      code_constraints: z
        .array(z.enum(CONSTRAINT_NAMES))
        .default([])
        .describe('Rules of the device for its PINs beside their length: others are refused when a command comes'),
    })
    .prefault({}),
  delete: z
    .strictObject({
      mode: z
        .enum(['fill', 'flag-clear', 'command'])
        .describe('fill: every register becomes fill; flag-clear: not in force, all else zero; command: by steps'),
      fill: word.default(0).describe('What an empty slot holds in each register'),
      steps: z.array(step).default([]).describe('command only'),
    })
    .describe('How a slot is emptied'),
  write_order: z
    .array(z.enum(['disable', 'payload', 'readback', 'enable']))
    .min(1)
    .default(['payload'])
    .describe('So that a half-written record is never in force: enabled last'),
  commit: z
    .strictObject({
      mode: z
        .enum(['per-slot', 'batch'])
        .describe('After each slot ($slot), or after each transfer ($slot: its first, $count: how many)'),
      steps: z.array(step).min(1),
    })
    .optional()
    .describe('What makes the device take over what was written'),
  readback: z
    .strictObject({
      mode: z
        .enum(['full', 'masked', 'none'])
        .default('full')
        .describe('full: everything reads as it was written; masked: but some fields; none: nothing can be read'),
      mask_fields: z
        .array(z.enum(['card', 'pin', 'pin_length', 'from', 'until', 'doors', 'flags', 'mode']))
        .default([])
        .describe('masked only: fields that cannot be read'),
    })
    .prefault({}),
});
