// Lifts in the facility file: floors that are entrances, and what cannot be had.

import { expect, it } from 'vitest';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf } from './files.ts';

const CONTROLLERS = `controllers:
  cabin: {bus: north, unit: 1, model: keypad-reader, card_formats: [H10301]}
  lobby-reader: {bus: north, unit: 4, model: reader}
  relays: {bus: north, unit: 2}
  others: {bus: north, unit: 5}
  panel: {bus: north, unit: 3, model: panel}
`;
const ID = (n: number): string => `acs_entrance_id: 55555555-5555-5555-5555-00000000000${n}`;
const DOOR = `  door: {${ID(9)}, readers: [lobby-reader], factors: card, strike: {controller: others, output: 1}}\n`;

type Written = { ground?: string; roof?: string; lift?: string; door?: string; more?: string };

function load({ ground = '', roof = '', lift = '', door = DOOR, more = '' }: Written) {
  const entrances = `entrances:
  ground: {${ID(1)}, lift: tower, release: {controller: relays, output: 0}${ground}}
  roof: {${ID(2)}, lift: tower, release: {controller: relays, output: 1, pulse: 20s}${roof}}
${door}lifts:
  tower: {readers: [cabin], factors: card_and_code${lift}}
${more}`;
  const text = fileOf({ controllers: CONTROLLERS, entrances });
  const { facility, problems } = loadFacilityText(text, '/etc/lintel/riverside.yaml', [fakeDriver]);
  const errors = problems.filter(({ severity }) => severity === 'error');
  return { facility, errors: errors.map(({ key, message, remedy }) => `${key}: ${message}. ${remedy}`) };
}

it('a floor is an entrance with the reader of its lift, and its relay for as long as the lift says', () => {
  const { facility, errors } = load({
    ground: ', second_release: {controller: others, output: 0}, selected: {controller: relays, input: 0}',
    lift: ', display_name: Tower, floor_time: 15s',
  });
  expect(errors).toEqual([]);
  expect(facility?.entrances).toMatchObject([
    {
      ...{ name: 'ground', decidedBy: 'gateway', readers: ['cabin'], exitReaders: [], factors: 'card_and_code' },
      ...{ contact: null, rex: null, cardFormats: ['H10301'] },
      lift: { name: 'tower', displayName: 'Tower', isOneFloor: false, selected: { controller: 'relays', input: 0 } },
      strike: { controller: 'relays', output: 0, pulseMs: 15_000, extendedPulseMs: 30_000, relock: 'end' },
      secondLock: { controller: 'others', output: 0 },
    },
    { name: 'roof', lift: { name: 'tower', selected: null }, strike: { output: 1, pulseMs: 20_000 } },
    { name: 'door', lift: null },
  ]);
});

it.each<[string, Written, string]>([
  ['a lift that is not there', { door: `  lost: {${ID(9)}, lift: towre, release: {controller: others, output: 1}}\n` }, 'entrances.lost.lift: there is no lift "towre". Did you mean tower?'],
  ['an exit button', { ground: ', rex: {controller: relays, input: 1}' }, 'entrances.ground.rex: unknown key "rex". Nobody is locked in by a floor'],
  ['a contact', { ground: ', contact: {controller: relays, input: 1}' }, 'entrances.ground.contact: unknown key'],
  ['readers of its own', { ground: ', readers: [lobby-reader]' }, 'entrances.ground.readers: unknown key "readers". It is the same at all floors'],
  ['a controller that decides', { ground: ', controller: panel, door: 1' }, 'entrances.ground.controller: unknown key'],
  ['a relay that another floor has', { ground: ', second_release: {controller: relays, output: 1}' }, 'entrances.roof.release.output: output 1 of relays is used already, by entrances.ground.second_release.output'],
  ['a relay that the board does not have', { ground: ', second_release: {controller: relays, output: 7}' }, 'entrances.ground.second_release.output: relays has no output 7'],
  ['an input that an exit button has', { ground: ', selected: {controller: others, input: 1}', door: DOOR.replace('strike', 'rex: {controller: others, input: 1}, strike') }, 'entrances.door.rex.input: input 1 of others is used already'],
  ['a reader that a door has', { door: DOOR.replace('lobby-reader', 'cabin') }, 'lifts.tower.readers[0]: the reader cabin is used already, by entrances.door.readers[0]'],
  ['a reader that asks for what it cannot read', { lift: '', more: `  two: {readers: [lobby-reader], factors: code}\n`, door: `  other: {${ID(9)}, lift: two, release: {controller: others, output: 1}}\n` }, 'lifts.two.readers[0]: lobby-reader has no keypad'],
  ['a lift without floors', { more: '  empty: {readers: [lobby-reader], factors: card}\n', door: '' }, 'lifts.empty: no floor belongs to empty'],
  ['one floor, and nobody sees which', { lift: ', one_floor: true' }, 'lifts.tower.one_floor: nobody sees when ground, roof are chosen'],
  ['a first person whom nobody sees', { roof: ', mode_schedules: [{mode: unlocked, week: "mon 08:00-09:00", first_person: true}]' }, 'entrances.roof.mode_schedules[0].first_person: nobody sees who goes to this floor'],
  ['a time that its relays cannot do', { lift: ', floor_time: 5m' }, 'lifts.tower.floor_time: this output cannot be pulsed for 5m'],
  ['an area', { more: 'areas: {upstairs: {in: [cabin], reset: ["04:00"]}}\n' }, 'areas.upstairs.in[0]: cabin is in the cabin of tower: nobody sees at which floor its people get out'],
  ['an interlock', { more: 'interlocks: {both: {entrances: [door, roof]}}\n' }, 'interlocks.both.entrances[1]: roof is a floor of a lift'],
])('says what is wrong with %s', (_, written, expected) => {
  const { facility, errors } = load(written);
  expect(facility).toBeNull();
  expect(errors.join('\n')).toContain(expected);
}); // prettier-ignore
