// What a door says of itself while nobody above is heard: who is not let in any more, and who will not be, from when on.

import type { Policy } from '../domain/facility.ts';
import { CREDENTIAL_CLASSES, graceOf, type CredentialClass, type OfflineRules } from '../domain/offline.ts';

const WHO: Readonly<Record<CredentialClass, string>> = {
  staff: 'staff',
  visitor: 'visitors',
  one_time: 'credentials for one entry',
};
const MINUTE_MS = 60_000;

/** Null: there is nothing to say. */
export function unheardSays(
  entrance: OfflineRules,
  policy: Pick<Policy, 'offline' | 'offlineWarnMs'>,
  forMs: number | null,
  nowMs: number,
): string | null {
  if (forMs === null) return null;
  const said = CREDENTIAL_CLASSES.flatMap((of) => {
    const graceMs = graceOf(of, entrance, policy.offline);
    if (graceMs === null || forMs < graceMs - policy.offlineWarnMs) return [];
    if (forMs > graceMs) return [`${WHO[of]} are not let in`];
    // To the minute, so that it says the same as long as nothing changes.
    const endsMs = Math.floor((nowMs + graceMs - forMs) / MINUTE_MS) * MINUTE_MS;
    return [`${WHO[of]} are not let in from ${new Date(endsMs).toISOString()} on`];
  });
  return said.length === 0 ? null : `Nobody above is heard: ${said.join('; ')}.`;
}
