// Which columns of which rows decide who is let in, and the seal over them: an HMAC under a key of this one database,
// derived from the master key. Whoever can write the file and has no key can change, move or copy a row, and cannot
// make its seal fit.

import { timingSafeEqual } from 'node:crypto';
import { KeyedHash } from './keyed-hash.ts';

export type SealedValue = string | number | Uint8Array | null;

/**
 * The deciding columns of each table; the first ones are its key. A change of one of them is sealed anew, whoever makes
 * it (sealing.ts).
 */
export const SEALED = {
  users: { key: ['user_key'], rest: ['acs_user_id', 'starts_at', 'ends_at', 'is_suspended'], id: 'acs_user_id' },
  credentials: {
    key: ['credential_key'],
    rest: [
      'acs_credential_id', 'user_key', 'access_method', 'starts_at', 'ends_at', 'has_own_entrances', 'uses_left', 'used_at', 'invalidated_at', 'card_hash',
      'code_hash', 'schedule_key', 'list_revision',
      // Left out of what is sealed where it is 0: the seal of a credential without is what it always was.
      'is_duress',
    ],
    id: 'acs_credential_id',
  },
  phones: { key: ['phone_key'], rest: ['acs_credential_id', 'credential_key', 'key_hash'], id: 'acs_credential_id' },
  issued_keys: {
    key: ['issued_key'],
    rest: ['acs_credential_id', 'credential_key', 'key_hash', 'issuer', 'token_id', 'starts_at', 'ends_at', 'issued_at', 'entrances'],
    id: 'acs_credential_id',
  },
  biometrics: {
    key: ['biometric_key'],
    rest: ['acs_biometric_id', 'user_key', 'biometric_type', 'format', 'is_duress', 'template_sealed'],
    id: 'acs_biometric_id',
  },
  access_groups: { key: ['group_key'], rest: ['acs_access_group_id', 'schedule_key'], id: 'acs_access_group_id' },
  access_group_users: { key: ['user_key', 'group_key'], rest: ['starts_at', 'ends_at'], id: 'group_key' },
  access_group_entrances: { key: ['group_key', 'entrance_key'], rest: ['acs_entrance_id'], id: 'group_key' },
  user_entrances: {
    key: ['user_key', 'entrance_key', 'grant_key'],
    rest: ['acs_entrance_id', 'starts_at', 'ends_at', 'schedule_key'],
    id: 'user_key',
  },
  schedules: { key: ['schedule_key'], rest: ['schedule_id', 'content'], id: 'schedule_id' },
  holiday_days: { key: ['day', 'holiday_key'], rest: [], id: 'day' },
  tombstones: { key: ['kind', 'id'], rest: [], id: 'id' },
} as const; // prettier-ignore

export type SealedTable = keyof typeof SEALED;
export const SEALED_TABLES = Object.keys(SEALED) as SealedTable[];
export const sealedColumns = (table: SealedTable): string[] => [...SEALED[table].key, ...SEALED[table].rest];

/**
 * An entry of a credential's own list: sealed with the revision of that list, so that an entry of an earlier list fits
 * no later one.
 */
export const LIST = 'credential_entrances';
export type SealedKind = SealedTable | typeof LIST | 'ledger' | 'generation' | 'mode';

export const SEAL_BYTES = 16;
const SUM_MODULUS = 2n ** BigInt(8 * SEAL_BYTES);

export class Sealer {
  readonly #hash: KeyedHash;

  /**
   * `key`: of this database alone (Secrets.rowKey), so that a row of another one under the same master key does not
   * fit.
   */
  constructor(key: Uint8Array) {
    this.#hash = new KeyedHash(key);
  }

  seal(kind: SealedKind, values: readonly SealedValue[]): Buffer {
    return this.#over(this.contentOf(kind, values));
  }

  holds(kind: SealedKind, values: readonly SealedValue[], seal: Uint8Array | null): boolean {
    return this.holdsContent(this.contentOf(kind, values), seal);
  }

  /** What a seal is over. */
  contentOf(kind: SealedKind, values: readonly SealedValue[]): string {
    const content: (string | number | null)[] = [kind];
    const isPlain = kind === 'credentials' && values.at(-1) === 0;
    for (const value of isPlain ? values.slice(0, -1) : values) content.push(canonical(value));
    return JSON.stringify(content);
  }

  holdsContent(content: string, seal: Uint8Array | null): boolean {
    return seal?.length === SEAL_BYTES && timingSafeEqual(this.#over(content), seal);
  }

  #over(content: string): Buffer {
    return this.#hash.over(content, SEAL_BYTES);
  }
}

/** A text never begins as bytes do. */
const canonical = (value: SealedValue): string | number | null => {
  if (Buffer.isBuffer(value)) return `x${value.toString('hex')}`;
  if (value instanceof Uint8Array)
    return `x${Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')}`;
  return typeof value === 'string' ? `t${value}` : value;
};

/**
 * Seals added up, whatever their order: the sum tells that a row vanished, or came back from an older copy with a seal
 * that fits.
 */
export const EMPTY_SUM: Buffer = Buffer.alloc(SEAL_BYTES);

export function movedSum(sum: Uint8Array, removed: Uint8Array | null, added: Uint8Array | null): Buffer {
  const moved = numberOf(sum) - numberOf(removed) + numberOf(added);
  const within = ((moved % SUM_MODULUS) + SUM_MODULUS) % SUM_MODULUS;
  return Buffer.from(within.toString(16).padStart(2 * SEAL_BYTES, '0'), 'hex');
}

const numberOf = (bytes: Uint8Array | null): bigint =>
  bytes === null || bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
