// The block of fifty doors that is soaked: each with a reader on a line of its own, their strikes on seven boards, and a
// store room behind a panel. All of it on real ports.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startModbusDevices, type ModbusSimulator } from '../../drivers/modbus/simulator.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { startUartReader, type UartReader } from '../../drivers/uart/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { BrokerProcess } from '../crash/broker-process.ts';
import { freePort } from '../support/ports.ts';

export const DOORS = 50;
const OUTPUTS_EACH = 8;
export const FACILITY = 'soaked';
export const STORE_ROOM = '50a40000-0000-4000-8000-0000000000ff';
/** So many events are kept: what retention takes away is part of the soak. */
const EVENTS_KEPT = 50_000;

export const entranceOf = (door: number): string =>
  `50a40000-0000-4000-8000-00000000e0${String(door).padStart(2, '0')}`;
export const cardNumber = (number: number): string => `H10301:123:${number}`;
const tagOf = (number: number): string => `00007B${number.toString(16).padStart(4, '0')}`;

export type Block = {
  folder: string;
  database: string;
  file: string;
  broker: BrokerProcess;
  boards: readonly ModbusSimulator[];
  panel: ModbusSimulator;
  readers: readonly UartReader[];
  present: (door: number, card: number) => void;
  close: () => Promise<void>;
};

export async function raiseBlock(): Promise<Block> {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-soak-'));
  mkdirSync(join(folder, 'state'));
  const broker = await BrokerProcess.make(folder);
  await broker.start();
  const line = async (kind: 'tcp' | 'rtu-over-tcp', profile: string): Promise<ModbusSimulator> =>
    await startModbusDevices({ listen: { kind, port: await freePort() }, units: [{ unit: 1, profile }], clock: systemClock }); // prettier-ignore
  const boards: ModbusSimulator[] = [];
  for (let i = 0; i < Math.ceil(DOORS / OUTPUTS_EACH); i++) boards.push(await line('rtu-over-tcp', 'waveshare-relay-d-8ch')); // prettier-ignore
  const panel = await line('tcp', 'plc-door-2');
  const openPort = portOpener(systemClock);
  const readers: UartReader[] = [];
  for (let i = 0; i < DOORS; i++) readers.push(await startUartReader({ port: 'tcp://127.0.0.1:0', frame: 'rdm6300', clock: systemClock, openPort })); // prettier-ignore
  const database = join(folder, 'state', 'lintel.db');
  const file = join(folder, `${FACILITY}.yaml`);
  writeFileSync(
    file,
    `
facility: ${FACILITY}
acs_system_id: 50a40000-0000-4000-8000-000000000000
display_name: Soaked House
time_zone: Europe/Oslo
clock: {trust: always}
mqtt: {url: "${broker.url}"}
store: {path: ${database}, events: {keep: 90d, max: ${EVENTS_KEPT}}}
buses:
  lan: {driver: modbus, transport: tcp, host: 127.0.0.1, port: ${panel.port}}
${boards.map(({ port }, i) => `  plant-${i}: {driver: modbus, transport: rtu, port: "tcp://127.0.0.1:${port}", baud: 9600}`).join('\n')}
${readers.map(({ address }, i) => `  line-${i}: {driver: uart, port: "${address ?? ''}", baud: 9600, frame: rdm6300}`).join('\n')}
controllers:
  store-panel: {bus: lan, unit: 1, profile: plc-door-2}
${boards.map((_, i) => `  board-${i}: {bus: plant-${i}, unit: 1, profile: waveshare-relay-d-8ch}`).join('\n')}
${readers.map((_, i) => `  reader-${i}: {bus: line-${i}, card_formats: [H10301], debounce: 500ms}`).join('\n')}
entrances:
${readers
  .map(
    (_, i) => `  door-${i}:
    acs_entrance_id: ${entranceOf(i)}
    display_name: Door ${i}
    readers: [reader-${i}]
    factors: card
    strike: {controller: board-${Math.floor(i / OUTPUTS_EACH)}, output: ${i % OUTPUTS_EACH}, pulse: 500ms}`,
  )
  .join('\n')}
  store-room:
    acs_entrance_id: ${STORE_ROOM}
    display_name: Store room
    controller: store-panel
    door: 1
policy:
  default_card_format: {format: H10301, facility_code: 123}
`,
  );
  return {
    ...{ folder, database, file, broker, boards, panel, readers },
    present: (door, card) => void readers[door]?.present(tagOf(card)),
    close: async () => {
      await Promise.all([...boards, panel].map((device) => device.close()));
      for (const reader of readers) await reader.stop();
      await broker.end('SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}
