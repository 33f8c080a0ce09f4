// Areas and interlocks in the facility file.

import { expect, it } from 'vitest';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf } from './files.ts';

const CONTROLLERS = `controllers:
  in: {bus: north, unit: 1, model: reader}
  out: {bus: north, unit: 4, model: reader}
  spare: {bus: north, unit: 5, model: reader}
  relays: {bus: north, unit: 2}
  panel: {bus: north, unit: 3, model: panel}
`;
const ENTRANCES = (more = '') => `entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    readers: [in, out]
    exit_readers: [out]
    factors: card
    strike: {controller: relays, output: 0}
    contact: {controller: relays, input: 0}
${more}
  store-room:
    acs_entrance_id: 55555555-5555-5555-5555-000000000000
    controller: panel
`;

function load(zones: string, entrances = ENTRANCES()) {
  const text = `${fileOf({ controllers: CONTROLLERS, entrances })}\n${zones}\n`;
  const { facility, problems } = loadFacilityText(text, '/etc/lintel/riverside.yaml', [fakeDriver]);
  const found = problems
    .filter(({ key }) => key.startsWith('areas') || key.startsWith('interlocks'))
    .map(({ severity, key, remedy }) => {
      expect(remedy).not.toBe('');
      return `${severity} ${key}`;
    });
  return { facility, found };
}
const area = (keys: string, entrances?: string) => load(`areas: {workshop: {${keys}}}`, entrances);
const SIDES = 'in: [in], out: [out]';

it('an area has its ways, its rules and its times', () => {
  const { facility, found } = area(
    `${SIDES}, anti_passback: timed, forget_after: 10m, limit: 20, exempt_groups: [44444444-4444-4444-4444-444444444444], reset: ["16:30", "04:00"], two_persons: 20s`,
  );
  expect(found).toEqual([]);
  expect(facility?.areas).toEqual([
    {
      name: 'workshop',
      displayName: 'workshop',
      inReaders: ['in'],
      outReaders: ['out'],
      antiPassback: { kind: 'timed', forgetAfterMs: 600_000 },
      limit: 20,
      exemptGroups: ['44444444-4444-4444-4444-444444444444'],
      resets: [240, 990],
      twoPersonsMs: 20_000,
    },
  ]);
  expect(area(SIDES).facility?.areas[0]).toMatchObject({ antiPassback: null, limit: null, twoPersonsMs: null });
});

it('readers are there, where Lintel decides, each on one side', () => {
  expect(area('in: [inn], out: [out]').found).toEqual(['error areas.workshop.in[0]']);
  expect(area('in: [spare], out: [out]').found).toEqual(['error areas.workshop.in[0]']);
  expect(area('in: [panel], out: [out]').found).toEqual(['error areas.workshop.in[0]']);
  expect(area('in: [in], out: [in, out]').found).toEqual(['error areas.workshop.out[0]']);
  expect(area('in: [in, in], out: [out]').found).toEqual(['error areas.workshop.in']);
  expect(area('in: [], out: [out]').found).toEqual(['error areas.workshop.in']);
  // A reader that leads out and is not known to stand inside keeps people in while the door is locked.
  expect(area(SIDES, ENTRANCES().replace('exit_readers: [out]', 'exit_readers: []')).found).toEqual(['warning areas.workshop.out[0]']); // prettier-ignore
});

it('what is said of anti-passback, limit and times goes together', () => {
  expect(area(`${SIDES}, anti_passback: timed`).found).toEqual(['error areas.workshop.anti_passback']);
  expect(area(`${SIDES}, forget_after: 10m`).found).toEqual(['error areas.workshop.forget_after']);
  expect(area(`${SIDES}, two_persons: 20s, limit: 1`).found).toEqual(['error areas.workshop.limit']);
  expect(area(`${SIDES}, reset: ["24:00"]`).found).toEqual(['error areas.workshop.reset[0]']);
  expect(area(`${SIDES}, anti_pasback: hard`).found).toEqual(['error areas.workshop.anti_pasback']);
});

it('people are seen to leave, or that is said', () => {
  expect(area('in: [in], anti_passback: hard').found).toEqual(['error areas.workshop.anti_passback']);
  expect(area('in: [in], anti_passback: hard, reset: ["04:00"]').found).toEqual([]);
  expect(area('in: [in], limit: 20').found).toEqual(['warning areas.workshop']);
  expect(area('in: [in], anti_passback: timed, forget_after: 10m').found).toEqual([]);
  const button = ENTRANCES('    rex: {controller: relays, input: 1}\n');
  expect(area(`${SIDES}, anti_passback: hard`, button).found).toEqual(['warning areas.workshop']);
  expect(area(`${SIDES}, anti_passback: hard, reset: ["04:00"]`, button).found).toEqual([]);
});

it('an interlock is of doors that are there; what cannot be held or seen is said', () => {
  const interlock = (names: string, entrances?: string) => load(`interlocks: {airlock: {entrances: ${names}}}`, entrances).found; // prettier-ignore
  expect(interlock('[lobby]')).toEqual(['error interlocks.airlock.entrances']);
  expect(interlock('[lobby, loby]')).toEqual(['error interlocks.airlock.entrances[1]']);
  expect(interlock('[lobby, lobby]')).toEqual(['error interlocks.airlock.entrances']);
  expect(interlock('[lobby, store-room]')).toEqual(['warning interlocks.airlock.entrances[1]']);
  const free = ENTRANCES('    mode_schedules: [{mode: unlocked, week: "mon 08:00-17:00"}]\n').replace(/ {4}contact.*\n/, '');
  expect(interlock('[lobby, store-room]', free)).toEqual([
    'warning interlocks.airlock.entrances[0]',
    'warning interlocks.airlock.entrances[0]',
    'warning interlocks.airlock.entrances[1]',
  ]);
  expect(load('interlocks: {airlock: {entrances: [lobby, store-room]}}').facility?.interlocks).toEqual([
    {
      name: 'airlock',
      acsEntranceIds: ['55555555-5555-5555-5555-555555555555', '55555555-5555-5555-5555-000000000000'],
    },
  ]);
}); // prettier-ignore
