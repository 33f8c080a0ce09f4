// Modes in the facility file: schedules of entrances, and inputs that want one.

import { expect, it } from 'vitest';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf } from './files.ts';

const ENTRANCES = (schedules: string, more = '') => `entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    factors: card
    readers: [reader]
    strike: {controller: relays, output: 0}
    contact: {controller: relays, input: 0}
    mode_schedules: ${schedules}
  store-room:
    acs_entrance_id: 55555555-5555-5555-5555-000000000000
    controller: panel
    mode_schedules: ${more || '[]'}
`;

function load(schedules: string, inputs = '', more = '') {
  const text = `${fileOf({ entrances: ENTRANCES(schedules, more) })}\n${inputs}`;
  const { facility, problems } = loadFacilityText(text, '/etc/lintel/riverside.yaml', [fakeDriver]);
  const errors = problems.filter(({ severity }) => severity === 'error').map(({ key }) => key);
  return { facility, errors };
}

it('an entrance is unlocked or locked by the clock', () => {
  const { facility, errors } = load(
    '[{mode: unlocked, week: "mon-fri 08:00-17:00", first_person: true}, {mode: locked, week: "sat-sun 00:00-24:00", on_holidays: as_usual}]',
  );
  expect(errors).toEqual([]);
  const [day, weekend] = facility?.entrances[0]?.modeSchedules ?? [];
  expect(day).toMatchObject({ mode: 'unlocked', firstPerson: true, schedule: { holidays: [] } });
  expect(day?.schedule.week[0]).toEqual([{ fromMinute: 480, untilMinute: 1020 }]);
  expect(weekend).toMatchObject({ mode: 'locked', firstPerson: false, schedule: { holidays: null } });
});

it('what is wrong with a schedule is said at its place', () => {
  expect(load('[{mode: unlocked, week: "mon-fri 17:00-08:00"}]').errors).toEqual([
    'entrances.lobby.mode_schedules[0].week',
  ]);
  expect(load('[{mode: lockdown, week: "mon 08:00-17:00"}]').errors).toEqual([
    'entrances.lobby.mode_schedules[0].mode',
  ]);
  // A controller that decides by its own table cannot be told to let nobody in.
  expect(load('[]', '', '[{mode: locked, week: "sun 00:00-24:00"}]').errors).toEqual([
    'entrances.store-room.mode_schedules[0].mode',
  ]);
  expect(load('[]', '', '[{mode: unlocked, week: "mon 08:00-17:00"}]').errors).toEqual([]);
});

it('an input wants a mode of all entrances, or of some, until it is taken back or at rest', () => {
  const { facility, errors } = load(
    '[]',
    'mode_inputs:\n  fire: {controller: relays, input: 1, normally: closed, mode: evacuate}\n  key: {controller: relays, input: 2, mode: unlocked, entrances: [lobby]}\n',
  );
  expect(errors).toEqual([]);
  expect(facility?.modeInputs).toEqual([
    {
      name: 'fire',
      controller: 'relays',
      input: 1,
      isNormallyClosed: true,
      mode: 'evacuate',
      isLatched: true,
      entrances: null,
    },
    {
      name: 'key',
      controller: 'relays',
      input: 2,
      isNormallyClosed: false,
      mode: 'unlocked',
      isLatched: false,
      entrances: ['55555555-5555-5555-5555-555555555555'],
    },
  ]);
});

it('an input is there, nobody else’s, and for entrances that are there', () => {
  const inputs = (fire: string): string[] => load('[]', `mode_inputs:\n  fire: {${fire}}\n`).errors;
  expect(inputs('controller: relais, input: 1, mode: evacuate')).toEqual(['mode_inputs.fire.controller']);
  expect(inputs('controller: relays, input: 90, mode: evacuate')).toEqual(['mode_inputs.fire.input']);
  expect(inputs('controller: relays, input: 0, mode: evacuate')).toEqual(['mode_inputs.fire.input']);
  expect(inputs('controller: relays, input: 1, mode: evacuate, entrances: [loby]')).toEqual([
    'mode_inputs.fire.entrances[0]',
  ]);
  expect(inputs('controller: relays, input: 1, mode: locked, latched: true')).toEqual(['mode_inputs.fire.latched']);
});
