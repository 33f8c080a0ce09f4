// The entrance as callers see it: Seam's fields and ours.

import type { SiteEntrance } from '../domain/site.ts';
import type { Room } from './room.ts';

/** Also the retained state of the entrance. */
export function entranceObject(
  room: Pick<Room, 'doors' | 'acsSystemId'>,
  entrance: SiteEntrance,
): Record<string, unknown> {
  const state = room.doors.state(entrance);
  return {
    acs_entrance_id: entrance.acsEntranceId,
    acs_system_id: room.acsSystemId,
    name: entrance.name,
    display_name: entrance.displayName,
    decided_by: entrance.decidedBy,
    can_unlock_with_card: entrance.factors !== 'code',
    can_unlock_with_code: entrance.factors !== 'card',
    can_unlock_with_mobile_key: false,
    can_unlock_with_cloud_key: entrance.strike !== null,
    mode: state.mode,
    is_locked: state.isLocked,
    is_open: state.isOpen,
    held: state.isHeld,
    forced: state.isForced,
    online: state.isOnline,
    errors: [],
    warnings: [],
  };
}
