import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Clock, Driver, DriverEvent, Log } from '../../../drivers/driver.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { uartDriver } from '../../../drivers/uart/driver.ts';
import { startUartReader, type UartReader } from '../../../drivers/uart/simulator.ts';
import { candidates } from '../../../src/domain/card-formats.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { turn } from '../../support/manual-clock.ts';
import { openFarEnd, openPtyPair, until, type PtyPair } from '../../support/ports.ts';

const openPort = portOpener(systemClock);

const TAG = '62E3086CED';
const OTHER_TAG = '0A00F1E2D3';

type Bench = {
  driver: Driver;
  events: DriverEvent[];
  logged: string[];
  /** Canonical UIDs presented so far. */
  cards(): string[];
  status(): ReturnType<NonNullable<ReturnType<Driver['devices']['get']>>['status']>;
};

/** A bus as the facility file makes it, on a clock of the test's choice, started. */
function startBus(port: string, frame: 'rdm6300' | 'id-12la', keys: object = {}, clock: Clock = systemClock): Bench {
  const busConfig = uartDriver.busSchema.parse({ port, frame });
  const prepared = uartDriver.prepare('desk-reader', busConfig, uartDriver.controllerSchema.parse(keys), '/');
  expect(prepared.problems).toEqual([]);
  if (prepared.controller === null) throw new Error('not prepared');
  expect(uartDriver.checkBus('desk', busConfig, [prepared.controller])).toEqual([]);
  const events: DriverEvent[] = [];
  const logged: string[] = [];
  const write = (message: string, fields?: object) => void logged.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  const emit = (event: DriverEvent) => void events.push(event);
  const driver = uartDriver.create('desk', busConfig, [prepared.controller], {
    clock,
    random: systemRandom,
    log,
    openPort: portOpener(clock),
    emit,
  });
  driver.start();
  onTestFinished(() => driver.stop(3000));
  return {
    driver,
    events,
    logged,
    cards: () =>
      events.flatMap((event) =>
        event.type === 'presented' && event.presentation.kind === 'card'
          ? candidates(event.presentation.reading, ['uid'])
          : [],
      ),
    status() {
      const device = driver.devices.get('desk-reader');
      if (device === undefined) throw new Error('no such device');
      return device.status();
    },
  };
}

/** Real time, and leaps of it when the test says so: a debounce of seconds passes at once. */
function leapingClock() {
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  return { clock, leap: (byMs: number) => void (aheadMs += byMs) };
}

describe('a reader on a serial line', () => {
  let pair: PtyPair;
  let reader: UartReader;
  beforeEach(async () => {
    pair = await openPtyPair();
    reader = await startUartReader({ port: pair.b, frame: 'rdm6300', clock: systemClock, openPort });
  });
  afterEach(async () => {
    await reader.stop();
    await pair.close();
  });

  test('presents a tag with its five bytes and the time of its last byte', async () => {
    const bus = startBus(pair.a, 'rdm6300');
    await until(() => bus.status().online, 'the line');
    const beforeMs = systemClock.monotonicMs();
    await reader.present(TAG, { fragmentBytes: 3 });
    await until(() => bus.cards().length === 1, 'the tag');
    expect(bus.events).toEqual([
      { type: 'online', device: 'desk-reader' },
      {
        type: 'presented',
        device: 'desk-reader',
        reader: 0,
        presentation: { kind: 'card', reading: { kind: 'uid', bytes: Buffer.from(TAG, 'hex') } },
        atMonotonicMs: expect.any(Number),
      },
    ]);
    const [, presented] = bus.events;
    if (presented?.type !== 'presented') throw new Error('not presented');
    expect(presented.atMonotonicMs).toBeGreaterThan(beforeMs);
    expect(presented.atMonotonicMs).toBeLessThan(systemClock.monotonicMs());
    expect(bus.status()).toMatchObject({ problem: null, counters: { bytesReceived: 14, replies: 1, crcErrors: 0 } });
  });

  test('presents a held tag once, another one at once, and the first again when it has been away', async () => {
    const { clock, leap } = leapingClock();
    const bus = startBus(pair.a, 'rdm6300', { debounce: '5s' }, clock);
    await until(() => bus.status().online, 'the line');
    const heard = (frames: number) => until(() => bus.status().counters.replies >= frames, `${frames} frames`);
    await reader.present(TAG, { holdMs: 100, repeatMs: 10 });
    await reader.present(OTHER_TAG);
    await until(() => bus.cards().length === 2, 'both tags');
    await reader.present(TAG, { corrupt: true });
    await until(() => bus.status().counters.crcErrors === 1, 'everything sent');
    expect(bus.cards()).toEqual([`uid:${TAG}`, `uid:${OTHER_TAG}`]);
    const before = bus.status().counters.replies;
    expect(before).toBeGreaterThan(3);
    for (let shown = 1; shown <= 2; shown++) {
      leap(4000);
      await reader.present(TAG);
      await heard(before + shown);
    }
    expect(bus.cards()).toHaveLength(2);
    await reader.present(OTHER_TAG);
    await until(() => bus.cards().length === 3, 'the tag that was away');
    leap(5000);
    await reader.present(TAG);
    await until(() => bus.cards().length === 4, 'the tag that was held so long');
    expect(bus.cards().slice(2)).toEqual([`uid:${OTHER_TAG}`, `uid:${TAG}`]);
  });

  test('takes a wrong checksum and noise for what they are, and reads on', async () => {
    const bus = startBus(pair.a, 'rdm6300');
    await until(() => bus.status().online, 'the line');
    await reader.present(TAG, { corrupt: true });
    reader.noise(Buffer.from([0x00, 0xff, 0x02, 0x36, 0x32]));
    await reader.present(OTHER_TAG);
    await until(() => bus.cards().length === 1, 'the tag');
    expect(bus.cards()).toEqual([`uid:${OTHER_TAG}`]);
    expect(bus.status().counters).toMatchObject({ crcErrors: 1, replies: 1 });
    expect(bus.events.map((event) => event.type)).not.toContain('fault');
  });

  test('that sends another frame than configured is a fault until it can be read', async () => {
    const bus = startBus(pair.a, 'id-12la');
    await until(() => bus.status().online, 'the line');
    await reader.present(TAG, { holdMs: 60, repeatMs: 10 });
    await until(() => bus.events.some((event) => event.type === 'fault'), 'the fault');
    expect(bus.status().problem).toMatch(/no id-12la frames: check frame, baud/);
    await reader.stop();
    reader = await startUartReader({ port: pair.b, frame: 'id-12la', clock: systemClock, openPort });
    await reader.present(TAG);
    await until(() => bus.cards().length === 1, 'the tag');
    expect(bus.events.filter((event) => event.type === 'fault')).toMatchObject([
      { code: 'unreadable_frames', cleared: false },
      { code: 'unreadable_frames', cleared: true },
    ]);
    expect(bus.status().problem).toBeNull();
  });

  test('goes offline when it is unplugged and comes back by itself, both ends of it', async () => {
    const bus = startBus(pair.a, 'rdm6300');
    await until(() => bus.status().online, 'the line');
    await pair.cut();
    await until(() => !bus.status().online, 'the loss');
    expect(bus.status().problem).toContain('gone');
    await pair.replug();
    await until(() => bus.status().online && reader.connected, 'the line again');
    await reader.present(TAG);
    await until(() => bus.cards().length === 1, 'the tag');
    expect(bus.events.map((event) => event.type)).toEqual(['online', 'offline', 'online', 'presented']);
    expect(bus.status().sinceMs).toBeLessThanOrEqual(systemClock.nowMs());
  });

  test('that is not there at first is offline with the reason, once, and online when it comes', async () => {
    await pair.cut();
    const bus = startBus(pair.a, 'rdm6300');
    await until(() => bus.events.length > 0, 'the first attempt');
    expect(bus.events).toMatchObject([{ type: 'offline', reason: expect.stringContaining('no such device') }]);
    expect(bus.status()).toMatchObject({ online: false, sinceMs: expect.any(Number) });
    await pair.replug();
    await until(() => bus.status().online, 'the line');
    expect(bus.events.map((event) => event.type)).toEqual(['offline', 'online']);
  });

  test('is silent after its bus was stopped', async () => {
    const bus = startBus(pair.a, 'rdm6300');
    await until(() => bus.status().online, 'the line');
    await bus.driver.stop(3000);
    await reader.present(TAG);
    await turn(20);
    expect(bus.events).toEqual([{ type: 'online', device: 'desk-reader' }]);
    expect(bus.status().online).toBe(false);
  });

  test('never has a tag number in the log', async () => {
    const bus = startBus(pair.a, 'rdm6300');
    await until(() => bus.status().online, 'the line');
    await reader.present(TAG);
    await until(() => bus.cards().length === 1, 'the tag');
    await pair.cut();
    await until(() => !bus.status().online, 'the loss');
    expect(bus.logged.length).toBeGreaterThanOrEqual(2);
    expect(bus.logged.join('\n').toUpperCase()).not.toContain(TAG);
  });
});

describe('a reader behind a converter', () => {
  test('presents tags, and comes back by itself when the converter does', async () => {
    const reader = await startUartReader({ port: 'tcp://127.0.0.1:0', frame: 'id-12la', clock: systemClock, openPort });
    onTestFinished(() => reader.stop());
    const bus = startBus(reader.address ?? '', 'id-12la');
    await until(() => bus.status().online && reader.connected, 'the line');
    await reader.present(TAG, { fragmentBytes: 1 });
    await until(() => bus.cards().length === 1, 'the tag');
    await reader.unplug();
    await until(() => !bus.status().online, 'the loss');
    await reader.plug();
    await until(() => bus.status().online && reader.connected, 'the line again');
    await reader.present(OTHER_TAG);
    await until(() => bus.cards().length === 2, 'the other tag');
    expect(bus.cards()).toEqual([`uid:${TAG}`, `uid:${OTHER_TAG}`]);
  });

  test('that says each tag once is heard again after the debounce, though it was shown in between', async () => {
    const reader = await startUartReader({ port: 'tcp://127.0.0.1:0', frame: 'id-12la', clock: systemClock, openPort });
    onTestFinished(() => reader.stop());
    const { clock, leap } = leapingClock();
    const bus = startBus(reader.address ?? '', 'id-12la', { debounce: '2s' }, clock);
    await until(() => bus.status().online && reader.connected, 'the line');
    for (let shown = 1; shown <= 3; shown++) {
      await reader.present(TAG, { holdMs: 40, repeatMs: 10 });
      await until(() => bus.status().counters.replies === shown, 'the frame');
      leap(1200);
    }
    expect(bus.cards()).toEqual([`uid:${TAG}`, `uid:${TAG}`]);
  });
});

test('a copy of a reader that should say each tag once, and says it ten times a second for five seconds, has shown it once', async () => {
  const reader = await startUartReader({ port: 'tcp://127.0.0.1:0', frame: 'id-12la', clock: systemClock, openPort });
  onTestFinished(() => reader.stop());
  const { clock, leap } = leapingClock();
  const bus = startBus(reader.address ?? '', 'id-12la', { debounce: '1s' }, clock);
  await until(() => bus.status().online && reader.connected, 'the line');
  await reader.present(TAG, { holdMs: 30, repeatMs: 5, isCopyThatRepeats: true });
  await until(() => bus.status().counters.replies >= 2, 'it repeats');
  for (let said = bus.status().counters.replies; said < 60; said++) {
    leap(100);
    await reader.present(TAG);
    await until(() => bus.status().counters.replies > said, 'the next frame');
  }
  expect(bus.cards()).toEqual([`uid:${TAG}`]);
  leap(1_000);
  await reader.present(TAG);
  await until(() => bus.cards().length === 2, 'it is shown again');
});

test('a reader that no simulator of ours plays is read from its bytes alone', async () => {
  const pair = await openPtyPair();
  onTestFinished(() => pair.close());
  const bus = startBus(pair.a, 'rdm6300');
  await until(() => bus.status().online, 'the line');
  const far = await openFarEnd(pair.b);
  await far.write('\x0262E3086CED08\x03');
  await until(() => bus.cards().length === 1, 'the tag');
  expect(bus.cards()).toEqual(['uid:62E3086CED']);
  await far.close();
});

test('the simulator refuses a tag of the wrong length, and a device that is not there', async () => {
  const reader = await startUartReader({ port: 'tcp://127.0.0.1:0', frame: 'rdm6300', clock: systemClock, openPort });
  onTestFinished(() => reader.stop());
  await expect(reader.present('62E3')).rejects.toThrow('ten hexadecimal digits');
  const missing = startUartReader({
    port: '/dev/serial/by-id/usb-none',
    frame: 'rdm6300',
    clock: systemClock,
    openPort,
  });
  await expect(missing).rejects.toThrow('no such device');
});

describe('the facility file', () => {
  const bus = { port: '/dev/serial/by-id/usb-1a86', frame: 'rdm6300' };
  const controller = (name: string) => {
    const { controller: prepared } = uartDriver.prepare(name, bus, uartDriver.controllerSchema.parse({}), '/');
    if (prepared === null) throw new Error('not prepared');
    return prepared;
  };

  test('names a reader without keypad and without feedback', () => {
    expect(controller('desk-reader').capabilities.readers).toEqual([
      { keypad: false, card: true, feedback: [], showsLook: false },
    ]);
  });

  test('is refused when two readers share a line, or none is on it', () => {
    const config = uartDriver.busSchema.parse(bus);
    expect(uartDriver.checkBus('desk', config, [controller('one')])).toEqual([]);
    expect(uartDriver.checkBus('desk', config, [controller('one'), controller('two')])).toMatchObject([
      { severity: 'error', path: ['controllers', 'two', 'bus'], message: expect.stringContaining('one already') },
    ]);
    expect(uartDriver.checkBus('desk', config, [])).toMatchObject([{ severity: 'error', path: ['buses', 'desk'] }]);
  });

  test('is warned of a device number that moves', () => {
    const config = uartDriver.busSchema.parse({ ...bus, port: '/dev/ttyUSB1' });
    expect(uartDriver.checkBus('desk', config, [controller('one')])).toMatchObject([{ severity: 'warning' }]);
  });

  test.each(['2', '50ms', '61s', '2 s', 'soon'])('refuses a debounce of %j with what would be right', (debounce) => {
    const outcome = uartDriver.controllerSchema.safeParse({ debounce });
    expect(outcome.error?.issues[0]?.message).toContain('100ms to 1m');
  });

  test('refuses an unknown frame and an unknown key', () => {
    expect(uartDriver.busSchema.safeParse({ ...bus, frame: 'hx530' }).success).toBe(false);
    expect(uartDriver.busSchema.safeParse({ ...bus, speed: 9600 }).success).toBe(false);
  });
});
