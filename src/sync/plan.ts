// The plan for one controller as a pure function: from what the due rows should hold and what is known of their slots
// to steps in their order. It sees the due rows and the lowest free slots only, never the table: a change among a
// hundred thousand credentials costs what it costs among a thousand.

export type PlanRow = {
  targetKey: number;
  wants: 'nothing' | 'content';
  /** The slot owned. */
  slot: number | null;
  /** What the slot holds is not known: a write or an erasure was begun and nobody has read it since. */
  isDoubtful: boolean;
  /** The content wanted is what was written last. */
  isWritten: boolean;
  urgentAtMs: number;
};

export type Step = {
  targetKey: number;
  action: 'erase' | 'write' | 'nothing' | 'no_space';
  /** Null only where there is none. */
  slot: number | null;
  /** The slot is read before anything is sent: it may hold the right thing already, or somebody else's. */
  readFirst: boolean;
};

export type PlanSituation = {
  rows: readonly PlanRow[];
  /**
   * The lowest free slots, neither used nor foreign, in ascending order; as many as there are rows, or fewer when the
   * table is full.
   */
  freeSlots: readonly number[];
  canRead: boolean;
  /** Free slots were seen empty so lately that they need not be read again. */
  isEmptinessFresh: boolean;
};

/** Erasures, then what replaces a content (which may take something away), then the most urgent starts. */
export function plan({ rows, freeSlots, canRead, isEmptinessFresh }: PlanSituation): Step[] {
  const ordered = [...rows].sort(
    (a, b) => rank(a) - rank(b) || a.urgentAtMs - b.urgentAtMs || a.targetKey - b.targetKey,
  );
  let taken = 0;
  return ordered.map((row): Step => {
    const { targetKey } = row;
    if (row.wants === 'nothing') {
      return row.slot === null
        ? { targetKey, action: 'nothing', slot: null, readFirst: false }
        : { targetKey, action: 'erase', slot: row.slot, readFirst: row.isDoubtful && canRead };
    }
    if (row.slot !== null) {
      const isDone = row.isWritten && !row.isDoubtful;
      return { targetKey, action: isDone ? 'nothing' : 'write', slot: row.slot, readFirst: row.isDoubtful && canRead };
    }
    const slot = freeSlots[taken];
    if (slot === undefined) return { targetKey, action: 'no_space', slot: null, readFirst: false };
    taken += 1;
    return { targetKey, action: 'write', slot, readFirst: canRead && !isEmptinessFresh };
  });
}

const rank = (row: PlanRow): number => (row.wants === 'nothing' ? 0 : row.slot !== null ? 1 : 2);
