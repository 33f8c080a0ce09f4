// A path with the rows that it goes over. Each is sealed: one that does not fit was written behind our back, and the
// path is none.

import type { Path, PathSchedule } from '../domain/path.ts';
import type { LIST, SealedTable, SealedValue } from './seal.ts';

/** `id`: whose row it is, for whoever is told. `isShared`: many paths go over it, and it is not looked at each time. */
export type Link = {
  table: SealedTable | typeof LIST;
  id: string;
  values: readonly SealedValue[];
  seal: Buffer | null;
  isShared?: true;
};
export type StoredPath = Path & { links: readonly Link[] };
export type PathTo = { entranceKey: number; path: StoredPath };

/** One kind of path of a user, whatever credential without a list shows it. */
export type UserPaths = {
  at(userKey: number, entranceKey: number): StoredPath[];
  /** In the order of the entrances. */
  of(userKey: number): PathTo[];
  /** Each once. */
  entrancesOf(userKey: number): number[];
};

/** The schedule of a row, as it was joined; null where it names none, or one that is not there. */
export type JoinedSchedule = {
  schedule_key: number | null;
  schedule_id: string | null;
  schedule_name: string | null;
  schedule: string | null;
  schedule_seal: Buffer | null;
};

/** A schedule that vanished would leave the path open at all times: then it is none. */
export function scheduleOfPath(
  row: JoinedSchedule,
  holder: Pick<Link, 'table' | 'id'>,
): { schedule: PathSchedule | null; link: Link[] } {
  const { schedule_key: key, schedule_id: scheduleId, schedule_name: name, schedule: content, schedule_seal } = row;
  if (key === null) return { schedule: null, link: [] };
  if (scheduleId === null || content === null) return { schedule: null, link: [{ ...holder, values: [], seal: null }] };
  const values = [key, scheduleId, content];
  return {
    schedule: { scheduleKey: key, scheduleId, name: name ?? '', content },
    link: [{ table: 'schedules', id: scheduleId, values, seal: schedule_seal, isShared: true }],
  };
}
