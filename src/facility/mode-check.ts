// Whether modes can be had as the file says: inputs that are there and nobody else’s, entrances that exist, doors that
// can be locked and freed from here.

import { kindOf, whichName, type Claims, type KnownControllers } from './entrance-check.ts';
import type { Report } from './report.ts';
import { isMapping, section, valueAt } from './shape.ts';
import { printable } from '../domain/words.ts';
import type { KeyPath } from './yaml-source.ts';

type Root = Readonly<Record<string, unknown>>;

export function checkModes(root: Root, controllers: KnownControllers, claim: Claims, report: Report): void {
  const entrances = section(root, 'entrances');
  for (const [name, entrance] of Object.entries(entrances)) checkSchedules(entrance, ['entrances', name], report);
  for (const [name, input] of Object.entries(section(root, 'mode_inputs'))) {
    const path = ['mode_inputs', name];
    if (!isMapping(input)) continue;
    checkInput(input, path, controllers, claim, report);
    checkNames(input, path, entrances, report);
  }
}

/** A controller that decides by its own table lets in whom it has there. */
function checkSchedules(entrance: unknown, path: KeyPath, report: Report): void {
  const schedules = valueAt(entrance, ['mode_schedules']);
  if (!Array.isArray(schedules) || kindOf(entrance) !== 'controller') return;
  for (const [i, schedule] of schedules.entries()) {
    if (valueAt(schedule, ['mode']) !== 'locked') continue;
    const message = `${printable(String(valueAt(entrance, ['controller'])))} decides here by its own table, and cannot be told to let nobody in`;
    report.error([...path, 'mode_schedules', i, 'mode'], message, 'Leave it out, or give people a schedule.');
  }
}

function checkInput(
  { controller, input }: Root,
  path: KeyPath,
  controllers: KnownControllers,
  claim: Claims,
  report: Report,
): void {
  if (typeof controller !== 'string') return;
  const capabilities = controllers.get(controller);
  if (capabilities === undefined) {
    const remedy = whichName(controller, [...controllers.keys()], 'controllers');
    report.error([...path, 'controller'], `there is no controller "${printable(controller)}"`, remedy);
  }
  if (capabilities == null || typeof input !== 'number') return;
  const { length } = capabilities.inputs;
  if (input >= length)
    report.error(
      [...path, 'input'],
      `${controller} has no input ${input}`,
      length === 0 ? 'It has no inputs at all: name another controller.' : `Its inputs are 0 to ${length - 1}.`,
    );
  else claim(`input ${input} of ${controller}`, [...path, 'input']);
}

function checkNames({ entrances: named }: Root, path: KeyPath, entrances: Root, report: Report): void {
  if (!Array.isArray(named)) return;
  for (const [i, name] of named.entries()) {
    if (typeof name !== 'string' || Object.hasOwn(entrances, name)) continue;
    const remedy = whichName(name, Object.keys(entrances), 'entrances');
    report.error([...path, 'entrances', i], `there is no entrance "${printable(name)}"`, remedy);
  }
}
