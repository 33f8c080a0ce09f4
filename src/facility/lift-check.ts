// Whether lifts can be had as the file says: floors that name a lift, lifts that have floors, and nothing that hangs on
// a choice which nobody sees.

import { memberOf } from '../domain/named.ts';
import { printable } from '../domain/words.ts';
import { kindOf, whichName } from './entrance-check.ts';
import type { Report } from './report.ts';
import { isMapping, section, valueAt } from './shape.ts';
import type { KeyPath } from './yaml-source.ts';

type Root = Readonly<Record<string, unknown>>;

/** Each is decided about at every presentation. */
const MOST_FLOORS = 128;

export function checkLifts(root: Root, report: Report): void {
  const lifts = section(root, 'lifts');
  const floors = Object.entries(section(root, 'entrances')).filter(([, entrance]) => kindOf(entrance) === 'floor');
  for (const [name, floor] of floors) checkFloor(floor, ['entrances', name], lifts, report);
  for (const [name, lift] of Object.entries(lifts)) {
    const its = floors.filter(([, floor]) => valueAt(floor, ['lift']) === name);
    if (isMapping(lift)) checkLift(lift, name, its, report);
  }
}

function checkFloor(floor: unknown, path: KeyPath, lifts: Root, report: Report): void {
  const lift = valueAt(floor, ['lift']);
  if (typeof lift === 'string' && memberOf(lifts, lift) === undefined)
    report.error(
      [...path, 'lift'],
      `there is no lift "${printable(lift)}"`,
      whichName(lift, Object.keys(lifts), 'lifts'),
    );
  const schedules = valueAt(floor, ['mode_schedules']);
  if (!Array.isArray(schedules) || valueAt(floor, ['selected']) !== undefined) return;
  for (const [i, schedule] of schedules.entries())
    if (valueAt(schedule, ['first_person']) === true)
      report.error(
        [...path, 'mode_schedules', i, 'first_person'],
        'nobody sees who goes to this floor: whoever may go to it and rides past would free it',
        'Add `selected`, where the lift says which floor was chosen, or leave it out.',
      );
}

function checkLift(lift: Root, name: string, floors: readonly (readonly [string, unknown])[], report: Report): void {
  const path = ['lifts', name];
  if (floors.length === 0)
    report.error(path, `no floor belongs to ${name}`, `Add entrances with \`lift: ${name}\` and \`release\`.`, 'key');
  if (floors.length > MOST_FLOORS)
    report.error(path, `${name} has ${floors.length} floors`, `A lift has at most ${MOST_FLOORS}.`, 'key');
  if (lift['one_floor'] !== true) return;
  const unseen = floors.filter(([, floor]) => valueAt(floor, ['selected']) === undefined).map(([floor]) => floor);
  if (unseen.length > 0)
    report.error(
      [...path, 'one_floor'],
      `nobody sees when ${unseen.join(', ')} ${unseen.length === 1 ? 'is' : 'are'} chosen`,
      'Add `selected` to every floor, or leave it out.',
    );
}
