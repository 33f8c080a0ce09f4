// Doors of a controller that a credential does not open though it may: its slot there names one schedule, and what is
// taken away later can leave ways that have none in common. Nobody is refused for that; whoever looks at the credential
// is told, for the controller cannot say it.

import { doorsUnheld } from '../acceptance/controllers.ts';
import type { CredentialRow } from '../store/credentials.ts';
import { entrancesAt } from './found.ts';
import type { Room } from './room.ts';

type Found = { warning_code: string; message: string; controller: string; acs_entrance_ids: string[] };

export function leftOut(
  { site, store, clock }: Pick<Room, 'site' | 'store' | 'clock'>,
  row: Pick<CredentialRow, 'credential_key' | 'user_key' | 'has_own_entrances' | 'schedule_key'>,
): Found[] {
  // One that names its doors itself has one schedule for all of them.
  if (row.has_own_entrances === 1 || row.user_key === null) return [];
  const doors = entrancesAt({ site }, store.reach.entrancesOfUser(row.user_key)).filter(
    ({ decidedBy }) => decidedBy === 'controller',
  );
  const controllers = new Set(doors.flatMap(({ controller }) => controller ?? []));
  const shared = [...controllers].filter((name) => doors.filter(({ controller }) => controller === name).length > 1);
  const credential = shared.length === 0 ? undefined : store.credentials.withUser(row.credential_key);
  if (credential === undefined) return [];
  const paths = store.reach
    .pathsOf(credential)
    .filter(({ path }) => (path.window.endsAtMs ?? Infinity) > clock.nowMs())
    .map(({ entranceKey, path }) => ({ entranceKey, ...path.window, scheduleKey: path.schedule?.scheduleKey ?? null })); // prettier-ignore
  return shared.flatMap((controller) => {
    const there = doors.filter((door) => door.controller === controller && paths.some((path) => path.entranceKey === door.entranceKey)); // prettier-ignore
    const unheld = entrancesAt({ site }, doorsUnheld(there, paths, row.schedule_key));
    if (unheld.length === 0) return [];
    const names = unheld.map(({ displayName }) => displayName).join(', ');
    return [
      {
        warning_code: 'schedules_differ',
        message: `${controller} keeps one schedule for it, and ${names} cannot be opened by that of its other doors there: it opens nothing there. Remedy: the same schedule at its groups and grants, or another way to ${names}.`,
        controller,
        acs_entrance_ids: unheld.map(({ acsEntranceId }) => acsEntranceId),
      },
    ];
  });
}
