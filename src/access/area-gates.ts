// The last of the ladder: what holds for whoever goes from one area into another, and for doors that are not open
// together. An evacuation, and a door that stands free, ask none of it.

import type { AreaSetup } from '../domain/areas.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Companion, Ground, Passage, Standing, Violation } from './crossing.ts';
import type { Way } from './gates.ts';
import type { HeldBy } from './interlocks.ts';
import type { Effect, Gate } from './ladder.ts';

/** A way through, of a card or code that nothing else keeps out. `isCodeNext`: its code, or finger, is still to come. */
export type Crossing = Way & { ground: Ground; isCodeNext: boolean };

export const AREA_GATES: readonly Gate<Crossing>[] = [
  {
    step: 'anti_passback',
    concerns: (crossing) => isAsked(crossing) && guarded(crossing).length > 0,
    denies: (crossing) => (againIn(crossing).some(({ isDenied }) => isDenied) ? 'anti_passback' : null),
    says: passbackSays,
    effect: (crossing): Effect | null => passageOf(crossing),
  },
  {
    step: 'area_limit',
    concerns: (crossing) => isAsked(crossing) && limited(crossing).length > 0,
    denies: (crossing) => (fullFor(crossing) === null ? null : 'area_full'),
    says: (crossing) => {
      const full = fullFor(crossing);
      const { ground, credential } = crossing;
      const told = full === null ? limited(crossing) : [full];
      return told
        .map((area) => `${area.displayName}: ${ground.taken(area, peopleOf(credential, ground))} of ${area.limit ?? 0} places are taken by others`)
        .join('; '); // prettier-ignore
    },
  },
  {
    step: 'interlock',
    concerns: ({ mode, ground }) => mode !== 'evacuate' && ground.heldBy !== null,
    denies: ({ ground }) => (ground.heldBy?.by === null ? null : 'interlocked'),
    says: ({ ground }) => interlockSays(ground.heldBy),
  },
  {
    step: 'two_persons',
    concerns: (crossing) =>
      isAsked(crossing) && !crossing.isCodeNext && !crossing.ground.isForCompanion && paired(crossing) !== null,
    denies: (crossing) => (companionOf(crossing) === null ? 'second_person_required' : null),
    says: (crossing, detail) =>
      detail === null
        ? `a second person was shown within ${seconds(paired(crossing)?.twoPersonsMs)} s`
        : `two different people must be shown within ${seconds(paired(crossing)?.twoPersonsMs)} s`,
  },
];

/** A door that stands free keeps nobody out; whoever is shown there all the same is counted. */
const isAsked = ({ mode }: Crossing): boolean => mode !== 'evacuate' && mode !== 'unlocked';
const seconds = (ms: number | null | undefined): number => Math.round((ms ?? 0) / 1000);
const userOf = (credential: CredentialWithUser): string => credential.acs_user_id ?? '';

// ---- anti-passback --------------------------------------------------------------------------------------------------

/** By a group that opens this door. */
const isExemptFrom = ({ exemptGroups }: AreaSetup, { path }: Crossing): boolean =>
  path.kind === 'access_group' && path.id !== null && exemptGroups.includes(path.id);

const guarded = (crossing: Crossing): AreaSetup[] =>
  crossing.ground.into.filter((area) => area.antiPassback !== null && !isExemptFrom(area, crossing));

/** Areas that are entered by somebody who is inside already, as far as is known. */
function againIn(crossing: Crossing): { standing: Standing; isDenied: boolean }[] {
  return guarded(crossing).flatMap((area) => {
    const standing = crossing.ground.stand(area, userOf(crossing.credential));
    const { state, isOnTheWay, sinceMs } = standing;
    const isInside = state === 'inside' || state === 'unsure';
    const rule = area.antiPassback;
    const isForgotten = rule?.kind === 'timed' && isInside && !isOnTheWay && sinceMs >= rule.forgetAfterMs;
    if ((!isInside && !isOnTheWay) || isForgotten) return [];
    const isCertain = state === 'inside' || isOnTheWay;
    return [{ standing, isDenied: rule?.kind !== 'soft' && isCertain }];
  });
}

function passbackSays(crossing: Crossing): string {
  const again = againIn(crossing);
  if (again.length === 0)
    return `is not inside ${guarded(crossing).map(({ displayName }) => displayName).join(', ')}, or long enough since`; // prettier-ignore
  return again
    .map(({ standing: { area, isOnTheWay, state, sinceMs }, isDenied }) => {
      const where = isOnTheWay
        ? `was let into ${area.displayName} at another door a moment ago`
        : `entered ${area.displayName} ${seconds(sinceMs)} s ago and has not been seen to leave`;
      const unless = state === 'unsure' && !isOnTheWay ? ', though a way out was open or dark since' : '';
      return `${where}${unless}${isDenied ? '' : ': let in, and told'}`;
    })
    .join('; ');
}

/** What is told though somebody is let through. */
function violationsOf(crossing: Crossing): Violation[] {
  if (!isAsked(crossing)) return [];
  const { ground, credential } = crossing;
  const acsUserId = userOf(credential);
  const into = againIn(crossing).map(({ standing: { area, state } }): Violation => ({
    area,
    acsUserId,
    direction: 'in',
    wasUnsure: state === 'unsure',
  }));
  const out = ground.outOf
    .filter((area) => area.antiPassback !== null && !isExemptFrom(area, crossing))
    .filter((area) => ground.stand(area, acsUserId).state === 'outside');
  return [...into, ...out.map((area): Violation => ({ area, acsUserId, direction: 'out', wasUnsure: false }))];
}

// ---- limit, two persons ---------------------------------------------------------------------------------------------

const limited = (crossing: Crossing): AreaSetup[] =>
  crossing.ground.into.filter((area) => area.limit !== null && !isExemptFrom(area, crossing));

/** Whoever goes through together. */
const peopleOf = (credential: CredentialWithUser, { companion }: Ground): string[] => [
  ...new Set([userOf(credential), ...(companion === null ? [] : [companion.acsUserId])]),
];

function fullFor(crossing: Crossing): AreaSetup | null {
  const { ground, credential } = crossing;
  const people = peopleOf(credential, ground);
  return limited(crossing).find((area) => ground.taken(area, people) + people.length > (area.limit ?? 0)) ?? null;
}

/** The area that wants two, in the shortest time. */
function paired({ ground }: Crossing): AreaSetup | null {
  const wanting = ground.into.filter(({ twoPersonsMs }) => twoPersonsMs !== null);
  return wanting.sort((a, b) => (a.twoPersonsMs ?? 0) - (b.twoPersonsMs ?? 0))[0] ?? null;
}

/** Somebody else. */
function companionOf({ credential, ground: { companion } }: Crossing): Companion | null {
  return companion === null || companion.acsUserId === userOf(credential) ? null : companion;
}

function interlockSays(held: HeldBy | null): string {
  if (held === null || held.by === null) return `no other door of ${held?.interlock ?? ''} is open or unlocked`;
  const how = { open: 'is open', unlocked: 'is unlocked', unseen: 'cannot be seen: its contact does not answer' };
  return `${held.by} ${how[held.how]}, and of ${held.interlock} at most one door may be`;
}

/** The next decision is wrong when somebody's entry is not known. */
const isStrict = ({ antiPassback, limit }: AreaSetup): boolean =>
  limit !== null || (antiPassback !== null && antiPassback.kind !== 'soft');

// ---- who goes through -----------------------------------------------------------------------------------------------

function passageOf(crossing: Crossing): Effect | null {
  const { ground, credential, entrance } = crossing;
  const areas = [...ground.into, ...ground.outOf];
  if (areas.length === 0 || ground.isForCompanion) return null;
  const companion = isAsked(crossing) && paired(crossing) !== null ? companionOf(crossing) : null;
  const passage: Passage = {
    acsEntranceId: entrance.acsEntranceId,
    reader: ground.reader,
    acsUserIds: peopleOf(credential, { ...ground, companion }),
    companion,
    violations: violationsOf(crossing),
    // A disk that fails keeps nobody inside.
    mustHold: ground.outOf.length === 0 && ground.into.some(isStrict),
  };
  return { kind: 'passage', passage };
}

/** Areas that a denied person would have entered again. */
export const passbackOf = (ground: Ground, acsUserId: string): AreaSetup[] =>
  ground.into.filter((area) => {
    if (area.antiPassback === null || area.antiPassback.kind === 'soft') return false;
    const { state, isOnTheWay } = ground.stand(area, acsUserId);
    return state === 'inside' || isOnTheWay;
  });
