// What a dead process has left on its disk: looked at in a copy, as the next start would find it, so that the looking
// changes nothing.

import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ChainCheck } from '../../../src/cli/audit-chain.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { eventJson, type StoredEvent } from '../../../src/store/events.ts';
import { Store } from '../../../src/store/store.ts';
import { verify } from '../../../src/store/verification.ts';
import { thing, Wrong, type Model } from './model.ts';
import { DOOR_NAMES, ENTRANCES, type Place } from './place.ts';
import type { Tower } from './tower.ts';

const DATABASE = 'lintel.db';

/**
 * The number of the newest event. Throws Wrong where what was acknowledged or delivered is not as it was, or the file is
 * not sound.
 */
export function lookAtDisk(place: Place, tower: Tower): number {
  const copy = join(place.folder, 'copy');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy);
  for (const name of readdirSync(place.state))
    if (/\.db(-wal)?$|\.generation$|\.key$/.test(name)) cpSync(join(place.state, name), join(copy, name));
  const path = join(copy, DATABASE);
  const store = new Store({
    ...{ path, masterKey: null, env: {}, clock: systemClock, random: systemRandom },
    clockState: () => 'trusted',
  });
  try {
    for (const id of tower.acknowledged)
      if (store.journal.get(id)?.state !== 'done') throw new Wrong(`${id} was acknowledged, and is not in the journal`);
    lookAtHoldings(store, tower.model);
    const { tampered, isExchanged, digest, gaps } = verify({ path, key: store.secrets.rowKey(store.past.storeId) });
    if (tampered.length > 0 || isExchanged || digest !== null || gaps.length > 0)
      throw new Wrong(`the rows do not verify: ${JSON.stringify({ tampered, isExchanged, digest, gaps })}`);
  } finally {
    store.close();
  }
  return lookAtFile(path, tower.events);
}

function lookAtFile(path: string, delivered: ReadonlyMap<number, string>): number {
  const db = new Database(path, { readonly: true });
  try {
    const found = db.pragma('integrity_check') as { integrity_check: string }[];
    if (found[0]?.integrity_check !== 'ok') throw new Wrong(`the file is damaged: ${JSON.stringify(found)}`);
    const check = new ChainCheck();
    const kept = new Map<number, string>();
    const rows = db.prepare<[], StoredEvent>('SELECT * FROM events ORDER BY sequence').all();
    for (const row of rows) {
      const json = eventJson(row);
      kept.set(row.sequence, json);
      check.add(json, JSON.parse(json) as Record<string, unknown>);
    }
    const [finding] = check.end().findings;
    if (finding !== undefined) throw new Wrong(`the log does not verify: ${finding.sequence} ${finding.problem}`);
    for (const [sequence, json] of delivered)
      if (kept.get(sequence) !== json) throw new Wrong(`event ${sequence} was delivered as ${json}, and is kept as ${kept.get(sequence) ?? 'nothing'}`); // prettier-ignore
    return rows.at(-1)?.sequence ?? 0;
  } finally {
    db.close();
  }
}

function lookAtHoldings(store: Store, model: Model): void {
  for (const holding of model.holdings.values()) {
    const { id, person } = holding;
    const name = thing(holding);
    if (model.isTouched(name)) continue;
    const found = store.credentials.byId(id);
    if (found === undefined) throw new Wrong(`${name} is gone, and its making was acknowledged`);
    if (holding.kind === 'card') {
      for (const door of DOOR_NAMES) {
        const row = store.entrances.byId(ENTRANCES[door]);
        const paths = row === undefined ? [] : (store.reach.one(found.credential_key, row.entrance_key)?.paths ?? []);
        if (paths.length > 0 !== holding.doors.includes(door)) throw new Wrong(`${name} ${paths.length > 0 ? 'reaches' : 'does not reach'} the ${door}`); // prettier-ignore
      }
    }
    if (model.isTouched(person)) continue;
    const isSuspended = store.users.byId(person)?.is_suspended === 1;
    if (isSuspended !== model.people.get(person)?.isSuspended) throw new Wrong(`${person} ${isSuspended ? 'is' : 'is not'} suspended`); // prettier-ignore
  }
}
