// What there is to measure, handed in by whoever serves the doors.

import type { Fields } from '../domain/fields.ts';

export type Measures = {
  /** As `lintel status` shows it; empty while the agent starts. */
  status: Fields;
  /** As under `state/entrances/…`. */
  entrances: readonly Fields[];
  /** As under `state/areas/…`. */
  areas: readonly Fields[];
  /** As under `state/sync`; null: the database is refused. */
  sync: Fields | null;
};

/** Events by type behind a number, as far as it was looked. */
export type EventCounts = { upTo: number; counts: ReadonlyMap<string, number> };

export type Measured = {
  read(): Measures;
  /** At most a bounded number of them at a time. */
  eventsSince(sequence: number): EventCounts;
  /** The newest event there is. */
  lastSequence(): number;
};
