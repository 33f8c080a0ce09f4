// Codes at the doors where they are typed: each stands for one person at a time, and a length carries only so many that
// guessing stays hopeless. A code that nobody chose is generated so that it keeps all of these rules.

import { brokenConstraint } from '../domain/code-constraints.ts';
import { OperatingError, paramError, refuse, type ApiError } from '../domain/errors.ts';
import { codeCapacity, PIN_MAX_DIGITS, PIN_MIN_DIGITS, randomPin } from '../domain/pin.ts';
import type { Random } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import { keysOf, NOT_STORED, type Ground, type Standing, type Wanted } from './ground.ts';
import { refusalOfRecord } from './records.ts';

const PREFERRED_DIGITS = 6;
const GENERATING_TRIES = 200;

export function refusalOfCode(ground: Ground, wanted: Wanted): ApiError | null {
  const { code } = wanted;
  if (code === null) return null;
  if (wanted.followsUser) return refusalOfFollowing(ground, wanted, code);
  for (const pad of padsOf(ground.site, wanted.entrances)) {
    const error = refusalAt(ground, wanted, code, pad);
    if (error !== null) return error;
  }
  return null;
}

/**
 * A code that follows its user may be given any entrance at any time, and nobody looks through all codes then: so it is
 * nobody else's anywhere, and counts everywhere.
 */
function refusalOfFollowing(
  { store, site, policy }: Ground,
  { credentialKey, entrances, startsAtMs, endsAtMs }: Wanted,
  code: NonNullable<Wanted['code']>,
): ApiError | null {
  const other = store.reach.overlappingAnywhere(code.hash, startsAtMs, endsAtMs, credentialKey);
  if (other !== null)
    return paramError(
      'duplicate_access_code',
      'code',
      `credential ${other} has this code over an overlapping window, and one that follows its user has it alone in the whole facility`,
    );
  const digits = code.digits.length;
  const counts = padsOf(site, entrances).map((pad) => codesAt(store, pad, digits));
  const carried = Math.max(store.reach.followingCodes(digits), ...counts) + (credentialKey === NOT_STORED ? 1 : 0);
  if (policy.pinSpace !== 'enforce' || carried <= codeCapacity(digits)) return null;
  return paramError(
    'code_constraints_violated',
    'code',
    `${carried - 1} codes of ${digits} digits may be typed where this one may, as many as ${digits} digits may carry (1 in 1,000 guesses). Remedy: use more digits`,
  );
}

function refusalAt(
  { store, policy }: Ground,
  { credentialKey, startsAtMs, endsAtMs }: Wanted,
  code: NonNullable<Wanted['code']>,
  pad: Pad,
): ApiError | null {
  const { name } = pad;
  const other = overlapping(store, pad, { hash: code.hash, startsAtMs, endsAtMs, credentialKey });
  if (other !== null)
    return paramError(
      'duplicate_access_code',
      'code',
      `at ${name}, credential ${other} has this code over an overlapping window`,
    );
  const digits = code.digits.length;
  const carried = codesAt(store, pad, digits) + (credentialKey === NOT_STORED ? 1 : 0);
  if (policy.pinSpace !== 'enforce' || carried <= codeCapacity(digits)) return null;
  return paramError(
    'code_constraints_violated',
    'code',
    `${name} has ${carried - 1} codes of ${digits} digits, as many as ${digits} digits may carry (1 in 1,000 guesses). Remedy: use more digits`,
  );
}

/** Where a code is typed, and tried: at a door, or at all floors of a lift at once. */
type Pad = { name: string; entranceKeys: readonly number[] };

function padsOf(site: Site, entrances: readonly SiteEntrance[]): Pad[] {
  const pads = new Map<string, Pad>();
  for (const { name, entranceKey, lift } of entrances) {
    const pad = lift === null ? `entrance ${name}` : `lift ${lift.name}`;
    if (pads.has(pad)) continue;
    const keys = lift === null ? [entranceKey] : keysOf(site.floorsOf(lift.name));
    pads.set(pad, { name: lift === null ? name : pad, entranceKeys: keys });
  }
  return [...pads.values()];
}

type Held = Pick<Wanted, 'startsAtMs' | 'endsAtMs' | 'credentialKey'> & { hash: Buffer };

/** Who has this code there over an overlapping window. */
function overlapping(
  { reach }: Standing,
  { entranceKeys }: Pad,
  { hash, startsAtMs, endsAtMs, credentialKey }: Held,
): string | null {
  for (const key of entranceKeys) {
    const other = reach.overlappingCode(hash, key, startsAtMs, endsAtMs, credentialKey);
    if (other !== null) return other;
  }
  return null;
}

const codesAt = ({ reach }: Standing, { entranceKeys: [first, ...others] }: Pad, digits: number): number =>
  first === undefined
    ? 0
    : others.length === 0
      ? reach.codesAt(first, digits)
      : reach.codesAtAny([first, ...others], digits);

/**
 * A code that fits every door and controller concerned: of the preferred length where it can be, else the shortest that
 * does. `wanted` is everything but the code.
 */
export function generateCode(ground: Ground, random: Random, wanted: Omit<Wanted, 'card' | 'code'>): string {
  const lengths = isLengthRoomy(ground, wanted, PREFERRED_DIGITS)
    ? [PREFERRED_DIGITS]
    : ALL_LENGTHS.filter((digits) => isLengthRoomy(ground, wanted, digits));
  for (const digits of lengths) {
    for (let i = 0; i < GENERATING_TRIES; i++) {
      const code = randomPin(random, digits);
      if (isFree(ground, wanted, code) && canBeHeld(ground, wanted, code)) return code;
    }
  }
  throw new OperatingError(
    'code_constraints_violated',
    'no free code fits all entrances: no length is allowed, and roomy enough, at every one of them',
    ['params', 'allowed_acs_entrance_ids'],
  );
}

const ALL_LENGTHS = Array.from({ length: PIN_MAX_DIGITS - PIN_MIN_DIGITS + 1 }, (_, i) => PIN_MIN_DIGITS + i);

function isLengthRoomy(
  { store, site, policy }: Ground,
  { entrances, followsUser }: Pick<Wanted, 'entrances' | 'followsUser'>,
  digits: number,
): boolean {
  if (followsUser && policy.pinSpace !== 'warn' && store.reach.followingCodes(digits) >= codeCapacity(digits))
    return false;
  const isHeld = entrances.every(({ controller }) => {
    const lengths = controller === null ? null : site.slotController(controller)?.slots.pin?.lengths;
    return lengths == null || lengths.includes(digits);
  });
  const isRoomAt = (pad: Pad): boolean => codesAt(store, pad, digits) < codeCapacity(digits);
  return isHeld && (policy.pinSpace === 'warn' || padsOf(site, entrances).every(isRoomAt));
}

function isFree({ store, site }: Ground, wanted: Omit<Wanted, 'card' | 'code'>, code: string): boolean {
  const { entrances, startsAtMs, endsAtMs, credentialKey } = wanted;
  const hash = store.secrets.codeHash(code);
  if (wanted.followsUser) return store.reach.overlappingAnywhere(hash, startsAtMs, endsAtMs, credentialKey) === null;
  const held = { hash, startsAtMs, endsAtMs, credentialKey };
  return padsOf(site, entrances).every((pad) => overlapping(store, pad, held) === null);
}

function canBeHeld(ground: Ground, wanted: Omit<Wanted, 'card' | 'code'>, digits: string): boolean {
  const controllers = [...ground.site.controllersOf(keysOf(wanted.entrances)).keys()];
  const constraints = controllers.flatMap((name) => ground.site.slotController(name)?.slots.pin?.constraints ?? []);
  if (brokenConstraint(digits, constraints) !== null) return false;
  const error = refusalOfRecord(ground, { ...wanted, card: null, code: { digits } });
  // What is not a matter of the code is none of the next one either.
  if (error !== null && error.path?.at(-1) !== 'code') refuse(error);
  return error === null;
}
