// What an earlier Lintel left in the folder of a building: the next start brings it forward.

import { Secrets } from '../../../src/store/secrets.ts';
import { addedUp, hashOf } from '../../../src/store/digest.ts';
import { olderDatabase } from '../../support/older-database.ts';
import { thing, type Model } from './model.ts';
import { cardNumber, ENTRANCES, type Place } from './place.ts';

/** The last version whose rows had no seals. */
const OLD_VERSION = 4;
const OLD_CARDS = 12;
const OLD_PERSON = 'c4a50000-0000-4000-8000-000000000001';

/** People and cards as the Lintel of an earlier version kept them; they let in all along. */
export function leaveOlderDatabase(place: Place, model: Model): void {
  const key = Buffer.alloc(32, 7);
  const secrets = new Secrets(key);
  const old = olderDatabase(place.state, OLD_VERSION, key);
  old.exec(`INSERT INTO users (acs_user_id, is_suspended, created_at) VALUES ('${OLD_PERSON}', 0, 1);
    INSERT INTO entrances (acs_entrance_id, name) VALUES ('${ENTRANCES.lobby}', 'lobby')`);
  const insert = old.prepare<[string, Buffer, Buffer]>(
    `INSERT INTO credentials (acs_credential_id, user_key, access_method, has_own_entrances, card_hash, card_sealed, created_at) VALUES (?, 1, 'card', 1, ?, ?, 1)`,
  );
  model.people.set(OLD_PERSON, { isSuspended: false });
  for (let i = 0; i < OLD_CARDS; i++) {
    const number = 2000 + i;
    const id = `c4a50000-0000-4000-8000-0000000002${String(i).padStart(2, '0')}`;
    insert.run(id, secrets.cardHash(cardNumber(number)), secrets.seal(cardNumber(number), `card ${id}`));
    const holding = { id, person: OLD_PERSON, number, doors: ['lobby'], isOneTime: false, isUsed: false } as const;
    model.holdings.set(thing(holding), { kind: 'card', ...holding });
  }
  old.exec('INSERT INTO credential_entrances (credential_key, entrance_key) SELECT credential_key, 1 FROM credentials');
  // It kept the sum of them already.
  const lines = [...model.holdings.values()].map(
    ({ id }) => `credential|${id}|${OLD_PERSON}|card|||${ENTRANCES.lobby}||`,
  );
  const sum = [`user|${OLD_PERSON}|||`, ...lines].reduce(
    (total, line) => addedUp(BigInt(`0x${total}`), hashOf(line)),
    '0',
  );
  const keep = old.prepare<[string, string | number]>('INSERT INTO meta (key, value) VALUES (?, ?)');
  for (const [name, value] of [
    ['digest_sum', sum],
    ['count_users', 1],
    ['count_credentials', OLD_CARDS],
  ] as const)
    keep.run(name, value);
  old.close();
}
