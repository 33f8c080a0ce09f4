// The entrance as callers see it: Seam's fields and ours.

import { takesCodes } from '../domain/factors.ts';
import { iso } from '../domain/iso.ts';
import { MODE_KINDS, type ModeSource } from '../domain/modes.ts';
import { PIN_MAX_DIGITS, PIN_MIN_DIGITS } from '../domain/pin.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { Room, Standing } from './room.ts';
import type { AcsEntrance } from './contract/results.ts';

/** Also the retained state of the entrance. */
export function entranceObject(
  room: Pick<Room, 'doors' | 'acsSystemId' | 'site'>,
  entrance: SiteEntrance,
): AcsEntrance {
  const state = room.doors.state(entrance);
  return {
    acs_entrance_id: entrance.acsEntranceId,
    acs_system_id: room.acsSystemId,
    name: entrance.name,
    display_name: entrance.displayName,
    decided_by: entrance.decidedBy,
    lift: entrance.lift?.name ?? null,
    factors: state.factors,
    can_unlock_with_card: entrance.factors !== 'code',
    can_unlock_with_code: takesCodes(entrance.factors),
    can_unlock_with_mobile_key: entrance.takesMobileKeys,
    can_unlock_with_cloud_key: entrance.strike !== null,
    ...codeRules(room, entrance),
    ...modeOf(state.mode),
    is_locked: state.isLocked,
    is_open: state.isOpen,
    held: state.isHeld,
    forced: state.isForced,
    online: state.isOnline,
    errors: [],
    warnings: [
      ...(state.lockProblem === null
        ? []
        : [{ warning_code: 'lock_not_as_kept', message: `A lock is not as it should be kept: ${state.lockProblem}` }]),
      ...(state.offlineProblem === null ? [] : [{ warning_code: 'offline_policy', message: state.offlineProblem }]),
    ],
  };
}

type ModeObject = Pick<AcsEntrance, 'mode' | 'mode_source' | 'mode_until' | 'mode_sources'>;

function modeOf({ mode, source, others }: Standing): ModeObject {
  const all = source === null ? [] : [source, ...others];
  const weight = ({ kind }: ModeSource): number => MODE_KINDS.indexOf(kind);
  return {
    mode,
    mode_source: source?.kind ?? null,
    mode_until: iso(source?.untilMs ?? null),
    mode_sources: [...all]
      .sort((a, b) => weight(a) - weight(b))
      .map(({ mode: wanted, kind, origin, untilMs }) => ({ mode: wanted, source: kind, origin, until: iso(untilMs) })),
  };
}

type CodeRules = Pick<AcsEntrance, 'supported_code_lengths' | 'code_constraints'>;

/** What a code must be here, by Seam's names: by the controller that decides, else by the gateway. */
function codeRules({ site }: Pick<Room, 'site'>, { factors, controller }: SiteEntrance): CodeRules {
  if (!takesCodes(factors)) return { supported_code_lengths: [], code_constraints: [] };
  const slots = controller === null ? undefined : site.slotController(controller)?.slots;
  const all = Array.from({ length: PIN_MAX_DIGITS - PIN_MIN_DIGITS + 1 }, (_, i) => PIN_MIN_DIGITS + i);
  const lengths = slots === undefined ? all : (slots.pin?.lengths ?? []).filter((length) => all.includes(length));
  const constraints = slots?.pin?.constraints ?? [];
  return {
    supported_code_lengths: lengths,
    code_constraints: constraints.map((name) => ({ constraint_type: name })),
  };
}
