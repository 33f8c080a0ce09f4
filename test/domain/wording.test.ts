import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseProfile, SHIPPED_PROFILES } from '../../drivers/modbus/profile.ts';
import { HOME } from '../../src/cli/version.ts';
import { fit } from '../../src/commands/answers.ts';
import { COMMANDS, isCommandName } from '../../src/commands/contract.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { loadFacilityText } from '../../src/facility/load.ts';

/** How the library words things by itself, and words that say nothing. */
const RAW =
  /too (small|big)|invalid (input|option|string|key|number|element|iso|value)|unrecognized|received|[<>]=|expected (string|number|int|boolean|array|object|record|nan|nonoptional)\b|(expected|write|give|it:) something else|undefined|\[object/i;

const WRONG: readonly unknown[] = [null, true, '\u0007 y', -1, 1e12, [], { x: 1 }];

type Step = string | number;
type Tree = Record<Step, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

/**
 * Every place in a value, its own included; of neighbours that are built alike only the first, for the same words are
 * said of all.
 */
function placesOf(value: unknown, path: readonly Step[] = []): (readonly Step[])[] {
  if (!isTree(value)) return [path];
  const steps: Step[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const seen = new Map<string, number>();
  const told = steps.filter((step) => {
    const inner = value[step];
    if (!isTree(inner)) return !Array.isArray(value) || step === 0;
    const form = JSON.stringify([typeof step, Object.keys(inner), inner['driver'], inner['kind']]);
    seen.set(form, (seen.get(form) ?? 0) + 1);
    return seen.get(form) === 1;
  });
  return [path, ...told.flatMap((step) => placesOf(value[step], [...path, step]))];
}

/** The value with something else at one place; `undefined` takes the place away. */
function changed(value: unknown, path: readonly Step[], to: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return to;
  const copy: unknown = structuredClone(value);
  if (!isTree(copy)) return copy;
  const inner = changed(copy[step], rest, to);
  if (inner === undefined && Array.isArray(copy)) copy.splice(Number(step), 1);
  else if (inner === undefined) Reflect.deleteProperty(copy, step);
  else copy[step] = inner;
  return copy;
}

/** Items of a list, entrances, and buses and controllers of one driver are alike: one of each place stands for all. */
function kindOf(document: unknown, path: readonly Step[]): string {
  const [room, name, ...rest] = path;
  const steps = path.map((step) => (typeof step === 'number' ? '#' : step));
  if (room === undefined || name === undefined || !isTree(document)) return steps.join('.');
  const all = document[room];
  const one = isTree(all) ? all[name] : undefined;
  if (room === 'entrances') return [room, '*', ...steps.slice(2)].join('.');
  if ((room !== 'buses' && room !== 'controllers') || !isTree(one) || rest.length === 0) return steps.join('.');
  return [room, JSON.stringify([one['driver'], one['model'], one['kind']]), ...steps.slice(2)].join('.');
}

/** Places of each kind, but for the kinds that were `seen` in other documents. */
function freshPlaces(document: unknown, seen = new Set<string>()): (readonly Step[])[] {
  return placesOf(document).filter((path) => {
    const kind = kindOf(document, path);
    return !seen.has(kind) && seen.add(kind);
  });
}

/** The document with each wrong value in each of these places. */
const wrongs = (document: unknown, places = freshPlaces(document)): unknown[] =>
  places.flatMap((path) => [undefined, ...WRONG].map((wrong) => changed(document, path, wrong)));

/** Each file, and the places of it that no file before it has. */
function sharedOut(folder: string, files: readonly string[]): { file: string; path: string; places: Places }[] {
  const seen = new Set<string>();
  return files.map((file) => {
    const path = join(folder, file);
    return { file, path, places: freshPlaces(parse(readFileSync(path, 'utf8')), seen) };
  });
}
type Places = (readonly Step[])[];

const PROFILES = sharedOut(SHIPPED_PROFILES, readdirSync(SHIPPED_PROFILES));
const FACILITY_FILES = sharedOut(join(HOME, 'config'), [
  'small-office-osdp.yaml',
  'soyal-doors.yaml',
  'mixed-building.yaml',
]);

const raw = (messages: readonly string[]): string[] => [...new Set(messages.filter((message) => RAW.test(message)))];

describe('nothing that people read is in the words of the library', () => {
  it.each(PROFILES.filter(({ places }) => places.length > 0))(
    'in the check of a profile: $file',
    ({ file, path, places }) => {
      const messages = wrongs(parse(readFileSync(path, 'utf8')), places).flatMap((one) =>
        parseProfile(stringify(one ?? null), file).problems.map(({ message, remedy }) => `${message} -> ${remedy}`),
      );
      expect(messages.length).toBeGreaterThan(places.length);
      expect(raw(messages)).toEqual([]);
    },
    120_000,
  );

  it.each(FACILITY_FILES)(
    'in the check of a facility file: $file',
    ({ path, places }) => {
      // Every other one, in turn from place to place: a whole building is read for each.
      const tried = wrongs(parse(readFileSync(path, 'utf8')), places).filter(
        (_, i) => (i + Math.floor(i / (WRONG.length + 1))) % 2 === 0,
      );
      const messages = tried.flatMap((one) =>
        loadFacilityText(stringify(one ?? null), path, DRIVERS).problems.map(
          ({ key, message, remedy }) => `${key}: ${message} -> ${remedy}`,
        ),
      );
      expect(messages.length).toBeGreaterThan(places.length);
      expect(raw(messages)).toEqual([]);
    },
    180_000,
  );

  it.each(Object.keys(COMMANDS).filter(isCommandName))('in the answer to a command: %s', (name) => {
    const schema = COMMANDS[name].params;
    const known = Object.keys(schema.shape);
    const full = { ...Object.fromEntries(known.map((key) => [key, 'x'])), ...COMMANDS[name].example };
    const messages = wrongs(full).flatMap((one) => {
      const fitted = fit(schema, one, ['params']);
      return 'error' in fitted ? [fitted.error.message] : [];
    });
    expect(messages.length).toBeGreaterThan(0);
    expect(raw(messages)).toEqual([]);
  });
});

describe('what is said instead', () => {
  const said = (name: Parameters<typeof isCommandName>[0], params: unknown): string => {
    if (!isCommandName(name)) throw new Error(`there is no command ${name}`);
    const fitted = fit(COMMANDS[name].params, params, ['params']);
    return 'error' in fitted ? fitted.error.message : 'nothing';
  };

  it.each([
    ['users/list', { limit: 0 }, 'params.limit: expected a whole number from 1 to 500'],
    ['users/list', { search: '' }, 'params.search: expected text of 1 to 200 characters'],
    ['users/get', {}, 'params.acs_user_id: is missing: expected an id in the form of a UUID'],
    ['users/create', { full_name: 'x', metadata: [] }, 'params.metadata: expected'],
    ['events/list', { event_types: 'x' }, 'params.event_types: expected a list of 0 to 50, each text'],
    ['credentials/apply', { operations: [] }, 'params.operations: expected a list of 1 to 500, each'],
    [
      'credentials/apply',
      { operations: [{ op: 'erase', params: {} }] },
      'params.operations.0.op: expected one of create, update, delete',
    ],
    ['entrances/explain', { acs_entrance_id: '5' }, 'params.acs_entrance_id: an id in the form of a UUID'],
  ])('%s %j: %s', (name, params, message) => {
    expect(said(name, params)).toContain(message);
  });

  it('never repeats what stands there, for it may be a PIN', () => {
    for (const code of [824_759, '824759x', ['824759'], { 824759: 1 }])
      expect(said('credentials/update', { acs_credential_id: 'x', code })).not.toContain('824759');
  });
});
