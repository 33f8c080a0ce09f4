// `store.backup`: sealed backups, where they go and who can open them.

import { z } from 'zod';
import { isBech32 } from '../domain/bech32.ts';

/** Of an X25519 recipient of age. */
const RECIPIENT_LENGTH = 62;

export const backupSchema = z.strictObject({
  recovery_key: z
    .string()
    .refine((text) => isBech32(text, 'age') && text.length === RECIPIENT_LENGTH, {
      message:
        'expected the public key of an age identity, as `lintel backup new-key` prints it: age1… with 62 characters, copied whole',
    })
    .meta({
      title: 'Recovery key',
      description:
        'The public key that backups are sealed to. Who has its identity, which stays off the gateway, opens them with Lintel or any age program. Made by `lintel backup new-key`.',
      examples: ['age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq'],
    }),
  folder: z
    .string()
    .min(1)
    .optional()
    .meta({
      title: 'Folder',
      description:
        'Where they go, relative to the facility file; it must be there. Name a folder on another medium, such as a USB stick, so that they outlive the disk. Without it: `sealed` beside the database, which is made.',
      examples: ['/mnt/usb/lintel'],
    }),
  keep: z
    .int()
    .min(1)
    .max(1_000)
    .default(14)
    .meta({ title: 'Keep', description: 'How many of them stay, the oldest going first.' }),
});
