// The worker thread behind background.ts: one task, one read-only connection, one message.

import Database from 'better-sqlite3';
import { parentPort, workerData } from 'node:worker_threads';
import { OperatingError } from '../domain/errors.ts';
import type { SecretSource } from '../domain/facility.ts';
import { copyInto } from './open.ts';
import type { SealOrder, Sealed } from './sealed-backup.ts';
import { loadMasterKey } from './secrets.ts';
import { conditionAfter } from './disk-errors.ts';

export type BackgroundTask =
  | { task: 'check'; path: string }
  | { task: 'back_up'; path: string; target: string }
  | { task: 'seal'; path: string; order: Omit<SealOrder, 'masterKey'>; masterKey: SecretSource | null };
export type BackgroundResult = { problems: string[]; sealed?: Sealed };

async function carryOut(task: BackgroundTask): Promise<BackgroundResult> {
  if (task.task === 'seal') return await seal(task);
  const db = new Database(task.path, { readonly: true, fileMustExist: true });
  try {
    if (task.task === 'check') return { problems: check(db) };
    copyInto(db, task.target);
    return { problems: [] };
  } finally {
    db.close();
  }
}

/** The key is read here, and is gone with this thread. */
async function seal({ path, order, masterKey }: BackgroundTask & { task: 'seal' }): Promise<BackgroundResult> {
  const { sealBackup } = await import('./sealed-backup.ts');
  const key = loadMasterKey(masterKey, path, false, process.env);
  try {
    return { problems: [], sealed: await sealBackup({ ...order, masterKey: key }) };
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    return { problems: [error.message] };
  }
}

function check(db: Database.Database): string[] {
  try {
    const rows = db.pragma('quick_check(20)') as { quick_check: string }[];
    return rows.map((row) => row.quick_check).filter((text) => text !== 'ok');
  } catch (error) {
    if (error instanceof Error && conditionAfter(error) === 'damaged') return [error.message];
    throw error;
  }
}

parentPort?.postMessage(await carryOut(workerData as BackgroundTask));
