// What takes long on the database file (checking it, copying it) runs in a worker thread with a read-only connection of
// its own: doors first, checks behind.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { OperatingError } from '../domain/errors.ts';
import type { SecretSource } from '../domain/facility.ts';
import { backupFolder, listBackups } from './open.ts';
import type { SealOrder, Sealed } from './sealed-backup.ts';
import { verifyInBackground, type Findings } from './verification.ts';
import type { BackgroundTask, BackgroundResult } from './background-worker.ts';

/** Who does it. */
export type Background = {
  check: (path: string) => Promise<string[]>;
  backUp: (path: string, reason: string, nowMs: number, keep: number) => Promise<string>;
  verify: (path: string, key: Uint8Array) => Promise<Findings>;
};
export const inWorkers: Background = {
  check: checkInBackground,
  backUp: backUpInBackground,
  verify: verifyInBackground,
};

/** Problems found by SQLite's quick_check; [] when the file is sound. Rejects when the file cannot be read at all. */
export async function checkInBackground(path: string): Promise<string[]> {
  return (await run({ task: 'check', path })).problems;
}

/** A consistent copy in `backups/`, of which the newest `keep` stay; returns its path. */
export async function backUpInBackground(path: string, reason: string, nowMs: number, keep: number): Promise<string> {
  mkdirSync(backupFolder(path), { recursive: true, mode: 0o700 });
  const stamp = new Date(nowMs)
    .toISOString()
    .replaceAll(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');
  const target = join(backupFolder(path), `${basename(path, '.db')}-${stamp}-${reason}.db`);
  if (existsSync(target)) return target;
  await run({ task: 'back_up', path, target });
  const same = listBackups(path).filter((file) => file.endsWith(`-${reason}.db`));
  for (const old of same.slice(keep)) rmSync(old, { force: true });
  return target;
}

/** One of store.backup, in its folder. Throws an OperatingError with the remedy. */
export async function sealInBackground(
  order: Omit<SealOrder, 'masterKey'>,
  masterKey: SecretSource | null,
): Promise<Sealed> {
  const { problems, sealed } = await run({ task: 'seal', path: order.path, order, masterKey });
  if (sealed === undefined) throw new OperatingError('internal', problems.join('; '));
  return sealed;
}

function run(task: BackgroundTask): Promise<BackgroundResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./background-worker.ts', import.meta.url), { workerData: task });
    let result: BackgroundResult | null = null;
    worker.once('message', (message: BackgroundResult) => (result = message));
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (result !== null) resolve(result);
      else reject(new Error(`the background task ended with code ${code} and no result`));
    });
    worker.unref();
  });
}
