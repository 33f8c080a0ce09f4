import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DRIVERS } from '../../src/drivers.ts';
import { loadFacilityText } from '../../src/facility/load.ts';
import { unmarked } from './files.ts';

const FILE = join(import.meta.dirname, '..', '..', 'config', 'riverside.yaml');

/** A building with one mistake of each kind that only a driver can know. */
const BROKEN = `facility: riverside
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: Europe/Oslo
mqtt: {embedded: 1883}
store: {events: {keep: 90d}}
buses:
  plant: {driver: modbus, port: "tcp://127.0.0.1:15021", baud: 9600}
  lan: {driver: modbus, transport: tcp, host: 127.0.0.1}
  ¶far: {driver: modbus, transport: tcp}
  north: {driver: osdp, port: ¶tcp://192.0.2.30, baud: ¶12345}
  annex: {driver: soyal, port: /dev/ttyAMA0, answer_within: ¶3}
  desk: {driver: uart, port: /dev/ttyAMA1, frame: ¶rdm630}
  yard: {driver: uart, port: /dev/ttyAMA2, frame: rdm6300}
controllers:
  relay-board: {bus: plant, unit: 1, profile: ¶waveshare-relay-8-ch}
  panel: {bus: lan, unit: 1, profile: plc-door-2}
  twin: {bus: lan, unit: ¶1, profile: plc-door-2}
  ¶lobby-reader: {bus: north, ¶adress: 1}
  gate: {bus: annex, address: ¶300}
  desk-reader: {bus: desk}
  yard-reader: {bus: yard}
  other-reader: {bus: ¶yard}
entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    readers: [yard-reader, other-reader, ¶panel]
    factors: card
    strike: {controller: panel, output: ¶2}
`;

describe('the drivers of the house', () => {
  it('have their say at the right lines', () => {
    const { text, places } = unmarked(BROKEN);
    const { facility, problems } = loadFacilityText(text, FILE, DRIVERS);
    const errors = problems.filter((problem) => problem.severity === 'error');
    expect(facility).toBeNull();
    expect(errors.map(({ line, column, key }) => `${line}:${column} ${key}`)).toEqual(
      [
        'buses.far.host',
        'buses.north.port',
        'buses.north.baud',
        'buses.annex.answer_within',
        'buses.desk.frame',
        'controllers.relay-board.profile',
        'controllers.twin.unit',
        'controllers.lobby-reader.address',
        'controllers.lobby-reader.adress',
        'controllers.gate.address',
        'controllers.other-reader.bus',
        'entrances.lobby.readers[2]',
        'entrances.lobby.strike.output',
      ].map((key, i) => `${places[i] ?? 'unmarked'} ${key}`),
    );
  });

  it('make it a doubt when an exit button is looked at less often than a strike may be late', () => {
    const warnings = (inputPeriod: string): string[] => {
      const text = `facility: riverside
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: Europe/Oslo
mqtt: {embedded: 1883}
store: {events: {keep: 90d}}
buses:
  plant: {driver: modbus, transport: tcp, host: 127.0.0.1}
  desk: {driver: uart, port: /dev/ttyAMA1, frame: rdm6300}
controllers:
  board: {bus: plant, unit: 1, profile: waveshare-io-8ch, input_period: ${inputPeriod}}
  desk-reader: {bus: desk}
entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    readers: [desk-reader]
    factors: card
    strike: {controller: board, output: 0}
    rex: {controller: board, input: 1}
`;
      const { problems } = loadFacilityText(text, FILE, DRIVERS);
      return problems
        .filter(({ key }) => key.startsWith('entrances.lobby.rex'))
        .map(({ key, message }) => `${key} ${message}`);
    };
    expect(warnings('1s')).toEqual([]);
    expect(warnings('3s')).toEqual([
      expect.stringContaining('entrances.lobby.rex.input the inputs of board are looked at every 3s'),
    ]);
  });
});
