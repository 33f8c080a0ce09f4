// The building that measurements run in: one lobby decided by the gateway, real files, the handlers as the agent wires
// them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Room } from '../../src/commands/room.ts';
import type { Site } from '../../src/domain/site.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Store } from '../../src/store/store.ts';
import { buildRoom, LOBBY, USER } from '../support/room.ts';

export function benchFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-bench-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export const openBenchStore = (folder: string): Store =>
  new Store({
    path: join(folder, 'lintel.db'),
    masterKey: null,
    env: {},
    clock: systemClock,
    random: systemRandom,
    clockState: () => 'trusted',
  });

export const benchRoom = (store: Store): Room & { site: Site } => buildRoom(store, systemClock);

const uuid = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

/** The n-th command of a mixed stream of cards and eight-digit codes, as a sender publishes it. */
export function createCommand(n: number): Buffer {
  const secret =
    n % 2 === 0
      ? { access_method: 'card', card_number: `H10302:${n + 1}` }
      : { access_method: 'code', code: String(10_000_000 + n * 7) };
  return Buffer.from(
    JSON.stringify({
      command_id: `bench-${n}`,
      issued_at: new Date().toISOString(),
      params: {
        acs_credential_id: uuid(n),
        acs_user_id: USER,
        ...secret,
        starts_at: '2026-01-01T00:00:00Z',
        ends_at: '2036-01-01T00:00:00Z',
        allowed_acs_entrance_ids: [LOBBY],
      },
    }),
  );
}

export const userCommand = (): Buffer =>
  Buffer.from(JSON.stringify({ command_id: 'bench-user', params: { acs_user_id: USER, full_name: 'Bench' } }));

/**
 * Fills a database with cards of the lobby by the store's own tables, many in one transaction: for measurements at a
 * size, not of the filling.
 */
export function fill(store: Store, site: Site, count: number): void {
  const entranceKey = site.byId(LOBBY)?.entranceKey ?? 1;
  const now = Date.now();
  const userKey = store.now(() =>
    store.users.insert({
      acs_user_id: USER, full_name: 'Bench', email_address: null, phone_number: null, user_identity_id: null, starts_at: null, ends_at: null, is_suspended: 0, is_extended_access: 0, metadata: null, created_at: now,
    }),
  ); // prettier-ignore
  const perTransaction = 20_000;
  for (let from = 0; from < count; from += perTransaction) {
    store.now(() => {
      for (let n = from; n < Math.min(count, from + perTransaction); n++) {
        const card = `H10302:${n + 1}`;
        const key = store.credentials.insert({
          acs_credential_id: uuid(n), user_key: userKey, access_method: 'card', starts_at: now - 1000, ends_at: now + 86_400_000 * 365, has_own_entrances: 1, uses_left: 0, max_uses: null, is_duress: 0,
          used_at: null, invalidated_at: null, card_hash: store.secrets.cardHash(card), card_sealed: store.secrets.seal(card, `card ${uuid(n)}`), code_hash: null, code_sealed: null,
          code_length: null, secret_revision: null, display_name: null, metadata: null, opaque: null, schedule_modified: 0, issued_at: now, synced_at: now, created_at: now, schedule_key: null,
        }); // prettier-ignore
        store.credentials.setEntrances(key, [entranceKey], null);
      }
    });
  }
}
