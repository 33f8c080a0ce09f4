// An exit button that is pressed while nobody can look at it: the line is cut, the device restarts, Lintel starts. Over
// every driver that has inputs, against its simulator, with the door that it opens.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock, Device, DriverEvent, DriverModule, InputEvent } from '../../drivers/driver.ts';
import { modbusDriver } from '../../drivers/modbus/driver.ts';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import { osdpDriver } from '../../drivers/osdp/driver.ts';
import { SimulatedReader } from '../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../drivers/osdp/simulator.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { soyalDriver } from '../../drivers/soyal/driver.ts';
import { SoyalSimulator } from '../../drivers/soyal/simulator.ts';
import { uartDriver } from '../../drivers/uart/driver.ts';
import { Door } from '../../src/access/door.ts';
import { Recorder } from '../../src/access/recorder.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { until } from '../support/ports.ts';
import { ENTRANCES, SYSTEM } from '../support/room.ts';
import { fasterClock, KEY, MemoryKeys, silentLog } from './osdp/world.ts';

/** After so long nothing is commanded any more. */
const DEADLINE_MS = 2_000;

const cleanUps: (() => Promise<void>)[] = [];
let running = 0;
beforeEach(() => {
  running++;
});
// Of tests that run side by side the last one cleans up for all.
afterEach(async () => {
  if (--running > 0) return;
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A device with an exit button at the far end of a line. */
type FarEnd = {
  bus: Record<string, unknown>;
  controller: Record<string, unknown>;
  button: number;
  press(isPressed: boolean): void;
  cut(isCut: boolean): void;
  /** Off for so long, where its simulator can be. */
  restart?(offMs: number): void;
};

type Kind = { name: string; module: DriverModule; speed: number; open(clock: Clock): Promise<FarEnd> };

const KINDS: readonly Kind[] = [
  ...[KEY, null].map((key): Kind => ({
    name: key === null ? 'osdp in the clear' : 'osdp',
    module: osdpDriver,
    // A reader counts as offline after eight seconds.
    speed: 4,
    async open(clock) {
      const reader = new SimulatedReader(clock, systemRandom, { address: 0, key });
      const line = new SimulatedLine(
        [reader],
        { at: { listen: 0 }, baud: 115_200, paced: false, turnaroundMs: 0 },
        { clock, random: systemRandom, log: silentLog, openPort: portOpener(clock) },
      );
      await line.start();
      cleanUps.push(() => line.stop());
      return {
        bus: { port: line.path, baud: 115_200 },
        controller: { address: 0, inputs: 2, secure_channel: key === null ? 'none' : 'required' },
        button: 1,
        press: (isPressed) => reader.setInput(1, isPressed ? 1 : 0),
        cut: (isCut) => void (line.faults.pulled = isCut),
        restart: (offMs) => reader.powerCycle(offMs),
      };
    },
  })),
  ...['waveshare-io-8ch', 'plc-door-2'].map((profile): Kind => ({
    name: `modbus, ${profile}`,
    module: modbusDriver,
    speed: 1,
    async open(clock) {
      const devices = await startModbusDevices({
        listen: { kind: 'rtu-over-tcp', port: 0 },
        units: [{ unit: 1, profile }],
        clock,
      });
      cleanUps.push(() => devices.close());
      const unit = devices.unit(1);
      return {
        bus: { transport: 'rtu-over-tcp', host: '127.0.0.1', port: devices.port, baud: 115_200 },
        controller: { unit: 1, profile, turnaround_max: '100ms', input_period: '50ms' },
        button: 1,
        press: (isPressed) => unit.setInput(1, isPressed),
        cut: (isCut) => void (unit.faults.silent = isCut),
      };
    },
  })),
  {
    name: 'soyal',
    module: soyalDriver,
    speed: 1,
    async open(clock) {
      const simulator = new SoyalSimulator([{ address: 1 }], clock);
      cleanUps.push(() => simulator.close());
      const port = await simulator.listen(0);
      const controller = simulator.at(1);
      return {
        bus: { port: `tcp://127.0.0.1:${port}`, baud: 115_200, answer_within: '60ms', gap: '1ms' },
        controller: { address: 1, poll: '100ms' },
        button: 1,
        press: (isPressed) => controller.door.pressExit(isPressed),
        cut: (isCut) => void (controller.faults.silent = isCut),
      };
    },
  },
];

type Scene = FarEnd & {
  clock: Clock;
  inputs: InputEvent[];
  strikes(): number;
  recorded: string[];
  /** Waits for the `count`th event of this type. */
  told(type: DriverEvent['type'], count: number): Promise<void>;
  /** Waits until the button was last told to be so. */
  known(isPressed: boolean): Promise<void>;
  start(): void;
  count(type: DriverEvent['type']): number;
};

/** The driver at the near end, with a door whose exit button is that of the device. */
async function openScene(kind: Kind): Promise<Scene> {
  const clock = kind.speed === 1 ? systemClock : fasterClock(kind.speed);
  const farEnd = await kind.open(clock);
  const busConfig = kind.module.busSchema.parse(farEnd.bus);
  const config = kind.module.controllerSchema.parse(farEnd.controller);
  const { controller } = kind.module.prepare('device', busConfig, config, '/');
  if (controller === null) throw new Error('the test’s own configuration is refused');
  let strikes = 0;
  const lock: Partial<Device> = {
    outputs: {
      pulse: () => {
        strikes++;
        return Promise.resolve({ outcome: 'done', confirmed: true });
      },
      set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
    },
  };
  const recorder = new Recorder(null, clock, silentLog);
  const recorded: string[] = [];
  recorder.note = (_source, events) =>
    void recorded.push(...events.map(({ event_type, body }) => `${event_type} ${JSON.stringify(body)}`));
  const door = new Door(
    { ...ENTRANCES.lobby, entranceKey: 1, contact: null, rex: { controller: 'device', input: farEnd.button } },
    {
      clock,
      log: silentLog,
      recorder,
      device: () => lock as Device,
      acsSystemId: SYSTEM,
      onChange: () => undefined,
    },
  );
  const keys = new MemoryKeys();
  keys.give('device', KEY);
  const events: DriverEvent[] = [];
  const inputs: InputEvent[] = [];
  const driver = kind.module.create('bus', busConfig, [controller], {
    clock,
    random: systemRandom,
    log: silentLog,
    openPort: portOpener(clock),
    readerKeys: keys,
    emit: (event) => {
      events.push(event);
      if (event.type !== 'input') return;
      if (event.input === farEnd.button) inputs.push(event);
      door.input(event);
    },
  });
  cleanUps.push(async () => {
    door.stop();
    await driver.stop(500);
  });
  const count = (type: DriverEvent['type']): number => events.filter((event) => event.type === type).length;
  return {
    ...farEnd,
    clock,
    inputs,
    strikes: () => strikes,
    recorded,
    count,
    start: () => driver.start(),
    told: (type, wanted) => until(() => count(type) >= wanted, `${wanted} events ${type}`, 20_000),
    known: (isPressed) => until(() => inputs.at(-1)?.active === isPressed, `the button to be ${isPressed}`, 20_000),
  };
}

/** Online, with a button that is known to be let go. */
async function served(kind: Kind): Promise<Scene> {
  const scene = await openScene(kind);
  scene.start();
  await scene.told('online', 1);
  await scene.known(false);
  return scene;
}

/** Longer than any strike may come late. */
async function outlast(scene: Scene): Promise<void> {
  const fromMs = scene.clock.monotonicMs();
  await until(() => scene.clock.monotonicMs() - fromMs > DEADLINE_MS, 'the deadline of a strike to pass');
}

/** The line is cut until the device counts as gone, and for longer than a strike may be late. */
async function gap(scene: Scene, meanwhile: () => void): Promise<void> {
  const online = scene.count('online');
  const offline = scene.count('offline');
  scene.cut(true);
  await scene.told('offline', offline + 1);
  meanwhile();
  await outlast(scene);
  scene.cut(false);
  await scene.told('online', online + 1);
}

/** Let go and pressed again, in sight: a machine that stood still meanwhile has put it out of sight, and does it again. */
async function pressAnew(scene: Scene): Promise<void> {
  for (;;) {
    scene.press(false);
    await scene.known(false);
    const before = scene.strikes();
    scene.press(true);
    await scene.known(true);
    if (ageOf(scene.inputs.at(-1)) >= DEADLINE_MS / 2) continue;
    await until(() => scene.strikes() > before, 'the strike of a press in sight');
    expect(scene.strikes()).toBe(before + 1);
    return;
  }
}

/** How long before it was seen it may have changed, ms. */
const ageOf = (input: InputEvent | undefined): number =>
  (input?.atMonotonicMs ?? 0) - (input?.changedAfterMonotonicMs ?? 0);

describe.concurrent.each(KINDS)('an exit button at $name', (kind) => {
  it('that was pressed while the line was cut drives no strike when it is found pressed, and is told', async () => {
    const scene = await served(kind);
    await gap(scene, () => scene.press(true));
    await scene.known(true);
    expect(scene.strikes()).toBe(0);
    expect(scene.recorded.filter((event) => event.startsWith('acs_entrance.rex'))).toEqual([
      expect.stringContaining('"out_of_sight":true'),
    ]);
    await pressAnew(scene);
  }, 40_000);

  it('that is stuck drives no strike at a reconnect', async () => {
    const scene = await served(kind);
    scene.press(true);
    await until(() => scene.strikes() === 1, 'the strike of the press');
    for (let i = 0; i < 2; i++) await gap(scene, () => undefined);
    // Whatever a reconnect brings comes before this.
    scene.press(false);
    await scene.known(false);
    expect(scene.strikes()).toBe(1);
    expect(scene.recorded.filter((event) => event.includes('out_of_sight'))).toEqual([]);
  }, 60_000);

  it('that is pressed when Lintel starts drives no strike', async () => {
    const scene = await openScene(kind);
    scene.press(true);
    scene.start();
    await scene.known(true);
    expect(scene.strikes()).toBe(0);
    await pressAnew(scene);
  }, 40_000);

  it('that was pressed in a gap shorter than the deadline of its strike drives it', async () => {
    const scene = await served(kind);
    scene.cut(true);
    scene.press(true);
    scene.cut(false);
    await scene.known(true);
    // A machine that stood still meanwhile has made it a long one.
    if (ageOf(scene.inputs.at(-1)) < DEADLINE_MS / 2) expect(scene.strikes()).toBe(1);
  }, 40_000);
});

describe.concurrent.each(KINDS.slice(0, 2))('an exit button at a reader that restarts, $name', (kind) => {
  it('drives no strike when it was pressed while the reader was off, though the reader was never offline', async () => {
    const scene = await served(kind);
    scene.restart?.(DEADLINE_MS * 1.5);
    scene.press(true);
    await scene.known(true);
    expect(scene.strikes()).toBe(0);
    expect(scene.count('offline')).toBe(0);
    await pressAnew(scene);
  }, 40_000);
});

it('a reader on a UART has no inputs that could', () => {
  const bus = uartDriver.busSchema.parse({ port: '/dev/ttyS0', frame: 'rdm6300' });
  const config = uartDriver.controllerSchema.parse({});
  expect(uartDriver.prepare('reader', bus, config, '/').controller?.capabilities.inputs).toEqual([]);
});
