// Whether a controller that decides for itself can keep a weekly schedule: asked of whoever follows one, and when one
// is changed.

import { paramError, type ApiError } from '../domain/errors.ts';
import type { Schedule } from '../domain/schedule.ts';
import type { SlotController } from '../domain/site.ts';
import { hasRangesOfItsOwn, zonesNeeded } from '../store/schedule-fit.ts';
import type { Standing } from './ground.ts';

/** Why the controller could not keep this schedule; null when it can. `param` is what a message points at. */
export function refusalOfSchedule(
  store: Pick<Standing, 'zones'>,
  { name, slots }: SlotController,
  schedule: Schedule,
  scheduleKey: number,
  param: string,
): ApiError | null {
  if (slots.schedules == null) {
    return paramError(
      'not_supported',
      param,
      `${name} decides by its own table and keeps no weekly schedules for Lintel. Remedy: leave its entrances out${slots.schedules === null ? ', or name the time zones that Lintel may write with schedule_zones in the facility file' : ''}`,
    );
  }
  if (hasRangesOfItsOwn(schedule)) {
    return paramError(
      'not_supported',
      param,
      `${name} has on holidays the ranges of the day of the week, or none. Remedy: on_holidays closed or as_usual`,
    );
  }
  const needed = zonesNeeded(schedule);
  if (store.zones.hasRoom(name, slots.schedules, scheduleKey, needed)) return null;
  const { firstZone, lastZone } = slots.schedules;
  return paramError(
    'no_space_for_access_code_on_device',
    param,
    `${name} has the time zones ${firstZone} to ${lastZone} for schedules, and fewer are free than the ${needed} that it needs (one for each range of the fullest day). Remedy: delete schedules that nobody follows there, or use fewer ranges`,
  );
}
