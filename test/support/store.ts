// Real database files in a folder of the test's own.

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/domain/ports.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Store, type StoreOptions } from '../../src/store/store.ts';
import { ManualClock } from './manual-clock.ts';

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-test-'));
  // Again where a thread of the program still writes into it, as one that copies a database does.
  onTestFinished(async () => await rm(folder, { recursive: true, force: true, maxRetries: 20 }));
  return folder;
}

export function storeOptions(folder: string, clock: Clock = new ManualClock()): StoreOptions {
  return {
    path: join(folder, 'lintel.db'),
    masterKey: null,
    env: {},
    clock,
    random: systemRandom,
    clockState: () => 'trusted',
  };
}

/** Opens a store that is closed when the test ends, if the test has not done so. */
export function openStore(folder: string, clock?: Clock): Store {
  const store = new Store(storeOptions(folder, clock));
  onTestFinished(() => {
    if (store.isAlive()) store.close();
  });
  return store;
}

/** What somebody does to the file of a stopped Lintel. */
export function behindItsBack(folder: string, ...statements: string[]): void {
  const db = new Database(join(folder, 'lintel.db'));
  db.pragma('foreign_keys = OFF');
  for (const statement of statements) db.exec(statement);
  db.close();
}

/** The message with which opening is refused; `it opened` where it is not. */
export function refusalOf(folder: string, more: Partial<StoreOptions> = {}): string {
  try {
    new Store({ ...storeOptions(folder), ...more }).close();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'it opened';
}
