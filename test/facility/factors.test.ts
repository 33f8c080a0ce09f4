// Factors by the clock in the facility file.

import { expect, it } from 'vitest';
import { DRIVERS } from '../../src/drivers.ts';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf } from './files.ts';

function load(schedules: string, reader = 'reader', atPanel = '[]') {
  const entrances = `entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    factors: card_and_code
    readers: [${reader}]
    strike: {controller: relays, output: 0}
    factor_schedules: ${schedules}
  store-room:
    acs_entrance_id: 55555555-5555-5555-5555-000000000000
    controller: panel
    factor_schedules: ${atPanel}
`;
  const { facility, problems } = loadFacilityText(fileOf({ entrances }), '/etc/lintel/riverside.yaml', [fakeDriver]);
  return { facility, errors: problems.filter(({ severity }) => severity === 'error') };
}
const keys = (loaded: ReturnType<typeof load>): string[] => loaded.errors.map(({ key }) => key);

it('an entrance asks for something else by the clock', () => {
  const loaded = load('[{factors: card, week: "mon-fri 07:00-19:00"}]');
  expect(keys(loaded)).toEqual([]);
  expect(loaded.facility?.entrances[0]).toMatchObject({
    factors: 'card_or_code',
    factorsByTime: { otherwise: 'card_and_code', schedules: [{ factors: 'card', schedule: { holidays: [] } }] },
  });
  expect(load('[]').facility?.entrances[0]).toMatchObject({ factors: 'card_and_code', factorsByTime: null });
});

it('what is wrong with it is said at its place, with what would be right', () => {
  expect(keys(load('[{factors: finger, week: "mon 08:00-17:00"}]'))).toEqual([
    'entrances.lobby.factor_schedules[0].factors',
  ]);
  expect(keys(load('[{factors: card, week: "mon 17:00-08:00"}]'))).toEqual([
    'entrances.lobby.factor_schedules[0].week',
  ]);
  expect(keys(load('[{factors: card}]'))).toEqual(['entrances.lobby.factor_schedules[0].week']);
});

it('a controller that decides by its own table asks for the same at all times', () => {
  const { errors } = load('[]', 'reader', '[{factors: card, week: "mon 08:00-17:00"}]');
  expect(errors).toMatchObject([
    { key: 'entrances.store-room.factor_schedules', remedy: expect.stringContaining('let Lintel decide') as string },
  ]);
});

it('a finger is asked for behind a card, at readers that read fingers, where Lintel decides', () => {
  const asks = (text: string, controllers = '') =>
    loadFacilityText(
      `facility: riverside
acs_system_id: 11111111-1111-1111-1111-111111111111
time_zone: Europe/Oslo
mqtt: {url: "mqtt://127.0.0.1"}
buses: {north: {driver: osdp, port: /dev/ttyS1, baud: 38400}}
controllers: {front: {bus: north, address: 1, outputs: 1, card_formats: [uid]${controllers}}}
entrances:
  front:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    readers: [front]
    factors: ${text}
    strike: {controller: front, output: 0}
`,
      '/etc/lintel/riverside.yaml',
      DRIVERS,
    );
  const errorsOf = (...given: Parameters<typeof asks>) => asks(...given).problems.filter(({ severity }) => severity === 'error'); // prettier-ignore
  expect(errorsOf('card_and_biometric', ', biometrics: {threshold: 140}')).toEqual([]);
  expect(errorsOf('card_and_biometric')).toMatchObject([
    { key: 'entrances.front.readers[0]', message: expect.stringContaining('front reads no fingers or faces') },
  ]);
  expect(errorsOf('card_and_biometric', ', biometrics: {}, secure_channel: none')).toMatchObject([
    { key: 'controllers.front.biometrics' },
  ]);
  expect(errorsOf('biometric', ', biometrics: {}')).toMatchObject([
    { key: 'entrances.front.factors', message: expect.stringContaining('a card must say whose') },
  ]);
});
