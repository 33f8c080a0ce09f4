// What a profile may say about a card reader: where the card stands, how one knows that it is new, and how the reader
// is told what came of it.

import { z } from 'zod';
import { address, byteOrder, durationOr, registerArea, word, wordOrder } from './schema-parts.ts';

/** Longest card, in registers: 512 bits, where the canonical form of a card ends. */
export const MAX_CARD_REGISTERS = 32;

const card = z.strictObject({
  area: registerArea.default('holding'),
  at: address,
  registers: z.int().min(1).max(MAX_CARD_REGISTERS).describe('How many registers the card takes'),
  words: wordOrder.optional(),
  bytes: byteOrder,
  bytes_per_register: z
    .literal([1, 2])
    .default(2)
    .describe('1: each register holds one byte of the card, in its low half'),
  kind: z
    .enum(['uid', 'wiegand', 'raw'])
    .describe('uid: a serial number; wiegand: bits of a card format; raw: all of the registers, as they are'),
  bits: z
    .union([
      z.int().min(1).max(512),
      z.strictObject({
        area: registerArea.default('holding'),
        at: address,
        counts: z.enum(['bits', 'bytes']).default('bits').describe('What the register counts'),
      }),
    ])
    .optional()
    .describe('Bits of the card: a number, or the register that tells it (default: all of the registers)'),
  align: z
    .enum(['left', 'right'])
    .optional()
    .describe('Where a card stands that is shorter than its registers: at their beginning or at their end'),
  parity: z
    .enum(['sent', 'stripped'])
    .default('sent')
    .describe('wiegand only; stripped: the reader drops the first and last bit, which are put back by their rule'),
});

const write = z.discriminatedUnion('area', [
  z.strictObject({ area: z.literal('coil'), at: address, value: z.literal([0, 1]) }),
  z.strictObject({ area: z.literal('holding'), at: address, value: word }),
]);
export type FeedbackWrite = z.output<typeof write>;
const writes = z.array(write).max(8).default([]);

const feedback = z
  .strictObject({
    granted: writes.describe('Written when the door opens'),
    denied: writes.describe('Written when it does not'),
    ready: writes.describe('Written at the start, and once an outcome has been shown for as long as `show`'),
    show: durationOr(1_500).describe('How long an outcome is shown'),
  })
  .prefault({})
  .describe('What the reader shows and sounds, as coils and registers');

const base = {
  card,
  poll: durationOr(100).describe('How often it is looked at'),
  debounce: durationOr(2_000).describe(
    'How long a card must have been away before it counts as shown again; another card counts at once',
  ),
  feedback,
};

export const reader = z
  .discriminatedUnion('mode', [
    z.strictObject({
      mode: z.literal('flag-clear'),
      flag: z
        .strictObject({
          area: z.enum(['coil', 'holding']).default('coil'),
          at: address,
          clear: word.default(0).describe('Written to acknowledge; every other value means that a card waits'),
        })
        .describe('Set by the reader with each card, and cleared by us: until then it reads no other'),
      ...base,
    }),
    z.strictObject({
      mode: z.literal('sequence'),
      sequence: z
        .strictObject({ area: registerArea, at: address })
        .describe('A register that counts the cards; the last one stands until the next'),
      ...base,
    }),
  ])
  .describe('A card reader in the device: Lintel reads the card and decides');

export type ReaderSpec = z.output<typeof reader>;
export type CardSpec = ReaderSpec['card'];
export const FEEDBACK_SIGNALS = ['granted', 'denied', 'ready'] as const;
export type FeedbackSignal = (typeof FEEDBACK_SIGNALS)[number];
