// Whether areas and interlocks can be had as the file says: readers that are there and that Lintel decides at, ways out,
// doors that are seen.

import { memberOf } from '../domain/named.ts';
import { printable } from '../domain/words.ts';
import { kindOf, whichName } from './entrance-check.ts';
import type { Report } from './report.ts';
import { isMapping, section, valueAt } from './shape.ts';
import type { KeyPath } from './yaml-source.ts';

type Root = Readonly<Record<string, unknown>>;

export function checkAreas(root: Root, report: Report): void {
  const entrances = section(root, 'entrances');
  const areas = section(root, 'areas');
  const doors = doorsByReader(entrances);
  const context: Context = {
    root,
    report,
    doors,
    leadIn: new Set(Object.values(areas).flatMap((one) => textsOf(one, 'in'))),
  };
  for (const [name, area] of Object.entries(areas)) if (isMapping(area)) checkArea(context, area, ['areas', name]);
  for (const [name, interlock] of Object.entries(section(root, 'interlocks')))
    checkInterlock(interlock, ['interlocks', name], entrances, report);
}

type Door = { name: string; entrance: Root };
type Context = {
  root: Root;
  report: Report;
  /** Of the readers at which Lintel decides. */
  doors: ReadonlyMap<string, Door>;
  /** All readers that lead into some area. */
  leadIn: ReadonlySet<string>;
};

function doorsByReader(entrances: Root): Map<string, Door> {
  const found = new Map<string, Door>();
  for (const [name, entrance] of Object.entries(entrances))
    if (isMapping(entrance) && kindOf(entrance) === 'gateway')
      for (const reader of textsOf(entrance, 'readers')) found.set(reader, { name, entrance });
  return found;
}

const textsOf = (value: unknown, key: string): string[] => {
  const list = valueAt(value, [key]);
  return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
};

// ---- areas ----------------------------------------------------------------------------------------------------------

function checkArea(context: Context, area: Root, path: KeyPath): void {
  const [ways, exits] = [textsOf(area, 'in'), textsOf(area, 'out')];
  for (const side of ['in', 'out'] as const)
    for (const [i, reader] of textsOf(area, side).entries()) checkReader(context, reader, [...path, side, i]);
  for (const [i, reader] of exits.entries()) {
    if (ways.includes(reader))
      context.report.error(
        [...path, 'out', i],
        `${printable(reader)} leads in as well, and nobody could tell who goes which way`,
        'A reader stands on one side of a door: name the one on the inside here.',
      );
    else checkWayOut(context, reader, [...path, 'out', i]);
  }
  checkLeaving(context, area, exits, path);
  checkButtons(context, area, [...ways, ...exits], path);
}

function checkReader({ root, report, doors }: Context, reader: string, path: KeyPath): void {
  if (doors.has(reader)) return;
  const lift = Object.entries(section(root, 'lifts')).find(([, one]) => textsOf(one, 'readers').includes(reader));
  if (lift !== undefined) {
    report.error(
      path,
      `${printable(reader)} is in the cabin of ${lift[0]}: nobody sees at which floor its people get out`,
      'Name readers at the doors of the floors.',
    );
    return;
  }
  const isThere = Object.hasOwn(section(root, 'controllers'), reader);
  const decides = Object.values(section(root, 'entrances')).some((one) => valueAt(one, ['controller']) === reader);
  if (decides)
    report.error(
      path,
      `${printable(reader)} decides by its own table: Lintel hears of who went only afterwards, and can keep nobody out`,
      'Name readers of entrances at which Lintel decides (`readers`).',
    );
  else
    report.error(
      path,
      isThere ? `${printable(reader)} stands at no entrance` : `there is no reader "${printable(reader)}"`,
      isThere
        ? 'Name it under `readers` of its entrance.'
        : whichName(reader, [...doors.keys()], 'readers of entrances'),
    );
}

/** Whoever shows something at a reader inside gets out in a lockdown as well; but only if it is known to be inside. */
function checkWayOut({ report, doors, leadIn }: Context, reader: string, path: KeyPath): void {
  const door = doors.get(reader);
  if (door === undefined || leadIn.has(reader) || textsOf(door.entrance, 'exit_readers').includes(reader)) return;
  report.warn(
    path,
    `${printable(reader)} leads out, and ${door.name} takes it for a reader outside: while it is locked nobody gets out by it`,
    `Write \`exit_readers: [${reader}]\` at ${door.name}.`,
  );
}

function checkLeaving({ report }: Context, area: Root, exits: readonly string[], path: KeyPath): void {
  if (exits.length > 0) return;
  if (hasReset(area)) return;
  if (area['anti_passback'] === 'hard')
    report.error(
      [...path, 'anti_passback'],
      'nobody is ever seen to leave, so that everybody could enter once and never again',
      'Name the readers inside under `out`, add `reset`, or write `anti_passback: timed`.',
    );
  else if (area['limit'] !== undefined || area['anti_passback'] !== 'timed')
    report.warn(
      path,
      'nobody is ever seen to leave: whoever enters stays counted',
      'Name the readers inside under `out`, or add `reset`, for example `["04:00"]`.',
      'key',
    );
}

const hasReset = ({ reset }: Root): boolean => Array.isArray(reset) && reset.length > 0;

function checkButtons({ report, doors }: Context, area: Root, readers: readonly string[], path: KeyPath): void {
  if (hasReset(area) || (area['anti_passback'] !== 'hard' && area['limit'] === undefined)) return;
  const named = new Set<string>();
  for (const reader of readers) {
    const door = doors.get(reader);
    if (door?.entrance['rex'] !== undefined) named.add(door.name);
  }
  if (named.size === 0) return;
  report.warn(
    path,
    `whoever leaves by the exit button of ${[...named].join(', ')} stays counted, and is kept out as if still inside`,
    'Add `reset`, for example `["04:00"]`; whoever is kept out meanwhile is forgiven by lintel areas forgive.',
    'key',
  );
}

// ---- interlocks -----------------------------------------------------------------------------------------------------

function checkInterlock(interlock: unknown, path: KeyPath, entrances: Root, report: Report): void {
  for (const [i, name] of textsOf(interlock, 'entrances').entries()) {
    const place = [...path, 'entrances', i];
    const entrance = memberOf(entrances, name);
    if (entrance === undefined) {
      const remedy = whichName(name, Object.keys(entrances), 'entrances');
      report.error(place, `there is no entrance "${printable(name)}"`, remedy);
      continue;
    }
    if (kindOf(entrance) === 'floor')
      report.error(
        place,
        `${name} is a floor of a lift: nobody sees whether its door is open`,
        'Name doors; the doors of a lift are interlocked by the lift itself.',
      );
    else if (kindOf(entrance) === 'controller')
      report.warn(
        place,
        `${name} is opened by its controller, whatever the others do: they stay shut while it is open, and not it while they are`,
        'Let Lintel decide there (`readers` and `strike`), or wire the interlock.',
      );
    else if (valueAt(entrance, ['contact']) === undefined)
      report.warn(
        place,
        `${name} has no contact: nobody sees it open, and the others wait for its strike alone`,
        'Add `contact`.',
      );
    const schedules = valueAt(entrance, ['mode_schedules']);
    if (Array.isArray(schedules) && schedules.some((one) => valueAt(one, ['mode']) === 'unlocked'))
      report.warn(
        place,
        `while ${name} is unlocked by its schedule nobody is let in at the others`,
        'Leave the schedule out, or the interlock.',
      );
  }
}
