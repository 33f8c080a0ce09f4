// The building of config/demo.yaml, put up on 127.0.0.1: the broker, the simulated devices on real ports, and the
// agent, all in this process and all over again from nothing in a temp folder.

import { openSync, closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { startModbusDevices, type Listen, type ModbusSimulator } from '../../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../../drivers/modbus/simulator-unit.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { startUartReader, type UartReader } from '../../../drivers/uart/simulator.ts';
import type { Agent } from '../../agent/agent.ts';
import type { Presented, Presenter } from '../../console/swipe.ts';
import { OperatingError } from '../../domain/errors.ts';
import { DRIVERS } from '../../drivers.ts';
import { formatProblems } from '../../facility/format.ts';
import { loadFacility } from '../../facility/load.ts';
import { BROKER_USER, layOut } from '../../mqtt/broker-password.ts';
import { EmbeddedBroker } from '../../mqtt/broker.ts';
import { systemClock } from '../../ops/clock.ts';
import { createLog } from '../../ops/log.ts';
import { systemRandom } from '../../ops/random.ts';
import { pause } from '../pause.ts';
import { serve, type Serving } from '../serve.ts';
import type { Fields } from '../../domain/fields.ts';
import { presentCard } from '../simulators/osdp-reader.ts';
import { uidOfCard } from '../simulators/uart-reader.ts';
import { HOME, version } from '../version.ts';
import { startGarage, type Garage } from './garage.ts';
import { openPtyLine } from './pty.ts';
import { Tower } from './tower.ts';

export type BuildOptions = {
  /** The broker's port; another one is taken when it is not free. */
  brokerPort: number;
  /** Serial lines as pseudo terminals instead of converters. */
  isPty: boolean;
  onEvent: (event: Fields) => void;
};

export type Building = {
  folder: string;
  logFile: string;
  brokerPort: number;
  /** A file with the password that the broker wants. */
  passwordFile: string;
  socket: string;
  tower: Tower;
  agent: Agent;
  /**
   * Shows a card at the lobby. Waits first until the last one has been away for so long that it counts as shown again.
   */
  present: (card: string) => Promise<void>;
  relayBoard: SimulatedUnit;
  storePanel: SimulatedUnit;
  garage: Garage;
  /** For the screen: what is where. */
  places: readonly (readonly [string, string, string])[];
  stopBroker: () => Promise<void>;
  startBroker: () => Promise<void>;
  close: () => Promise<void>;
};

const PASSWORD_BYTES = 24;
/** The driver's debounce, and a little. */
const TAG_AWAY_MS = 2_200;

export const FACILITY = 'demo';
export const TOPICS = `lintel/v1/${FACILITY}`;

/** Puts everything up; what stands already is taken down again when a part fails. */
export async function build(options: BuildOptions): Promise<Building> {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-demo-'));
  const undo: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return await putUp(options, folder, undo, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function putUp(
  options: BuildOptions,
  folder: string,
  undo: (() => Promise<void> | void)[],
  close: () => Promise<void>,
): Promise<Building> {
  const password = systemRandom.bytes(PASSWORD_BYTES).toString('base64url');
  const passwordFile = layOut(folder, password);
  const broker = new EmbeddedBroker({ username: BROKER_USER, password, owner: `lintel-${FACILITY}` });
  undo.push(() => broker.stop());
  const tower = new Tower(TOPICS, { username: BROKER_USER, password }, options.onEvent);
  undo.push(() => tower.close());
  const brokerPort = await openBroker(broker, tower, options.brokerPort);

  const devices = await startDevices(folder, options.isPty, undo);
  const file = writeFacility(folder, { brokerPort, passwordFile }, devices);
  const logFile = join(folder, 'lintel.log');
  const serving = await serveFacility(file, logFile, devices, undo);
  return {
    folder,
    logFile,
    brokerPort,
    passwordFile,
    socket: serving.socket ?? '',
    tower,
    agent: serving.agent,
    present: devices.present,
    relayBoard: devices.relays.unit(1),
    storePanel: devices.store.unit(1),
    garage: devices.garage,
    places: [
      ['broker', `mqtt://127.0.0.1:${brokerPort}`, 'built in, MQTT 3.1.1; the service above is a client of it'],
      ['lobby', devices.deskPort, 'card reader on a UART; Lintel decides'],
      ['', devices.plantPort, 'its strike, contact and exit button: a relay board, Modbus RTU'],
      ['garage', devices.garage.port, 'an OSDP reader for cards and phones, with the strike; Lintel decides'],
      ['store room', `127.0.0.1:${devices.store.port}`, 'a controller with a table of its own, Modbus TCP; it decides'],
    ],
    async stopBroker() {
      await tower.close();
      await broker.stop();
    },
    async startBroker() {
      await openBroker(broker, tower, brokerPort);
    },
    close,
  };
}

/** The service above listens before anybody else can say anything. */
async function openBroker(broker: EmbeddedBroker, tower: Tower, wanted: number): Promise<number> {
  await broker.run();
  const backDoor = await broker.listen(0);
  if (backDoor === null) throw new OperatingError('internal', 'no free port on 127.0.0.1');
  await tower.connect(backDoor);
  const port = (await broker.listen(wanted)) ?? (await broker.listen(0));
  if (port === null) throw new OperatingError('internal', 'no free port on 127.0.0.1');
  return port;
}

// ---- devices --------------------------------------------------------------------------------------------------------

type Devices = {
  store: ModbusSimulator;
  relays: ModbusSimulator;
  reader: UartReader;
  garage: Garage;
  present: (card: string) => Promise<void>;
  /** What the facility file says of the two serial lines. */
  plantPort: string;
  deskPort: string;
};

async function startDevices(folder: string, isPty: boolean, undo: (() => Promise<void> | void)[]): Promise<Devices> {
  const clock = systemClock;
  const line = async (name: string): Promise<{ gateway: string; device: string } | null> => {
    if (!isPty) return null;
    const pty = await openPtyLine(folder, name);
    undo.push(() => pty.close());
    return pty;
  };
  const store = await startModbusDevices({
    listen: { kind: 'tcp', port: 0 },
    units: [{ unit: 1, profile: 'plc-door-2' }],
    clock,
  });
  undo.push(() => store.close());
  const plant = await line('plant');
  const openPort = portOpener(clock);
  const listen: Listen =
    plant === null ? { kind: 'rtu-over-tcp', port: 0 } : { kind: 'serial', path: plant.device, baud: 9600, openPort };
  const relays = await startModbusDevices({ listen, units: [{ unit: 1, profile: 'waveshare-relay-d-8ch' }], clock });
  undo.push(() => relays.close());
  const desk = await line('desk');
  const reader = await startUartReader({
    port: desk?.device ?? 'tcp://127.0.0.1:0',
    frame: 'rdm6300',
    clock,
    openPort,
  });
  undo.push(() => reader.stop());
  const garage = await startGarage({ clock, random: systemRandom, openPort });
  undo.push(() => garage.stop());
  return {
    store,
    relays,
    reader,
    garage,
    present: presenting(reader),
    plantPort: plant?.gateway ?? `tcp://127.0.0.1:${relays.port}`,
    deskPort: desk?.gateway ?? reader.address ?? '',
  };
}

function presenting(reader: UartReader): (card: string) => Promise<void> {
  let awayAtMs = -Infinity;
  return async (card) => {
    const uid = uidOfCard(card);
    while (systemClock.monotonicMs() < awayAtMs + TAG_AWAY_MS) await pause(20);
    awayAtMs = systemClock.monotonicMs();
    await reader.present(uid);
  };
}

/** config/demo.yaml with the ports of this time. */
function writeFacility(
  folder: string,
  { brokerPort, passwordFile }: { brokerPort: number; passwordFile: string },
  devices: Devices,
): string {
  const document = parseDocument(readFileSync(join(HOME, 'config', 'demo.yaml'), 'utf8'));
  const mqtt = { url: `mqtt://127.0.0.1:${brokerPort}`, username: BROKER_USER, password: { file: passwordFile } };
  document.set('mqtt', document.createNode(mqtt));
  document.setIn(['store', 'path'], join(folder, 'lintel.db'));
  document.setIn(['buses', 'store', 'port'], devices.store.port);
  document.setIn(['buses', 'plant', 'port'], devices.plantPort);
  document.setIn(['buses', 'desk', 'port'], devices.deskPort);
  document.setIn(['buses', 'gate', 'port'], devices.garage.port);
  const file = join(folder, 'demo.yaml');
  writeFileSync(file, document.toString({ lineWidth: 0 }));
  return file;
}

async function serveFacility(
  file: string,
  logFile: string,
  devices: Devices,
  undo: (() => Promise<void> | void)[],
): Promise<Serving> {
  const { facility, problems } = loadFacility(file, DRIVERS);
  if (facility === null)
    throw new OperatingError('internal', `config/demo.yaml is wrong:\n${formatProblems(problems)}`);
  const fd = openSync(logFile, 'a', 0o600);
  let isOpen = true;
  const log = createLog({
    clock: systemClock,
    level: 'debug',
    format: 'json',
    colour: false,
    write: (line) => {
      if (isOpen) writeSync(fd, line);
    },
  });
  undo.push(() => {
    isOpen = false;
    closeSync(fd);
  });
  // Nothing of this machine's own: no unit's folders, no other building's secrets.
  const env = { PATH: process.env['PATH'] ?? '' };
  const serving = await serve({
    facility,
    version: version(),
    log,
    env,
    socket: join(file, '..', 'control.sock'),
    presenter: presenterFor(devices),
  });
  undo.push(() => serving.stop());
  return serving;
}

/** `lintel swipe --present` in this building. */
function presenterFor({ present, store, garage }: Devices): Presenter {
  return async (device: string, what: Presented) => {
    if (device === 'lobby-reader') {
      if (!('card' in what))
        throw new OperatingError('not_supported', 'lobby-reader reads cards only; it has no keypad');
      await present(what.card);
      return null;
    }
    if (device === 'garage-reader') {
      if (!('card' in what)) throw new OperatingError('not_supported', 'garage-reader reads cards and phones only');
      presentCard(garage.reader, what.card);
      return null;
    }
    if (device !== 'store-panel')
      throw new OperatingError('not_supported', `${device} is none of the simulated devices`);
    const decision = store.unit(1).doors.present(1, 'card' in what ? { card: what.card } : { pin: what.code });
    return decision.reason.replaceAll('-', ' ');
  };
}
