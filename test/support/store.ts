// Real database files in a folder of the test's own.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/domain/ports.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Store, type StoreOptions } from '../../src/store/store.ts';
import { ManualClock } from './manual-clock.ts';

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
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
