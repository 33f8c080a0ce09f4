// One way by which a credential opens an entrance. What holds for the way alone stands here; what holds for the
// credential and its user holds beside it. Within one path everything must hold, and one open path is enough: so adding
// a path never closes a door.

import type { Window } from './window.ts';

/**
 * By what: the list of entrances that the credential has itself; a group that its user is in; what was granted to its
 * user.
 */
export type PathKind = 'own_list' | 'access_group' | 'grant';

export type Path = {
  kind: PathKind;
  /** What it is called by; null: it is the credential's own, or that of its user. */
  id: string | null;
  /** What people call it; null: nothing. */
  name: string | null;
  window: Window;
  schedule: PathSchedule | null;
};

/** `content`: the text of domain/schedule.ts. */
export type PathSchedule = { scheduleKey: number; scheduleId: string; name: string; content: string };

export const AT_ALL_TIMES = { window: { startsAtMs: null, endsAtMs: null }, schedule: null } as const;
