// What is remembered of each controller that holds credentials: who it said it was, when it was last compared as a
// whole, how far its events are stored.

import type { Db } from './db.ts';

export type ControllerRow = {
  controller: string;
  identity: string | null;
  /** Digest of what the facility file says of its doors and table; another one means that every row is judged anew. */
  setup: string | null;
  /** When a full comparison last ended; null: never, and until then nothing is written to it. */
  compared_at: number | null;
  compared: number | null;
  differing: number | null;
  is_comparison_due: 0 | 1;
  event_cursor: string | null;
  is_cursor_acknowledged: 0 | 1;
};

export class ControllerTable {
  readonly #get;
  readonly #put;
  readonly #distrust;

  constructor(db: Db) {
    this.#get = db.prepare<[string], ControllerRow>('SELECT * FROM controllers WHERE controller = ?');
    this.#put = db.prepare<[ControllerRow]>(
      `INSERT OR REPLACE INTO controllers VALUES (:controller, :identity, :setup, :compared_at, :compared, :differing, :is_comparison_due, :event_cursor,
         :is_cursor_acknowledged)`,
    );
    this.#distrust = db.prepare('UPDATE controllers SET compared_at = NULL');
  }

  get(controller: string): ControllerRow {
    return (
      this.#get.get(controller) ?? {
        controller,
        identity: null,
        setup: null,
        compared_at: null,
        compared: null,
        differing: null,
        is_comparison_due: 0,
        event_cursor: null,
        is_cursor_acknowledged: 1,
      }
    );
  }

  /** Inside a transaction: what is remembered is old. Nothing is written to any before it was compared anew. */
  distrust(): void {
    this.#distrust.run();
  }

  /** Changes some of what is remembered. Inside a transaction. */
  change(controller: string, change: Partial<Omit<ControllerRow, 'controller'>>): void {
    this.#put.run({ ...this.get(controller), ...change });
  }
}
