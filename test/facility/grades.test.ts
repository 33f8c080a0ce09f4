import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../src/drivers.ts';
import {
  CHOSEN_FUNCTIONS,
  chosenTable,
  ENTRANCE_FUNCTIONS,
  FACILITY_FUNCTIONS,
  gradeOf,
  gradeTable,
  GRADES,
} from '../../src/facility/grades.ts';
import { loadFacility } from '../../src/facility/load.ts';
import type { EntranceSetup, Facility } from '../../src/domain/facility.ts';
import { say } from '../cli/lintel.ts';
import { WORKSHOP } from '../support/room.ts';

const ROOT = join(import.meta.dirname, '../..');
const EXAMPLE = join(ROOT, 'config/small-office-osdp.yaml');

function office(
  change: (facility: Facility, entrance: EntranceSetup) => Partial<EntranceSetup> = () => ({}),
): Facility {
  const { facility } = loadFacility(EXAMPLE, DRIVERS);
  if (facility === null) throw new Error('the example is good');
  return { ...facility, entrances: facility.entrances.map((one) => ({ ...one, ...change(facility, one) })) };
}
const missingOf = (facility: Facility): string[] => gradeOf(facility).entrances.flatMap(({ missing }) => missing.map(({ id }) => id)); // prettier-ignore

describe('the grade of a facility file', () => {
  it('is on the page with every function that is looked at, and each of its settings is a key of the facility file', () => {
    const page = readFileSync(join(ROOT, 'docs/grades.md'), 'utf8');
    expect(page).toContain(gradeTable());
    expect(page).toContain(chosenTable());
    const keys = readFileSync(join(ROOT, 'docs/facility-file.md'), 'utf8');
    for (const { id, setting } of [...ENTRANCE_FUNCTIONS, ...FACILITY_FUNCTIONS, ...CHOSEN_FUNCTIONS]) {
      const key = setting?.split(':')[0]?.split('.').at(-1);
      if (key !== undefined) expect(keys, `${id}: ${key}`).toContain(`| \`${key}\` |`);
    }
  });

  it('falls when a door loses its contact, its way to know an exit, its strike, or an encrypted line', () => {
    const before = gradeOf(office());
    expect(before.grade).toBe(2);
    const without = (change: Partial<EntranceSetup>) => gradeOf(office(() => change));
    expect(without({ contact: null }).grade).toBe(1);
    expect(without({ rex: null, exitReaders: [] }).grade).toBe(1);
    expect(without({ strike: null }).grade).toBeNull();
    expect(without({ readers: [] }).grade).toBeNull();
  });

  it('rises with two factors, and with inputs for an emergency', () => {
    const two = office(() => ({ factors: 'card_and_code' }));
    const input = { name: 'fire', controller: 'x', input: 1, isNormallyClosed: true, mode: 'evacuate', isLatched: true, entrances: null } as const; // prettier-ignore
    const { grade, entrances, facility } = gradeOf({ ...two, modeInputs: [input] });
    expect({ grade, facility: facility.grade, doors: entrances.map((one) => one.grade) }).toEqual({
      grade: 3,
      facility: 4,
      doors: entrances.map(() => 3),
    });
    expect(missingOf(two)).not.toContain('two_factors');
    expect(missingOf(office())).toContain('two_factors');
    const finger = office(() => ({ factors: 'card_and_biometric' }));
    expect(missingOf(finger)).not.toContain('biometric');
    expect(missingOf(finger)).not.toContain('two_factors');
  });

  it('is no higher than that of its weakest door, and promises nothing that is not offered', () => {
    let isFirst = true;
    const mixed = office(() => {
      const change = isFirst ? { contact: null } : {};
      isFirst = false;
      return change;
    });
    const { grade, entrances } = gradeOf(mixed);
    expect(grade).toBe(Math.min(...entrances.map((one) => one.grade ?? 0)));
    const notOffered = [...ENTRANCE_FUNCTIONS, ...FACILITY_FUNCTIONS].filter(({ setting }) => setting === null);
    for (const { has, from } of notOffered) {
      expect(GRADES).toContain(from);
      expect((has as () => boolean)()).toBe(false);
    }
  });
});

describe('what a site chooses by its risk', () => {
  const of = (change: Partial<Facility>): string[] =>
    gradeOf({ ...office(), ...change }).chosen.flatMap(({ id, isSet }) => (isSet ? [id] : []));
  const without = { areas: [], interlocks: [], entrances: office(() => ({ factors: 'card' })).entrances };

  it('is seen in the areas, interlocks and keypads of the file, and changes no grade', () => {
    expect(of(without)).toEqual([]);
    expect(of({ ...without, areas: [{ ...WORKSHOP, antiPassback: { kind: 'soft' } }] })).toEqual(['anti_passback']);
    expect(of({ ...without, areas: [{ ...WORKSHOP, limit: 3 }] })).toEqual(['limit']);
    expect(of({ ...without, areas: [{ ...WORKSHOP, twoPersonsMs: 9_000 }] })).toEqual(['two_persons']);
    expect(of({ ...without, interlocks: [{ name: 'airlock', acsEntranceIds: [] }] })).toEqual(['interlock']);
    expect(of({ ...without, entrances: office(() => ({ factors: 'card_or_code' })).entrances })).toEqual(['duress']);
    expect(gradeOf({ ...office(), areas: [{ ...WORKSHOP, limit: 3 }] }).grade).toBe(gradeOf(office()).grade);
  });
});

describe('lintel grade', () => {
  it('says the grade of each entrance and what is missing, and the same as JSON', async () => {
    const { code, stdout } = await say('grade', EXAMPLE);
    expect(code).toBe(0);
    expect(stdout).toMatch(/small-office-osdp\.yaml: \S+ reaches grade 2\n/);
    expect(stdout).toContain('  for grade 3: Two factors of the same person (entrances.*.factors: card_and_code)');
    expect(stdout).toContain(
      '  for grade 4: A biometric factor beside another (entrances.*.factors: card_and_biometric)',
    );
    expect(stdout).toContain('  not set: Two persons together (areas.*.two_persons)');
    const asJson = await say('grade', EXAMPLE, '--json');
    expect(JSON.parse(asJson.stdout)).toEqual(gradeOf(office()));
  });

  it('ends with 2 where the file is wrong or missing', async () => {
    expect((await say('grade', '/no/such/file.yaml')).code).toBe(2);
    expect((await say('grade')).code).toBe(2);
  });
});
