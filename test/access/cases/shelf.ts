// Copies of the database with the people of the cases. To open one costs more than to decide a case, so one in which a
// case changed nothing serves the next one.

import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Store } from '../../../src/store/store.ts';
import type { Clock } from '../../../src/domain/ports.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { storeOptions } from '../../support/store.ts';
import { makeCast } from './cast.ts';
import type { Cast } from './rows.ts';

/** A clock that somebody moves. */
export type PassingClock = Clock & { advance: (ms: number) => Promise<void> };
/** `clock.now`: the one by which it goes. */
export type Copy = { folder: string; store: Store; clock: { now: Clock } };

export class Shelf {
  readonly #cast: Cast;
  readonly #folder = mkdtempSync(join(tmpdir(), 'lintel-cases-'));
  readonly #first = join(this.#folder, 'first');
  #free: Copy | null = null;
  #unused = '';
  #count = 0;

  constructor(cast: Cast) {
    this.#cast = cast;
  }

  async fill(): Promise<void> {
    mkdirSync(this.#first);
    await makeCast(this.#first, this.#cast);
    const copy = this.take(new ManualClock());
    this.#unused = this.#stateOf(copy);
    this.#free = copy;
  }

  take(clock: Clock): Copy {
    if (this.#free !== null) {
      const free = this.#free;
      this.#free = null;
      free.clock.now = clock;
      return free;
    }
    const folder = join(this.#folder, String(++this.#count));
    cpSync(this.#first, folder, { recursive: true });
    const copy = { folder, clock: { now: clock } };
    return { ...copy, store: this.open(copy) };
  }

  open({ folder, clock }: Pick<Copy, 'folder' | 'clock'>): Store {
    return new Store(storeOptions(folder, clockOf(clock)));
  }

  /** It serves again, or it is thrown away. */
  giveBack(copy: Copy): void {
    if (this.#stateOf(copy) === this.#unused && this.#free === null) {
      this.#free = copy;
      return;
    }
    copy.store.close();
    rmSync(copy.folder, { recursive: true, force: true, maxRetries: 20 });
  }

  end(): void {
    this.#free?.store.close();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20 });
  }

  /** Everything that is stored, but for the log of events, the journal of commands, and their numbers. */
  #stateOf({ store }: Copy): string {
    store.flush();
    const db = new Database(store.path, { readonly: true });
    const all = (table: string): unknown[] => db.prepare<[], Buffer>(`SELECT * FROM ${table}`).raw().all();
    const tables = db.prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").pluck().all(); // prettier-ignore
    const state = tables.filter((table) => !PASSING.includes(table)).map((table) => [table, all(table)]);
    const meta = db.prepare("SELECT * FROM meta WHERE key LIKE 'first_person %'").all();
    db.close();
    return createHash('sha256')
      .update(JSON.stringify([state, meta]))
      .digest('hex');
  }
}

const PASSING = ['events', 'journal', 'meta', 'sqlite_sequence'];

/** Goes by whichever clock is there now. */
const clockOf = (which: { now: Clock }): Clock => ({
  nowMs: () => which.now.nowMs(),
  monotonicMs: () => which.now.monotonicMs(),
  after: (delayMs, run) => which.now.after(delayMs, run),
  immediate: (run) => which.now.immediate(run),
});
