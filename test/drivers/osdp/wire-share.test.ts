// What a bus makes of its wire while something happens at its readers: how much of the wire's time it uses, and how soon a card is followed by its strike. In virtual
// time, so that it comes out the same on every machine.
import { describe, expect, it } from 'vitest';
import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../../drivers/osdp/simulator.ts';
import type { Driver, DriverEvent, OpenPort, Port, PortHandlers } from '../../../drivers/driver.ts';
import { wireTimeMs } from '../../../drivers/serial-port.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { VirtualTime } from '../../support/virtual-time.ts';
import { KEY, MemoryKeys, silentLog } from './world.ts';
import { hex } from './vectors.ts';

const TURNAROUND_MS = 2;
const NETWORK_MS = 0.05;
/** Marks of answers and the pauses before both, which no counter counts. */
const UNCOUNTED_CHARACTERS = 5;
const POLL_CHARACTERS = 34;
const NEAR = 'tcp://127.0.0.1:1';
const FAR = 'far end';

/** `wire`: the readers' line itself takes its time. `converter`: what is before it does, and hands on answers at once or every so often. */
type LineKind = { kind: 'wire' } | { kind: 'converter'; everyMs: number };

/** Both ends of a line in one process. */
function openLine(time: VirtualTime, baud: number, line: LineKind): OpenPort {
  const ends = new Map<string, PortHandlers>();
  const characterMs = wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, 1);
  const freeAtMs = new Map<string, number>();
  const deliver = (to: string, bytes: Buffer, atMs: number): void =>
    void time.at(atMs + NETWORK_MS, () => ends.get(to)?.data(bytes));

  const send = (to: string, bytes: Buffer): void => {
    const arrivedMs = time.nowMs + NETWORK_MS;
    if (line.kind === 'wire') {
      deliver(to, bytes, arrivedMs);
      return;
    }
    const beganMs = Math.max(arrivedMs, freeAtMs.get(to) ?? 0);
    freeAtMs.set(to, beganMs + bytes.length * characterMs);
    for (let i = 0; i < bytes.length; i++) {
      const passedMs = beganMs + (i + 1) * characterMs;
      const isHeldBack = line.everyMs > 0 && to === NEAR;
      const atMs = isHeldBack ? Math.ceil(passedMs / line.everyMs) * line.everyMs : passedMs;
      deliver(to, Buffer.from(bytes.subarray(i, i + 1)), atMs);
    }
  };
  return (settings, handlers) => {
    const to = settings.path === FAR ? NEAR : FAR;
    ends.set(settings.path, handlers);
    const port: Port = {
      write: (bytes) => send(to, Buffer.from(bytes)),
      drain: () => Promise.resolve(),
      discardInput: () => Promise.resolve(),
      close: () => Promise.resolve(),
      abort: () => Promise.resolve(),
    };
    return Promise.resolve(port);
  };
}

type Bus = {
  time: VirtualTime;
  driver: Driver;
  sims: readonly SimulatedReader[];
  simulated: SimulatedLine;
  count: (type: DriverEvent['type']) => number;
};

/** Every reader online and set up. A card that is presented is let in at once. */
async function raiseBus(baud: number, count: number, line: LineKind): Promise<Bus> {
  const time = new VirtualTime();
  const context = { random: systemRandom, log: silentLog, openPort: openLine(time, baud, line) };
  const sims = Array.from(
    { length: count },
    (_, address) => new SimulatedReader(time.deviceClock(), systemRandom, { address, key: KEY }),
  );
  const simulated = new SimulatedLine(
    sims,
    { at: { path: FAR }, baud, paced: line.kind === 'wire', turnaroundMs: TURNAROUND_MS },
    { ...context, clock: time.deviceClock() },
  );
  const keys = new MemoryKeys();
  const busConfig = osdpDriver.busSchema.parse({ port: NEAR, baud });
  const controllers = sims.map(({ address }) => {
    const name = `reader-${address}`;
    keys.give(name, KEY);
    const config = osdpDriver.controllerSchema.parse({ address, outputs: 1 });
    const { controller } = osdpDriver.prepare(name, busConfig, config, '/');
    if (controller === null) throw new Error('the test’s own configuration is refused');
    return controller;
  });
  const events: DriverEvent[] = [];
  const driver = osdpDriver.create('bus', busConfig, controllers, {
    ...context,
    clock: time.loopClock(),
    emit: (event) => {
      events.push(event);
      if (event.type === 'presented') void driver.devices.get(event.device)?.outputs?.pulse(0, 100, time.nowMs + 2_000);
    },
    readerKeys: keys,
  });
  await simulated.start();
  driver.start();
  const countEvents = (type: DriverEvent['type']): number => events.filter((event) => event.type === type).length;
  while (countEvents('online') < count) await time.passUntil(time.nowMs + 100);
  while (!sims.every((sim) => sim.count('RSTAT') > 0)) await time.passUntil(time.nowMs + 100);
  return { time, driver, sims, simulated, count: countEvents };
}

const charactersMs = (baud: number, characters: number): number =>
  wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, characters);

/** The share of the wire's time that is exchanges, over three seconds in which cards are shown again and again. */
async function shareOfWire(baud: number, readers: number, line: LineKind): Promise<number> {
  const { time, driver, sims, simulated, count } = await raiseBus(baud, readers, line);
  const counted = (): { exchanges: number; bytes: number } => {
    const counters = [...driver.devices.values()].map((device) => device.status().counters);
    const exchanges = counters.reduce((sum, { replies }) => sum + replies, 0);
    return { exchanges, bytes: counters.reduce((sum, one) => sum + one.bytesSent + one.bytesReceived, 0) };
  };
  const showCards = (): void => {
    for (const sim of sims) if (sim.waiting === 0) sim.presentCard(26, hex('BDD93740'));
    time.at(time.nowMs + 300, showCards);
  };
  showCards();
  await time.passUntil(time.nowMs + 1_000);
  const before = counted();
  const fromMs = time.nowMs;
  await time.passUntil(fromMs + 3_000);
  const exchanges = counted().exchanges - before.exchanges;
  const characters = counted().bytes - before.bytes + exchanges * UNCOUNTED_CHARACTERS;
  expect(count('offline')).toBe(0);
  expect(simulated.counts.hasty).toBe(0);
  return (charactersMs(baud, characters) + exchanges * TURNAROUND_MS) / (time.nowMs - fromMs);
}

/** From cards at one reader, shown at any moment, to their strikes at it, ms. */
async function cardsToStrikes(baud: number, readers: number, cards: number): Promise<number[]> {
  const { time, sims } = await raiseBus(baud, readers, { kind: 'wire' });
  const sim = sims[readers >> 1];
  if (sim === undefined) throw new Error('a bus has readers');
  const { pulses } = sim.terminals;
  const tookMs: number[] = [];
  for (let i = 0; i < cards; i++) {
    // No multiple of anything on the bus.
    await time.passUntil(time.nowMs + 151 + ((i * 37.3) % 61));
    const shownAtMs = time.nowMs;
    sim.presentCard(26, hex('BDD93740'));
    while (pulses.length === i) await time.passUntil(time.nowMs + 1);
    tookMs.push((pulses[i]?.atMs ?? 0) - shownAtMs);
  }
  return tookMs.sort((a, b) => a - b);
}

describe('while something happens at its readers', () => {
  for (const baud of [9_600, 38_400, 115_200]) {
    for (const readers of [1, 8]) {
      it(`a bus at ${baud} baud with ${readers === 1 ? 'one' : 'eight'} makes use of nearly all the time of its wire`, async () => {
        expect(await shareOfWire(baud, readers, { kind: 'wire' })).toBeGreaterThan(0.95);
      });
    }
  }

  for (const baud of [38_400, 115_200]) {
    it(`one with eight behind a converter that delivers at ${baud} baud does so as well`, async () => {
      expect(await shareOfWire(baud, 8, { kind: 'converter', everyMs: 0 })).toBeGreaterThan(0.95);
    });

    it(`one with eight behind a converter that hands on what came at ${baud} baud every half millisecond loses little more than that`, async () => {
      expect(await shareOfWire(baud, 8, { kind: 'converter', everyMs: 0.5 })).toBeGreaterThan(0.9);
    });
  }

  it('a card is followed by its strike within the round of its bus and the two exchanges that it takes', async () => {
    const exchangeMs = charactersMs(115_200, POLL_CHARACTERS) + TURNAROUND_MS;
    const tookMs = await cardsToStrikes(115_200, 8, 200);
    expect(tookMs.at(-1)).toBeLessThanOrEqual((8 + 2) * exchangeMs);
  });
});
