// What one presentation comes to at all the places that its reader opens: a door has one, the reader in the cabin of a
// lift as many as there are floors. Each is decided about by itself; who it is, and what it costs, is one.

import type { Judgement } from './judging.ts';
import type { Granted } from './acting.ts';
import { distanceOf } from './details.ts';
import type { Door } from './door.ts';

export type Verdict = { door: Door; judged: Judgement };
export type Open = { door: Door; judged: Granted };

export const openOf = (verdicts: readonly Verdict[]): Open[] =>
  verdicts.flatMap(({ door, judged }) => (judged.detail === null ? [{ door, judged }] : []));

/** What would open for somebody else stays shut: one person was shown. */
export function ofOnePerson(verdicts: readonly Verdict[]): Verdict[] {
  const [first] = openOf(verdicts);
  if (first === undefined) return [...verdicts];
  const whose = first.judged.credential.user_key;
  return verdicts.map(({ door, judged }) =>
    judged.detail === null && judged.credential.user_key !== whose
      ? { door, judged: { ...judged, detail: 'other_user', effects: [] } }
      : { door, judged },
  );
}

/** The one that is told of: what is open, else what came nearest to it. */
export function nearestOf(verdicts: readonly Verdict[]): Verdict | undefined {
  const far = ({ judged }: Verdict): number => (judged.detail === null ? -Infinity : distanceOf(judged.detail));
  return [...verdicts].sort((a, b) => far(a) - far(b))[0];
}

/** Those that stay shut, by why. */
export function shutOf(verdicts: readonly Verdict[]): { detail: string; acs_entrance_ids: string[] }[] {
  const byDetail = new Map<string, string[]>();
  for (const { door, judged } of verdicts) {
    if (judged.detail === null) continue;
    const ids = byDetail.get(judged.detail) ?? [];
    ids.push(door.entrance.acsEntranceId);
    byDetail.set(judged.detail, ids);
  }
  return [...byDetail].map(([detail, acs_entrance_ids]) => ({ detail, acs_entrance_ids }));
}
