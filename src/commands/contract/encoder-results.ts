// A part of what commands answer (results.ts): encoders, and what is shown at one.

import { z } from 'zod';
import { BIOMETRIC_FORMATS, BIOMETRIC_TYPES } from '../../domain/biometrics.ts';
import type { Parts } from './people-results.ts';

export function encoderResults<E extends z.ZodType>(
  parts: Pick<Parts<E, z.ZodType, z.ZodType>, 'text' | 'instant' | 'count' | 'flag' | 'system' | 'errors'>,
) {
  const { text, instant, count, flag, system, errors } = parts;
  const encoder = z
    .strictObject({
      acs_encoder_id: text('which'),
      acs_system_id: system,
      acs_entrance_id: text('the entrance that names it'),
      display_name: text('what people call that entrance'),
      reader: text('which reader, by its name in the facility file'),
      card_formats: z.array(z.string()).describe('what a card is taken for there, in this order'),
      is_online: flag('the reader answers'),
      reads_biometrics: flag('the facility file says that it reads fingers, faces or the like'),
      is_scanning: flag('a scan is under way'),
      created_at: instant('not kept').nullable(),
      errors,
    })
    .meta({ id: 'acs_encoder' });
  const onEncoder = z.strictObject({
    kind: z.enum(['card', 'mobile_key']).describe('`mobile_key`: a phone, or a card with a key, that has proved it'),
    card_number: text('as the first format of the reader that fits has it; null: none of them does').nullable(),
    card_format: text('which that is').nullable(),
    width_bits: count('how many bits it has; null: it is no row of bits').nullable(),
    bytes: text('of a card: its bits, left-justified, its serial number or its characters, hexadecimal').nullable(),
    public_key: text('of a phone: 130 hexadecimal digits').nullable(),
    card_formats: z
      .array(
        z.strictObject({
          card_format: text('how it may be read'),
          card_number: text('what it is then'),
          is_read_at_encoder: flag('the facility file names this format for the reader'),
        }),
      )
      .describe('every format that fits'),
    is_issued: z.boolean().describe('somebody has it here').nullable(),
    created_at: instant('a card does not say').nullable(),
    starts_at: instant('a card does not say').nullable(),
    ends_at: instant('a card does not say').nullable(),
  });
  const biometric = z
    .strictObject({
      acs_biometric_id: text('which'),
      acs_system_id: system,
      acs_user_id: text('whose'),
      biometric_type: z.enum(BIOMETRIC_TYPES).describe('which finger, or what else'),
      format: z
        .enum(BIOMETRIC_FORMATS)
        .describe('in whose form: that of the reader’s maker, or that of ANSI/INCITS 378'),
      quality: count('how good it is, in the measure of the reader that read it'),
      is_duress: flag('to be used under threat'),
      display_name: text('what people call it').nullable(),
      created_at: instant('when it was enrolled').nullable(),
    })
    .meta({ id: 'biometric' });
  return { encoder, onEncoder, biometric };
}
