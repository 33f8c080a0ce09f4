// What surrounds the parameters of every command, and how large and how long-lived a command may be.

import { z } from 'zod';
import { COMMAND_ID_FORM } from '../../domain/ids.ts';
import { instant } from './fields.ts';

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
