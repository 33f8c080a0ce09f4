// A whole building for tests: a real Mosquitto, simulated devices on real ports, and a facility file for the agent that
// serves it.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startModbusDevices, type ModbusSimulator } from '../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../drivers/modbus/simulator-unit.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { startUartReader, type UartReader } from '../../drivers/uart/simulator.ts';
import { Agent } from '../../src/agent/agent.ts';
import type { Facility } from '../../src/domain/facility.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { formatProblems } from '../../src/facility/format.ts';
import { loadFacility } from '../../src/facility/load.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { vouchersFor } from '../../src/ops/clock-vouchers.ts';
import { systemCron } from '../../src/ops/cron.ts';
import { startMosquitto, type Broker } from './mosquitto.ts';
import { freePort, until } from './ports.ts';
import { PROGRAM } from './program.ts';
import { LOBBY, silentLog, STORE_ROOM, SYSTEM } from './room.ts';
import { sender, type Sender } from './sender.ts';
import { temporaryFolder } from './store.ts';

/** Ends the wait for a program that does not come up: a busy machine needs its time. */
const STARTED_MS = 120_000;

export type Building = {
  folder: string;
  file: string;
  facility: Facility;
  broker: Broker;
  panel: SimulatedUnit;
  relays: SimulatedUnit;
  panelLine: ModbusSimulator;
  relayLine: ModbusSimulator;
  reader: UartReader;
  tower: Sender;
  /** Starts an agent in this process; it is stopped when the test ends. */
  serve: () => Promise<Agent>;
  /** Starts `lintel run` as a process of its own, which a test may kill; resolves when it serves. */
  spawn: () => Promise<Spawned>;
};

export type Spawned = { kill: () => Promise<void>; terminate: () => Promise<number | null>; output: () => string };

export async function raiseBuilding(): Promise<Building> {
  const folder = temporaryFolder();
  const broker = await startMosquitto();
  const [panelPort, relayPort] = [await freePort(), await freePort()];
  const panelLine = await startModbusDevices({
    listen: { kind: 'tcp', port: panelPort },
    units: [{ unit: 1, profile: 'plc-door-2', strikeMs: 500 }],
    clock: systemClock,
  });
  const relayLine = await startModbusDevices({
    listen: { kind: 'rtu-over-tcp', port: relayPort },
    units: [{ unit: 1, profile: 'waveshare-relay-d-8ch' }],
    clock: systemClock,
  });
  const reader = await startUartReader({
    port: 'tcp://127.0.0.1:0',
    frame: 'rdm6300',
    clock: systemClock,
    openPort: portOpener(systemClock),
  });
  onTestFinished(async () => {
    await Promise.all([panelLine.close(), relayLine.close(), reader.stop()]);
  });
  const file = join(folder, 'riverside.yaml');
  writeFileSync(
    file,
    `
facility: riverside
acs_system_id: ${SYSTEM}
display_name: Riverside House
time_zone: Europe/Oslo
clock: {trust: always}
mqtt: {url: "${broker.url}"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d, max: 100_000}}
buses:
  lan: {driver: modbus, transport: tcp, host: 127.0.0.1, port: ${panelPort}}
  plant: {driver: modbus, transport: rtu, port: "tcp://127.0.0.1:${relayPort}", baud: 115200}
  desk: {driver: uart, port: "${reader.address ?? ''}", baud: 9600, frame: rdm6300}
controllers:
  store-panel: {bus: lan, unit: 1, profile: plc-door-2}
  relay-board: {bus: plant, unit: 1, profile: waveshare-relay-d-8ch}
  lobby-reader: {bus: desk, card_formats: [H10301, uid]}
entrances:
  lobby:
    acs_entrance_id: ${LOBBY}
    display_name: Lobby
    readers: [lobby-reader]
    factors: card
    strike: {controller: relay-board, output: 0, pulse: 500ms}
    contact: {controller: relay-board, input: 0, held_after: 30s}
    rex: {controller: relay-board, input: 1}
  store-room:
    acs_entrance_id: ${STORE_ROOM}
    display_name: Store room
    controller: store-panel
    door: 1
policy:
  default_card_format: {format: H10301, facility_code: 123}
`,
  );
  const { facility, problems } = loadFacility(file, DRIVERS);
  if (facility === null) throw new Error(formatProblems(problems));
  // Its session outlives the broker, as a tower's does: what it missed is delivered.
  const tower = await sender(broker.url, {
    clean: false,
    clientId: 'tower',
    reconnectPeriod: 300,
    properties: { sessionExpiryInterval: 3600 },
  });
  return {
    folder,
    file,
    facility,
    broker,
    panel: panelLine.unit(1),
    relays: relayLine.unit(1),
    panelLine,
    relayLine,
    reader,
    tower,
    serve: () => serveFacility(file),
    spawn: () => spawnAgent(file, folder),
  };
}

/** An agent in this process that serves this file; it is stopped when the test ends. */
export async function serveFacility(file: string, clock: Clock = systemClock): Promise<Agent> {
  const { facility, problems } = loadFacility(file, DRIVERS);
  if (facility === null) throw new Error(formatProblems(problems));
  const agent = new Agent({
    facility,
    drivers: DRIVERS,
    version: '0.0.0-test',
    clock,
    random: systemRandom,
    cron: systemCron,
    log: silentLog,
    openPort: portOpener(clock),
    env: {},
    vouchers: vouchersFor('always', clock),
    bootRecord: null,
    brokerFolder: null,
  });
  onTestFinished(() => agent.stop());
  await agent.start();
  return agent;
}

async function spawnAgent(file: string, folder: string): Promise<Spawned> {
  const child = spawn(PROGRAM, ['run', '--config', file, '--socket', join(folder, 'control.sock')], {
    env: { ...process.env, LINTEL_LOG: 'info' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => void child.once('exit', (code) => resolve(code)));
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> => {
    child.kill(signal);
    return await ended;
  };
  onTestFinished(async () => {
    await end('SIGKILL');
  });
  // A socket file may be left from a process that was killed: it serves when it answers.
  let isServing = false;
  const knock = (): void => {
    const socket = connect(join(folder, 'control.sock'));
    socket.once('connect', () => {
      isServing = true;
      socket.destroy();
    });
    socket.once('error', () => setTimeout(knock, 50));
  };
  knock();
  await until(() => isServing || child.exitCode !== null, 'lintel run serves', STARTED_MS);
  if (child.exitCode !== null) throw new Error(`lintel run ended with ${child.exitCode}: ${output}`);
  const kill = async (): Promise<void> => {
    await end('SIGKILL');
  };
  return { kill, terminate: () => end('SIGTERM'), output: () => output };
}

/** Everything is up: broker, devices, clock. */
export async function allOnline(agent: Agent): Promise<void> {
  await until(
    () => agent.controllers().every((controller) => controller.status.online) && agent.time().trusted,
    'every device is online',
    STARTED_MS,
  );
}
