// The building in which the process is killed: two doors with readers on serial lines and a gate, on a board
// of relays, and a store room behind a panel with a table of its own. The devices stay when the agent goes; they are on
// real ports, and may be cut off.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startModbusDevices, type ModbusSimulator } from '../../../drivers/modbus/simulator.ts';
import type { OutputChange, SimulatedUnit } from '../../../drivers/modbus/simulator-unit.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { startUartReader, type UartReader } from '../../../drivers/uart/simulator.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { freePort } from '../../support/ports.ts';
import { BrokerProcess } from '../broker-process.ts';

export const FACILITY = 'crashed';
const SYSTEM = 'c4a50000-0000-4000-8000-000000000000';
/** The doors with a reader of ours, and the output of each. */
export const DOORS = { lobby: 0, workshop: 1 } as const;
export type DoorName = keyof typeof DOORS;
export const DOOR_NAMES = Object.keys(DOORS) as DoorName[];
/** At its reader nobody shows anything: it opens by commands alone. */
export const GATE_OUTPUT = 2;
const READERS = [...DOOR_NAMES, 'gate'] as const;
type ReaderName = (typeof READERS)[number];
export const ENTRANCES = {
  lobby: 'c4a50000-0000-4000-8000-00000000e001',
  workshop: 'c4a50000-0000-4000-8000-00000000e002',
  gate: 'c4a50000-0000-4000-8000-00000000e003',
  store: 'c4a50000-0000-4000-8000-00000000e004',
} as const;
const SITE_CODE = 123;
/** Of an X25519 identity that nobody kept: these backups are made, not opened. */
const RECOVERY_KEY = 'age1m9esu3lju7zsq5vsmxuuu7jr4clf0e0e4gwh235w8sq3hq3ty9tqf3ah8z';

export const cardNumber = (number: number): string => `H10301:${SITE_CODE}:${number}`;
const tagOf = (number: number): string =>
  `0000${SITE_CODE.toString(16).padStart(2, '0')}${number.toString(16).padStart(4, '0')}`;

export class Place {
  readonly folder: string;
  readonly state: string;
  readonly file: string;
  readonly broker: BrokerProcess;
  readonly relayLine: ModbusSimulator;
  readonly panelLine: ModbusSimulator;
  readonly #readers: Readonly<Record<ReaderName, UartReader>>;
  #newest: OutputChange | undefined;

  static async raise(parent: string = tmpdir()): Promise<Place> {
    const folder = mkdtempSync(join(parent, 'lintel-crash-'));
    const broker = await BrokerProcess.make(folder);
    await broker.start();
    const reader = (): Promise<UartReader> =>
      startUartReader({
        port: 'tcp://127.0.0.1:0',
        frame: 'rdm6300',
        clock: systemClock,
        openPort: portOpener(systemClock),
      });
    const line = async (kind: 'tcp' | 'rtu-over-tcp', profile: string): Promise<ModbusSimulator> =>
      await startModbusDevices({
        listen: { kind, port: await freePort() },
        units: [{ unit: 1, profile }],
        clock: systemClock,
      });
    const [relayLine, panelLine] = [
      await line('rtu-over-tcp', 'waveshare-relay-d-8ch'),
      await line('tcp', 'plc-door-2'),
    ];
    return new Place(folder, broker, relayLine, panelLine, {
      lobby: await reader(),
      workshop: await reader(),
      gate: await reader(),
    });
  }

  private constructor(
    folder: string,
    broker: BrokerProcess,
    relayLine: ModbusSimulator,
    panelLine: ModbusSimulator,
    readers: Readonly<Record<ReaderName, UartReader>>,
  ) {
    this.folder = folder;
    this.state = join(folder, 'state');
    mkdirSync(this.state);
    this.broker = broker;
    this.relayLine = relayLine;
    this.panelLine = panelLine;
    this.#readers = readers;
    this.file = join(folder, `${FACILITY}.yaml`);
    writeFileSync(this.file, this.#facilityFile());
  }

  get relays(): SimulatedUnit {
    return this.relayLine.unit(1);
  }

  get panel(): SimulatedUnit {
    return this.panelLine.unit(1);
  }

  /** False where nobody hears the reader. */
  async present(door: DoorName, card: number): Promise<boolean> {
    const reader = this.#readers[door];
    if (!reader.connected) return false;
    await reader.present(tagOf(card));
    return true;
  }

  reader(door: DoorName): Pick<UartReader, 'unplug'> {
    return this.#readers[door];
  }

  isOn(output: number): boolean {
    return this.relays.output(output);
  }

  /** Which relays went on since it was last asked. */
  takePulses(): number[] {
    const { outputChanges } = this.relays;
    const from = this.#newest === undefined ? 0 : outputChanges.lastIndexOf(this.#newest) + 1;
    this.#newest = outputChanges.at(-1);
    return outputChanges.slice(from).flatMap(({ output, energised }) => (energised ? [output] : []));
  }

  /** Whatever was cut is there again. */
  async mend(): Promise<void> {
    for (const line of [this.relayLine, this.panelLine]) {
      await line.cut();
      await line.start();
    }
    for (const name of READERS) {
      await this.#readers[name].unplug();
      await this.#readers[name].plug();
    }
  }

  /** In order. */
  codesAtPanel(): string[] {
    const { table } = this.panel.profile.credentials ?? {};
    const slots = Array.from({ length: table?.count ?? 0 }, (_, i) =>
      this.panel.doors.slot((table?.first_slot ?? 0) + i),
    );
    return slots.flatMap(({ enabled, pin }) => (enabled && pin !== null ? [pin] : [])).sort();
  }

  async close(): Promise<void> {
    await Promise.all([this.relayLine.close(), this.panelLine.close()]);
    for (const name of READERS) await this.#readers[name].stop();
    await this.broker.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 });
  }

  #facilityFile(): string {
    const readers = READERS.map((name) => [name, this.#readers[name].address ?? ''] as const);
    return `
facility: ${FACILITY}
acs_system_id: ${SYSTEM}
display_name: Crashed House
time_zone: Europe/Oslo
clock: {trust: always}
mqtt: {url: "${this.broker.url}"}
store:
  path: ${join(this.state, 'lintel.db')}
  events: {keep: 90d}
  backup: {recovery_key: ${RECOVERY_KEY}, keep: 3}
buses:
  lan: {driver: modbus, transport: tcp, host: 127.0.0.1, port: ${this.panelLine.port}}
  plant: {driver: modbus, transport: rtu, port: "tcp://127.0.0.1:${this.relayLine.port}", baud: 115200}
${readers.map(([door, address]) => `  ${door}-line: {driver: uart, port: "${address}", baud: 9600, frame: rdm6300}`).join('\n')}
controllers:
  store-panel: {bus: lan, unit: 1, profile: plc-door-2}
  relay-board: {bus: plant, unit: 1, profile: waveshare-relay-d-8ch}
${readers.map(([door]) => `  ${door}-reader: {bus: ${door}-line, card_formats: [H10301], debounce: 500ms}`).join('\n')}
entrances:
${Object.entries({ ...DOORS, gate: GATE_OUTPUT })
  .map(
    ([door, output]) => `  ${door}:
    acs_entrance_id: ${ENTRANCES[door as ReaderName]}
    display_name: ${door}
    readers: [${door}-reader]
    factors: card
    strike: {controller: relay-board, output: ${output}, pulse: 300ms}`,
  )
  .join('\n')}
  store:
    acs_entrance_id: ${ENTRANCES.store}
    display_name: store
    controller: store-panel
    door: 1
policy:
  default_card_format: {format: H10301, facility_code: ${SITE_CODE}}
`;
  }
}
