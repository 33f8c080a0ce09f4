// `store`: the database, how much of the past it keeps, and its sealed backups.

import { z } from 'zod';
import { isBech32 } from '../domain/bech32.ts';
import { duration, secretSource } from './values.ts';

const DAY_MS = 86_400_000;

/** Of an X25519 recipient of age. */
const RECIPIENT_LENGTH = 62;

const backupSchema = z.strictObject({
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

export const storeSchema = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('/var/lib/lintel/{facility}/lintel.db')
    .meta({ title: 'Database', description: 'Path of the SQLite file, relative to the facility file.' }),
  master_key: secretSource()
    .optional()
    .meta({
      title: 'Master key',
      description:
        'Where the key is that seals PINs and card values. Without it: the systemd credential `lintel-master-key` where there is one, else `master.key` beside the database, made at the first start.',
      examples: [{ credential: 'lintel-master-key' }],
    }),
  events: z
    .strictObject({
      keep: duration(DAY_MS, 3_650 * DAY_MS)
        .prefault('90d')
        .meta({
          title: 'Keep events for',
          description:
            'How long events stay in the store. How long a building may remember people is a legal choice: say it on purpose.',
        }),
      max: z
        .int()
        .min(1_000)
        .max(100_000_000)
        .default(2_000_000)
        .meta({ title: 'Keep at most', description: 'Most events kept, the oldest going first, however young.' }),
      max_bytes: z
        .int()
        .min(1_000_000)
        .optional()
        .meta({
          title: 'Keep at most, bytes',
          description:
            'What the events kept may weigh, about, the oldest going first. Without it: an eighth of the disk, at most 1 GiB, and only of what was delivered.',
          examples: [200_000_000],
        }),
    })
    .prefault({})
    .meta({
      title: 'Events',
      description:
        'How many events are kept, and for how long. The oldest go first: what is older than `keep`, then what is more than `max` or `max_bytes`, delivered or not; then, with less than 64 MiB free (a sixteenth of a small disk), what was delivered; with less than 16 MiB (a sixty-fourth) the others as well.',
    }),
  ended: z
    .strictObject({
      keep: duration(DAY_MS, 3_650 * DAY_MS)
        .prefault('400d')
        .meta({
          title: 'Keep what ended for',
          description:
            'How long credentials that expired or were used up, and access grants that ended, stay in the database. Then they are removed at night, with their card numbers and PINs; their ids are never used again.',
        }),
    })
    .prefault({})
    .meta({ title: 'Ended', description: 'What becomes of credentials and access grants that are over.' }),
  backup: backupSchema.optional().meta({
    title: 'Sealed backups',
    description:
      'One every night, sealed to a key that is not on the gateway: database, master key and facility file. `lintel restore` puts one back on any gateway.',
  }),
});
