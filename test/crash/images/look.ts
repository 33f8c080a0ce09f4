// One image of a disk after a power cut: put into a folder in memory, opened as the next start of Lintel opens it, and
// held against what was promised before the cut.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { OperatingError } from '../../../src/domain/errors.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import type { Db } from '../../../src/store/db.ts';
import { eventJson, type StoredEvent } from '../../../src/store/events.ts';
import { openDatabase } from '../../../src/store/open.ts';
import { Store } from '../../../src/store/store.ts';
import { verify } from '../../../src/store/verification.ts';
import type { Image } from './disk.ts';
import type { Promises } from './promises.ts';
import type { Recorded } from './record.ts';

/** Every so many images the whole store is opened, and every row's seal looked at. */
const WHOLE_EVERY = 40;
const MEMORY = '/dev/shm';
const DATABASE = 'lintel.db';

export type Verdict = { problem: string } | null;

export class Lookout {
  readonly #folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : '/tmp', 'lintel-image-'));
  readonly #recorded: Recorded;
  readonly #written = new Map<string, Buffer>();
  #count = 0;

  constructor(recorded: Recorded) {
    this.#recorded = recorded;
  }

  get count(): number {
    return this.#count;
  }

  /** Null where all is as promised. */
  look(image: Image, promises: Promises): Verdict {
    this.#put(image);
    this.#count += 1;
    try {
      return this.#lookAtBackups(image) ?? this.#open(promises);
    } catch (error) {
      if (error instanceof OperatingError) return { problem: `it is refused: ${error.message}` };
      return { problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }

  #put(image: Image): void {
    for (const name of readdirSync(this.#folder, { recursive: true, withFileTypes: true })) {
      const path = join(name.parentPath, name.name).slice(this.#folder.length + 1);
      if (name.isFile() && (image.get(path) === undefined || image.get(path) !== this.#written.get(path)))
        rmSync(join(this.#folder, path), { force: true });
    }
    for (const [path, bytes] of image) {
      const file = join(this.#folder, path);
      if (this.#written.get(path) === bytes && existsSync(file)) continue;
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, bytes, { mode: 0o600 });
      if (path.endsWith('.key')) chmodSync(file, 0o400);
      // What the opening writes to is put there anew each time.
      if (!/^lintel\./.test(path)) this.#written.set(path, bytes);
    }
  }

  /** What looks like a backup is one. */
  #lookAtBackups(image: Image): Verdict {
    for (const [path, bytes] of image) {
      const whole = this.#recorded.whole.get(path);
      if (path.endsWith('.age') && whole?.equals(bytes) === false)
        return { problem: `${path} is no whole backup, and is called one` };
      if (!/^backups\/.*\.db$/.test(path)) continue;
      const problem = problemOf(join(this.#folder, path));
      if (problem !== null) return { problem: `${path} is no whole backup, and is called one: ${problem}` };
    }
    return null;
  }

  #open(promises: Promises): Verdict {
    const path = join(this.#folder, DATABASE);
    const { db, secrets, past } = openDatabase({ path, masterKey: null, env: {}, nowMs: Date.now() });
    try {
      const verdict = this.#lookInto(db, promises);
      if (verdict !== null || this.#count % WHOLE_EVERY !== 0) return verdict;
    } finally {
      db.close();
    }
    const options = { path, masterKey: null, env: {}, clock: systemClock, random: systemRandom };
    new Store({ ...options, clockState: () => 'trusted' }).close();
    const { tampered, isExchanged, digest, gaps } = verify({ path, key: secrets.rowKey(past.storeId) });
    if (tampered.length === 0 && !isExchanged && digest === null && gaps.length === 0) return null;
    return { problem: `its rows do not verify: ${JSON.stringify({ tampered, isExchanged, digest, gaps })}` };
  }

  #lookInto(db: Db, promises: Promises): Verdict {
    const [found] = db.pragma('integrity_check(1)') as { integrity_check: string }[];
    if (found?.integrity_check !== 'ok') return { problem: `the file is damaged: ${found?.integrity_check ?? ''}` };
    const kept = new Set(db.prepare<[], string>('SELECT command_id FROM journal').pluck().all());
    for (const id of promises.commands) if (!kept.has(id)) return { problem: `${id} was acknowledged, and is gone` };
    const used = new Set(db.prepare<[], string>('SELECT acs_credential_id FROM credentials WHERE used_at IS NOT NULL').pluck().all()); // prettier-ignore
    for (const id of promises.usedUp)
      if (!used.has(id)) return { problem: `${id} works once, has opened, and would again` };
    return this.#lookAtEvents(db, promises);
  }

  /** The log is a beginning of the one that came to be: then it is chained, and no number is given twice. */
  #lookAtEvents(db: Db, { events }: Promises): Verdict {
    const rows = db.prepare<[], StoredEvent>('SELECT sequence, event_type, created_at, body FROM events ORDER BY sequence').all(); // prettier-ignore
    for (const [at, row] of rows.entries()) {
      if (row.sequence !== at + 1) return { problem: `event ${at + 1} is not there, and ${row.sequence} is` };
      const json = eventJson(row);
      const known = this.#recorded.events.get(row.sequence);
      // What only this image knows of was never told to anybody, and its number may be given anew.
      if (known !== json && events.has(row.sequence)) return { problem: `event ${row.sequence} was told, and is another one` }; // prettier-ignore
    }
    const last = Math.max(0, ...events.keys());
    return rows.length < last ? { problem: `event ${last} was told, and the log ends at ${rows.length}` } : null;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20 });
  }
}

/** Null where SQLite finds it sound. */
function problemOf(path: string): string | null {
  let db: Database.Database | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const [found] = db.pragma('integrity_check(1)') as { integrity_check: string }[];
    const tables = db.prepare<[], number>('SELECT count(*) FROM sqlite_master').pluck().get();
    return found?.integrity_check !== 'ok' || tables === 0 ? 'it is empty or damaged' : null;
  } catch (error) {
    return String(error);
  } finally {
    db?.close();
  }
}
