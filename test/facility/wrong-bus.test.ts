import { expect, it } from 'vitest';
import { DRIVERS } from '../../src/drivers.ts';
import { loadFacilityText } from '../../src/facility/load.ts';

const building = (buses: string): string => `facility: riverside
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: Europe/Oslo
mqtt: {url: "mqtts://broker.example"}
store: {events: {keep: 90d}}
policy: {default_card_format: {format: uid}}
buses:
${buses}
controllers:
  relays: {bus: plant, unit: 010, profile: waveshare-relay-d-8ch}
  again: {bus: plant, unit: 10, profile: waveshare-relay-d-8ch}
  reader: {bus: desk}
entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    readers: [reader]
    factors: card_and_code
    strike: {controller: relays, output: 99}
    contact: {controller: relays, input: 12}
  side:
    acs_entrance_id: 55555555-5555-5555-5555-555555555556
    readers: [relays]
    strike: {controller: again, output: 9}
`;
const keysOf = (text: string, severity: 'error' | 'warning'): string[] =>
  loadFacilityText(text, '/etc/lintel/riverside.yaml', DRIVERS)
    .problems.filter((problem) => problem.severity === severity)
    .map(({ key }) => key);

const PLANT = '  plant: {driver: modbus, transport: rtu, port: /dev/ttyUSB0, baud: 9600}';
const DESK = '  desk: {driver: uart, port: /dev/ttyUSB1, baud: 9600, frame: rdm6300}';
/** What is wrong with the devices and doors, whatever their buses are. */
const BEHIND = [
  'controllers.again.unit',
  'entrances.lobby.readers[0]',
  'entrances.lobby.strike.output',
  'entrances.lobby.contact.input',
  'entrances.side.readers[0]',
  'entrances.side.strike.output',
];

it('a wrong bus hides nothing that is wrong with the devices on it and the doors behind them', () => {
  expect(keysOf(building(`${PLANT}\n${DESK}`), 'error')).toEqual(BEHIND);
  const broken = building(`${PLANT.replace('9600', '12345678')}\n${DESK.replace('port: /dev/ttyUSB1, ', '')}`);
  expect(keysOf(broken, 'error')).toEqual(['buses.plant.baud', 'buses.desk.port', ...BEHIND]);
});

it('a wrong key of a device hides nothing of the doors behind it', () => {
  const broken = building(`${PLANT}\n${DESK}`).replace('{bus: desk}', '{bus: desk, card_formats: [H1031]}');
  expect(keysOf(broken, 'error')).toEqual([
    'controllers.again.unit',
    'controllers.reader.card_formats[0]',
    ...BEHIND.slice(1),
  ]);
});

it('a number with a leading zero is asked about, and stops nothing', () => {
  const text = building(`${PLANT}\n${DESK}`);
  const { problems } = loadFacilityText(text, '/etc/lintel/riverside.yaml', DRIVERS);
  expect(problems.find(({ key }) => key === 'controllers.relays.unit')).toMatchObject({
    severity: 'warning',
    message: '010 is read as 10: a leading zero means nothing here',
    remedy: 'Write 10, or 8 if octal was meant.',
  });
});

it('a default for bare card numbers that no door reads is asked about', () => {
  const text = building(`${PLANT}\n${DESK}`);
  expect(keysOf(text, 'warning')).not.toContain('policy.default_card_format');
  expect(keysOf(text.replace(/^policy.*\n/m, ''), 'warning')).toContain('policy.default_card_format');
});
