// What must be true, said as plainly as it can be: who has which card or code, and whether it opens a door at an
// instant. Where a command is still under way, or nobody can know, it says `unsure`, and then both are right.

import type { EntranceName } from './facility.ts';

export type Holding = {
  id: string;
  person: string;
  kind: 'card' | 'code';
  /** Its number or digits. */
  secret: string;
  /** Null: it follows its person's groups. */
  entrances: readonly EntranceName[] | null;
  startsAtMs: number | null;
  endsAtMs: number | null;
  isOneTime: boolean;
  isUsed: boolean | 'unsure';
};

export type Answer = 'yes' | 'no' | 'unsure';

/** Decisions so near to the edge of a window are not asked about. */
const EDGE_MS = 200;

export class Model {
  readonly holdings = new Map<string, Holding>();
  readonly suspended = new Set<string>();
  readonly members = new Map<string, Set<string>>();
  readonly groups: ReadonlyMap<string, readonly EntranceName[]>;
  isLockdown = false;
  /** Whether it outlives a restart, and whether it is known after one. */
  isModeKept = true;
  isModeCertain = true;
  /** Who is in the lab, as far as is certain; who is not named is outside for certain. */
  readonly inLab = new Map<string, 'in' | 'unsure'>();
  readonly pending = new Map<string, { name: string; touches: readonly string[]; done: () => void }>();

  constructor(groups: ReadonlyMap<string, readonly EntranceName[]>) {
    this.groups = groups;
    for (const name of groups.keys()) this.members.set(name, new Set());
  }

  isTouched(...what: readonly string[]): boolean {
    return [...this.pending.values()].some(({ touches }) => touches.some((one) => what.includes(one)));
  }

  /** Whoever is inside may have left unseen. */
  loseSight(): void {
    for (const person of this.inLab.keys()) this.inLab.set(person, 'unsure');
  }

  reaches({ person, entrances }: Holding, entrance: EntranceName): boolean {
    if (entrances !== null) return entrances.includes(entrance);
    return [...this.groups].some(
      ([name, doors]) => doors.includes(entrance) && this.members.get(name)?.has(person) === true,
    );
  }

  /** Of its own and its person's, whatever the mode and the area. */
  isValid(holding: Holding, entrance: EntranceName, nowMs: number): Answer {
    const { person, startsAtMs, endsAtMs } = holding;
    if (!this.reaches(holding, entrance) || this.suspended.has(person)) return 'no';
    if (holding.isUsed !== false) return holding.isUsed === true ? 'no' : 'unsure';
    for (const edge of [startsAtMs, endsAtMs]) if (edge !== null && Math.abs(nowMs - edge) < EDGE_MS) return 'unsure';
    if (startsAtMs !== null && nowMs < startsAtMs) return 'no';
    return endsAtMs !== null && nowMs >= endsAtMs ? 'no' : 'yes';
  }

  /** What touches it while a command is under way. */
  isMoving({ id, person, entrances }: Holding): boolean {
    return this.isTouched(id, person, ...(entrances === null ? [`groups of ${person}`] : []));
  }

  opens(holding: Holding, entrance: EntranceName, isExit: boolean, nowMs: number): Answer {
    if (!this.holdings.has(holding.id) && !this.isTouched(holding.id)) return 'no';
    if (this.isMoving(holding) || (!isExit && (this.isTouched('mode') || !this.isModeCertain))) return 'unsure';
    const valid = this.isValid(holding, entrance, nowMs);
    if (valid !== 'yes') return valid;
    if (!isExit && this.isLockdown) return 'no';
    if (entrance !== 'lab' || isExit) return 'yes';
    const where = this.inLab.get(holding.person);
    return where === undefined ? 'yes' : where === 'in' ? 'no' : 'unsure';
  }
}
