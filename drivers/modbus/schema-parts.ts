// The small parts that every corner of a profile's schema is made of.

import { z } from 'zod';
import { DURATION_FORM, formatDuration, parseDuration } from '../../src/domain/duration.ts';

/** A duration as written, e.g. `300ms`; milliseconds once read. */
export const duration = z
  .string()
  .regex(DURATION_FORM, 'a duration is a whole number and its unit: 500ms, 5s, 2m')
  .transform(parseDuration)
  .meta({ patternErrorMessage: 'a duration with its unit (ms, s, m, h or d)' });

/** A duration that need not be said; the default is shown as it would be written. */
export const durationOr = (defaultMs: number) =>
  duration.default(defaultMs).meta({ default: formatDuration(defaultMs) });

export const word = z.int().min(0).max(0xffff);
export const bitIndex = z.int().min(0).max(15);
/** As the manual counts; `addressing.base` says how. */
export const address = z.int().min(0).max(465_536).describe('Address as the manual counts; addressing.base says how');
/** Offset in registers from the start of the record. */
export const offset = z.int().min(0).max(122).describe('Offset in registers from the start of the record');

export const AREAS = ['coil', 'discrete', 'holding', 'input'] as const;
export type Area = (typeof AREAS)[number];
export const READ_FUNCTION = { coil: 1, discrete: 2, holding: 3, input: 4 } as const satisfies Record<Area, number>;
export const area = z
  .enum(AREAS)
  .describe(
    'coil is read by FC01, discrete by FC02, holding by FC03, input by FC04; some devices serve inputs as coils',
  );
export const registerArea = z.enum(['holding', 'input']).describe('holding is read by FC03, input by FC04');
export const bitArea = z.enum(['coil', 'discrete']).describe('coil is read by FC01, discrete by FC02');

export const wordOrder = z
  .enum(['hi-lo', 'lo-hi'])
  .describe('Which register of a number comes first; always said where a number spans several, because devices differ');
export const byteOrder = z.enum(['hi-lo', 'lo-hi']).default('hi-lo').describe('Which byte of a register comes first');

export const bitRange = z
  .strictObject({ lo: bitIndex, width: z.int().min(1).max(16) })
  .describe('A part of the register: its lowest bit and its width');

export const smallField = z.strictObject({ at: offset, bits: bitRange.optional() });

export const TRANSPORTS = ['rtu', 'tcp', 'rtu-over-tcp'] as const;
