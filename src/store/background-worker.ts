// The worker thread behind background.ts: one task, one read-only connection, one message.

import Database from 'better-sqlite3';
import { renameSync, rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { copyInto } from './open.ts';
import { conditionAfter } from './disk-errors.ts';

export type BackgroundTask = { task: 'check'; path: string } | { task: 'back_up'; path: string; target: string };
export type BackgroundResult = { problems: string[] };

function carryOut(task: BackgroundTask): BackgroundResult {
  const db = new Database(task.path, { readonly: true, fileMustExist: true });
  try {
    if (task.task === 'check') return { problems: check(db) };
    // Under another name until it is whole: a power cut leaves no half backup that looks like one.
    const unfinished = `${task.target}.part`;
    rmSync(unfinished, { force: true });
    copyInto(db, unfinished);
    renameSync(unfinished, task.target);
    return { problems: [] };
  } finally {
    db.close();
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

parentPort?.postMessage(carryOut(workerData as BackgroundTask));
