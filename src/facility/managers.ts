// The section `credential_managers`: issuers whose signature over somebody's key is accepted, and what each may do.

import { z } from 'zod';
import { LONGEST_LIFETIME_MS, signingKey } from '../domain/credential-manager.ts';
import { memberOf } from '../domain/named.ts';
import { meantWord } from '../domain/words.ts';
import type { Report } from './report.ts';
import { isMapping, valueAt } from './shape.ts';
import { duration, NAME_FORM, uuid } from './values.ts';

const MINUTE_MS = 60_000;
const KEY_WANTED =
  'a public key in hexadecimal: of P-256 the uncompressed point, 130 digits that begin with 04; of Ed25519 64 digits';
const KEY_ID_WANTED = '2 to 64 hexadecimal digits, whole bytes';

const keySchema = z.strictObject({
  key_id: z
    .string()
    .regex(/^([0-9a-fA-F]{2}){1,32}$/)
    .transform((text) => text.toLowerCase())
    .meta({
      title: 'Key id',
      description:
        'The `kid` of what it signs, in hexadecimal; unique in this file. In quotes where it has digits only.',
      examples: ['c0ffee0000000001'],
      patternErrorMessage: KEY_ID_WANTED,
    }),
  public_key: z
    .string()
    .regex(/^([0-9a-fA-F]{64}|04[0-9a-fA-F]{128})$/)
    .refine((text) => signingKey(text) !== null, { error: 'is no point of its curve' })
    .meta({
      title: 'Public key',
      description: `Its ${KEY_WANTED.slice(2)}. It is no secret.`,
      examples: ['d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'],
      patternErrorMessage: KEY_WANTED,
    }),
});

const managerSchema = z.strictObject({
  acs_system_id: uuid({
    title: 'System id',
    description: 'Its id towards the service above: `credential_manager_acs_system_id` of commands.',
    examples: ['99999999-9999-9999-9999-999999999999'],
  }),
  display_name: z
    .string()
    .min(1)
    .max(120)
    .optional()
    .meta({ title: 'Display name', description: 'Name for people.', examples: ['Tower'] }),
  keys: z
    .array(keySchema)
    .min(1)
    .max(8)
    .meta({
      title: 'Keys',
      description: 'By which it signs. Two of them while one takes the place of the other.',
      examples: [
        [
          {
            key_id: 'c0ffee0000000001',
            public_key: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
          },
        ],
      ],
    }),
  max_lifetime: duration(MINUTE_MS, LONGEST_LIFETIME_MS).prefault('7d').meta({
    title: 'Longest lifetime',
    description:
      'What it signs may be good for so long, from its issue or its start, whichever is earlier, to its end. Short ones need no revocation.',
  }),
  unknown_credentials: z.enum(['refuse', 'take']).default('refuse').meta({
    title: 'Unknown credentials',
    description:
      'What it signs for a credential that no command has brought (yet). `refuse`: it opens nothing; `take`: the credential is made of what it signs, for whom it names, and a command that comes later takes it over.',
  }),
  entrances: z
    .array(z.string())
    .min(1)
    .optional()
    .meta({
      title: 'Entrances',
      description:
        'What it signs may open these entrances and no others; left out, every one where the gateway decides.',
      examples: [['lobby']],
    }),
});

const WORDS = {
  title: 'Credential managers',
  description:
    'Issuers whose signature over the key of a phone or card is accepted (docs/mobile-keys.md), by name. Without this section none is.',
};

export const managersSchema = z.record(z.string().regex(NAME_FORM), managerSchema).prefault({}).meta(WORDS);

function textAt(value: unknown, path: readonly string[]): string | null {
  const text = valueAt(value, path);
  return typeof text === 'string' ? text : null;
}

/** What one of them alone cannot say: ids that another has, entrances that there are not. */
export function checkManagers(root: unknown, entrances: Readonly<Record<string, unknown>>, report: Report): void {
  const stated = valueAt(root, ['credential_managers']);
  if (!isMapping(stated)) return;
  const keyIds = new Map<string, string>();
  const systems = new Map<string, string>();
  const own = textAt(root, ['acs_system_id'])?.toLowerCase();
  for (const [name, manager] of Object.entries(stated)) {
    const path = ['credential_managers', name];
    const system = textAt(manager, ['acs_system_id'])?.toLowerCase() ?? null;
    const other = system === null ? undefined : system === own ? 'this facility' : systems.get(system);
    if (other !== undefined)
      report.error([...path, 'acs_system_id'], `${other} has this id already`, 'Give each its own id.');
    if (system !== null) systems.set(system, name);
    const keys = valueAt(manager, ['keys']);
    for (const [i, key] of (Array.isArray(keys) ? (keys as unknown[]) : []).entries()) {
      const keyId = textAt(key, ['key_id'])?.toLowerCase() ?? null;
      const owner = keyId === null ? undefined : keyIds.get(keyId);
      if (owner !== undefined)
        report.error(
          [...path, 'keys', i, 'key_id'],
          `a key of ${owner} has this id already`,
          'Each key has an id of its own.',
        );
      if (keyId !== null) keyIds.set(keyId, name);
    }
    checkEntrancesOf(valueAt(manager, ['entrances']), [...path, 'entrances'], entrances, report);
  }
}

function checkEntrancesOf(
  named: unknown,
  path: readonly string[],
  entrances: Readonly<Record<string, unknown>>,
  report: Report,
): void {
  const known = Object.keys(entrances);
  for (const [i, name] of (Array.isArray(named) ? (named as unknown[]) : []).entries()) {
    if (typeof name !== 'string') continue;
    const meant = meantWord(name, known);
    if (!known.includes(name))
      report.error(
        [...path, i],
        'there is no such entrance',
        meant || `Under entrances there are: ${known.join(', ')}.`,
      );
    else if (textAt(memberOf(entrances, name), ['controller']) !== null)
      report.error(
        [...path, i],
        `${name} is decided by its controller, which has no place for a key`,
        'Name entrances where the gateway decides.',
      );
  }
}
