// A file put into its place so that it is there after a power cut, also from another file system, and whom what an
// administrator makes for Lintel belongs to.

import { copyFileSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { putInPlace } from '../store/durable.ts';

/** Whole or not at all: under its name stands nothing that is not on the disk. */
export function moveDurably(from: string, path: string): void {
  try {
    putInPlace(from, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    copyDurably(from, path);
  }
}

/** By another name first, and flushed before it gets its own. */
export function copyDurably(from: string, path: string): void {
  const unfinished = `${path}.part`;
  try {
    copyFileSync(from, unfinished);
    putInPlace(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

export type Owner = { uid: number; gid: number };

const USER = 'lintel';

/**
 * Whose the folder of a database is: whoever has it, or the service's user where root has it, or is about to make it.
 * On a new gateway systemd has not made it yet.
 */
export function ownerOf(folder: string, passwd = '/etc/passwd'): Owner {
  let [at, there] = [folder, statSync(folder, { throwIfNoEntry: false })];
  while (there === undefined && dirname(at) !== at) {
    at = dirname(at);
    there = statSync(at, { throwIfNoEntry: false });
  }
  const { uid, gid } = there ?? { uid: 0, gid: 0 };
  return uid === 0 ? (userIn(readFileSync(passwd, 'latin1')) ?? { uid, gid }) : { uid, gid };
}

function userIn(passwd: string): Owner | null {
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === USER);
  const [uid, gid] = [Number(fields?.[2]), Number(fields?.[3])];
  return fields !== undefined && Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : null;
}
