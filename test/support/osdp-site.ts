// A site of OSDP readers for tests: a real Mosquitto, simulated readers on one line of pseudo terminals, a relay board
// behind a converter, and the agent with its control socket that serves them.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../drivers/modbus/simulator-unit.ts';
import type { SimulatedReaderOptions } from '../../drivers/osdp/simulated-device.ts';
import { SimulatedReader } from '../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../drivers/osdp/simulator.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { serve, type Serving } from '../../src/cli/serve.ts';
import { encodeWiegand } from '../../src/domain/card-formats.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { formatProblems } from '../../src/facility/format.ts';
import { loadFacility } from '../../src/facility/load.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { startMosquitto, type Broker } from './mosquitto.ts';
import { freePort, openPtyPair, until, type PtyPair } from './ports.ts';
import { silentLog, SYSTEM, type ParsedReply } from './room.ts';
import { sender, type Sender } from './sender.ts';
import { openStore, temporaryFolder } from './store.ts';

export const FRONT = '55555555-5555-5555-5555-000000000001';
export const VAULT = '55555555-5555-5555-5555-000000000002';
export const STOCK = '55555555-5555-5555-5555-000000000003';
export const OFFICE = '55555555-5555-5555-5555-000000000004';

/** The readers of the facility file below, by name, with their addresses. */
const ADDRESSES = { 'front-reader': 1, 'vault-reader': 2, 'stock-reader': 3, 'office-reader': 4 } as const;
export type ReaderName = keyof typeof ADDRESSES;
const SECURE: readonly ReaderName[] = ['front-reader', 'vault-reader', 'office-reader'];
const isReaderName = (name: string): name is ReaderName => name in ADDRESSES;

export type EventBody = Record<string, unknown> & { sequence: number; event_type: string };

export type OsdpSite = {
  folder: string;
  socket: string;
  broker: Broker;
  pty: PtyPair;
  line: SimulatedLine;
  relays: SimulatedUnit;
  tower: Sender;
  reader(name: ReaderName): SimulatedReader;
  /** Starts the agent; stopped when the test ends, if the test has not done so. */
  serve(): Promise<Serving>;
  /** Commands over the broker; the reply. */
  command(name: string, params: Record<string, unknown>): Promise<ParsedReply>;
  /** Events of this type that have arrived over the broker. */
  heard(eventType: string): EventBody[];
  /** Waits for the `count`th event of this type, and gives it. */
  event(eventType: string, count?: number): Promise<EventBody>;
  /** Everything that left over the broker, and every file of the agent. */
  everythingTold(): Buffer;
};

/**
 * Readers have keys of their own that the store holds already, unless `key: null` is said for them. Only those named in
 * `readers` are there; default: all. `changed`: the facility file, in place of the one below.
 */
export async function raiseOsdpSite(
  readers: Readonly<Partial<Record<ReaderName, SimulatedReaderOptions>>> = {},
  changed: (facility: string) => string = (facility) => facility,
): Promise<OsdpSite> {
  const folder = temporaryFolder();
  const broker = await startMosquitto();
  const relayPort = await freePort();
  const relayLine = await startModbusDevices({
    listen: { kind: 'rtu-over-tcp', port: relayPort },
    units: [{ unit: 1, profile: 'waveshare-relay-d-8ch' }],
    clock: systemClock,
  });
  const pty = await openPtyPair();
  const sims = new Map<ReaderName, SimulatedReader>();
  const keys = new Map<ReaderName, Buffer>();
  for (const [name, address] of Object.entries(ADDRESSES)) {
    if (!isReaderName(name)) continue;
    const key = SECURE.includes(name) && readers[name]?.key !== null ? systemRandom.bytes(16) : null;
    if (key !== null) keys.set(name, key);
    sims.set(name, new SimulatedReader(systemClock, systemRandom, { address, ...readers[name], key }));
  }
  const context = { clock: systemClock, random: systemRandom, log: silentLog, openPort: portOpener(systemClock) };
  const line = new SimulatedLine(
    [...sims.values()],
    { at: { path: pty.b }, baud: 115200, paced: false, turnaroundMs: 1 },
    context,
  );
  await line.start();
  onTestFinished(async () => {
    await Promise.all([line.stop(), relayLine.close()]);
    await pty.close();
  });
  const file = join(folder, 'riverside.yaml');
  writeFileSync(file, changed(facilityText(folder, broker.url, pty.a, `tcp://127.0.0.1:${relayPort}`)));
  giveKeys(folder, keys);
  const tower = await sender(broker.url);
  const heard = (eventType: string): EventBody[] =>
    tower.heard
      .filter((message) => message.topic.includes('/event/'))
      .map((message) => JSON.parse(message.payload) as EventBody)
      .filter((event) => event.event_type === eventType);
  const socket = join(folder, 'control.sock');
  let commands = 0;
  return {
    folder,
    socket,
    broker,
    pty,
    line,
    relays: relayLine.unit(1),
    tower,
    reader(name) {
      const sim = sims.get(name);
      if (sim === undefined) throw new Error(`no simulated reader ${name}`);
      return sim;
    },
    async serve() {
      const { facility, problems } = loadFacility(file, DRIVERS);
      if (facility === null) throw new Error(formatProblems(problems));
      const serving = await serve({ facility, version: '0.0.0-test', log: silentLog, env: {}, socket });
      let stopped: Promise<void> | null = null;
      const stop = (): Promise<void> => (stopped ??= serving.stop());
      onTestFinished(stop);
      return { ...serving, stop };
    },
    async command(name, params) {
      const command_id = `o-${process.pid}-${++commands}`;
      await tower.publish(name, { command_id, params });
      const found = (): ParsedReply | undefined => tower.replies().find((one) => one.command_id === command_id);
      await until(() => found() !== undefined, `a reply to ${name}`);
      const reply = found();
      if (reply === undefined) throw new Error('it was there a moment ago');
      return reply;
    },
    heard,
    async event(eventType, count = 1) {
      await until(() => heard(eventType).length >= count, `event ${count} of ${eventType}`, 20_000);
      const event = heard(eventType)[count - 1];
      if (event === undefined) throw new Error('it was there a moment ago');
      return event;
    },
    everythingTold: () =>
      Buffer.concat([
        ...tower.heard
          .filter(({ topic }) => !topic.includes('/command/'))
          .map(({ topic, payload }) => Buffer.from(`${topic} ${payload}\n`)),
        ...readdirSync(folder, { withFileTypes: true })
          .filter((entry) => entry.isFile() && entry.name.startsWith('lintel.db'))
          .map((entry) => readFileSync(join(folder, entry.name))),
      ]),
  };
}

/** As they would be after an install window. */
function giveKeys(folder: string, keys: ReadonlyMap<string, Buffer>): void {
  const store = openStore(folder, systemClock);
  for (const [name, key] of keys) {
    store.readerKeys.savePending(name, key, 'installed');
    store.readerKeys.activate(name);
  }
  store.close();
}

const facilityText = (folder: string, broker: string, line: string, relays: string): string => `
facility: riverside
acs_system_id: ${SYSTEM}
time_zone: Europe/Oslo
clock: {trust: always}
mqtt: {url: "${broker}"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d}}
buses:
  north: {driver: osdp, port: "${line}", baud: 115200}
  plant: {driver: modbus, transport: rtu, port: "${relays}", baud: 115200}
controllers:
  front-reader:
    bus: north
    address: 1
    inputs: 2
    outputs: 1
    pin_timeout: 2s
    card_formats: [H10301, C1000-35, uid]
    feedback:
      ready: {text: "Hold card"}
      granted: {text: "Welcome"}
      denied: {text: "Sorry"}
      locked_out: {text: "Locked"}
  vault-reader: {bus: north, address: 2, card_formats: [H10301], feedback: {prompt_pin: {text: "Enter PIN"}}}
  stock-reader: {bus: north, address: 3, secure_channel: none, card_formats: [H10301]}
  office-reader: {bus: north, address: 4, card_formats: [H10301]}
  relay-board: {bus: plant, unit: 1, profile: waveshare-relay-d-8ch}
entrances:
  front:
    acs_entrance_id: ${FRONT}
    display_name: Front
    readers: [front-reader]
    factors: card_or_code
    strike: {controller: front-reader, output: 0, pulse: 700ms}
    contact: {controller: front-reader, input: 0, held_after: 30s}
    rex: {controller: front-reader, input: 1}
  vault:
    acs_entrance_id: ${VAULT}
    display_name: Vault
    readers: [vault-reader]
    factors: card_and_code
    strike: {controller: relay-board, output: 0, pulse: 700ms}
  stock:
    acs_entrance_id: ${STOCK}
    display_name: Stock
    readers: [stock-reader]
    factors: card
    strike: {controller: relay-board, output: 1, pulse: 700ms}
  office:
    acs_entrance_id: ${OFFICE}
    display_name: Office
    readers: [office-reader]
    factors: code
    strike: {controller: relay-board, output: 2, pulse: 700ms}
policy:
  default_card_format: {format: H10301, facility_code: 123}
  lockout: {attempts: 3}
`;

/** Shows a Wiegand card, `H10301:123:45678`. */
export function present(reader: SimulatedReader, card: string): void {
  const bits = encodeWiegand(card);
  if (bits === null) throw new Error(`${card} has no bits`);
  reader.presentCard(bits.widthBits, bits.bytes);
}

/**
 * These devices are online, and readers among them have been polled since, so that what is shown to them now is taken.
 */
export async function online(site: OsdpSite, serving: Serving, names: readonly string[]): Promise<void> {
  const isUp = (name: string): boolean =>
    serving.agent.controllers().some((controller) => controller.name === name && controller.status.online);
  await until(() => names.every(isUp), `${names.join(', ')} to be online`, 20_000);
  for (const name of names.filter(isReaderName)) {
    const polls = site.reader(name).count('POLL');
    await until(() => site.reader(name).count('POLL') >= polls + 2, `${name} to be polled`);
  }
}

export const EVERY_DEVICE = [...Object.keys(ADDRESSES), 'relay-board'];
