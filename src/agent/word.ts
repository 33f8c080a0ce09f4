// The word from above, put together: the limits of the facility file, and where what is spent of them is kept.

import { WordFromAbove, type Limit, type WordOptions } from '../access/word-from-above.ts';
import type { Facility } from '../domain/facility.ts';
import { CREDENTIAL_CLASSES, graceOf } from '../domain/offline.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';

const SPENT = 'offline_spent';
const LAST = 'offline_last_word';

type Ports = Pick<WordOptions, 'clock' | 'log' | 'time' | 'record' | 'onChange'> & {
  facility: Facility;
  store: Store | null;
};

export function wordFromAbove({ facility, store, ...ports }: Ports): WordFromAbove {
  const { policy, acsSystemId } = facility;
  return new WordFromAbove({
    ...ports,
    acsSystemId,
    word: policy.word,
    limits: limitsOf(facility),
    warnMs: policy.offlineWarnMs,
    store: {
      load: () => loaded(store),
      save: (spentMs, lastMs) => {
        // Together with whatever is committed next: a process that is killed before has spent no more than a moment.
        store?.group(() => {
          store.meta.set(SPENT, spentMs);
          if (lastMs !== null) store.meta.set(LAST, lastMs);
        });
      },
    },
  });
}

/** What doors start with: damage there is found elsewhere. */
function loaded(store: Store | null): { spentMs: number; lastMs: number | null } {
  try {
    return { spentMs: store?.meta.number(SPENT) ?? 0, lastMs: store?.meta.number(LAST) ?? null };
  } catch (error) {
    if (!isStorageError(error)) throw error;
    return { spentMs: 0, lastMs: null };
  }
}

/** Each limit once, with the entrances where it holds; a controller that decides by itself knows none. */
function limitsOf({ policy, entrances }: Facility): Limit[] {
  const ours = entrances.filter(({ decidedBy }) => decidedBy === 'gateway');
  return CREDENTIAL_CLASSES.flatMap((credentialClass) => {
    const byGrace = new Map<number, string[]>();
    for (const { offline, acsEntranceId } of ours) {
      const graceMs = graceOf(credentialClass, offline, policy.offline);
      if (graceMs !== null) byGrace.set(graceMs, [...(byGrace.get(graceMs) ?? []), acsEntranceId]);
    }
    return [...byGrace].map(([graceMs, ids]) => ({
      credentialClass,
      graceMs,
      acsEntranceIds: ids.length === ours.length ? null : ids,
    }));
  });
}
