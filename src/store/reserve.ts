// Room kept for the day on which there is none: a file that is given up when the disk is full, so that what takes
// access away, and the events of the doors, can still be stored. It is made anew when there is room again.

import { randomBytes } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { diskSpace } from './disk-space.ts';

const MOST_BYTES = 8 * 1024 * 1024;
/** On a small disk it is this part of the whole. */
const SHARE = 1 / 8;
const CHUNK_BYTES = 256 * 1024;

export class Reserve {
  readonly #path: string;
  #isBeingMade = false;

  /** `databasePath`: it stands beside the database, on the same disk. */
  constructor(databasePath: string) {
    this.#path = join(dirname(databasePath), `${basename(databasePath, '.db')}.reserve`);
  }

  /** Gives the room up; false when there was none kept. */
  release(): boolean {
    const wasThere = existsSync(this.#path);
    for (const file of [this.#path, `${this.#path}.part`]) rmSync(file, { force: true });
    return wasThere;
  }

  /** Whether the disk has so much room that a reserve can be kept and as much is left. */
  hasRoom(): boolean {
    const { free, total } = diskSpace(dirname(this.#path));
    return free >= 2 * bytesOf(total);
  }

  /** Keeps room where none is kept yet and there is enough; rejects when the disk would not have it. */
  async keep(): Promise<void> {
    if (this.#isBeingMade || existsSync(this.#path) || !this.hasRoom()) return;
    this.#isBeingMade = true;
    const unfinished = `${this.#path}.part`;
    try {
      const file = await open(unfinished, 'w', 0o600);
      try {
        // Noise: a file system that compresses would keep no room for zeros.
        for (let left = bytesOf(diskSpace(dirname(this.#path)).total); left > 0; left -= CHUNK_BYTES)
          await file.write(randomBytes(Math.min(left, CHUNK_BYTES)));
        await file.sync();
      } finally {
        await file.close();
      }
      if (existsSync(unfinished)) renameSync(unfinished, this.#path);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    } finally {
      this.#isBeingMade = false;
    }
  }
}

const bytesOf = (total: number): number => Math.min(MOST_BYTES, Math.floor(total * SHARE));
