// A facility file with mistakes in it, and what is to be said of each.

import { expect } from 'vitest';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf, unmarked, type Sections } from './files.ts';

export type Case = [name: string, sections: Sections, problems: [key: string, message: string, remedy: string][]];

/** The entrance `lobby`, in a building where most devices are used already. `mark` stands before its name. */
export const lobby = (lines: string, mark = ''): Sections => ({
  controllers: `controllers:
  reader: {bus: north, unit: 1, model: keypad-reader}
  plain: {bus: north, unit: 5, model: reader}
  plain2: {bus: north, unit: 7, model: reader}
  keypad: {bus: north, unit: 6, model: keypad}
  relays: {bus: north, unit: 2}
  panel: {bus: north, unit: 3, model: panel}
  two: {bus: north, unit: 4, model: two-door-panel}
  tireless: {bus: north, unit: 8, model: tireless-relay}
`,
  entrances: `entrances:
  used:
    acs_entrance_id: 55555555-5555-5555-5555-000000000001
    readers: [plain]
    factors: card
    strike: {controller: relays, output: 1}
    rex: {controller: relays, input: 2}
  store-room:
    acs_entrance_id: 55555555-5555-5555-5555-000000000000
    controller: panel
  ${mark}lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
${lines}`,
});

export const good = 'readers: [reader]\n    strike: {controller: relays, output: 0}';

/** Every problem is found at its marked place, with its message and remedy, and nothing else is. */
export function expectProblems(sections: Sections, expected: Case[2]): void {
  const { text, places } = unmarked(fileOf(sections));
  const { facility, problems } = loadFacilityText(text, 'riverside.yaml', [fakeDriver]);
  const errors = problems.filter((problem) => problem.severity === 'error');
  expect(errors.map(({ line, column, key }) => `${line}:${column} ${key}`)).toEqual(
    expected.map(([key], i) => `${places[i] ?? 'unmarked'} ${key}`),
  );
  for (const [i, [, message, remedy]] of expected.entries()) {
    expect(errors[i]).toMatchObject({ file: 'riverside.yaml' });
    expect(errors[i]?.message).toContain(message);
    expect(errors[i]?.remedy).toContain(remedy);
    expect(errors[i]?.remedy).not.toBe('');
  }
  expect(facility).toBeNull();
}
