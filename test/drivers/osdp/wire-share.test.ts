// How much of a wire's time a bus makes use of while something happens at its readers, in virtual time: the same on every machine.
import { describe, expect, it } from 'vitest';
import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../../drivers/osdp/simulator.ts';
import type { DriverEvent, OpenPort, Port, PortHandlers } from '../../../drivers/driver.ts';
import { wireTimeMs } from '../../../drivers/serial-port.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { VirtualTime } from '../../support/virtual-time.ts';
import { KEY, MemoryKeys, silentLog } from './world.ts';
import { hex } from './vectors.ts';

const TURNAROUND_MS = 2;
const NETWORK_MS = 0.05;
/** Marks of answers and the pauses before both, which no counter counts. */
const UNCOUNTED_CHARACTERS = 5;
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

/** The share of the wire's time that is exchanges, over three seconds in which cards are shown again and again. */
async function shareOfWire(baud: number, count: number, line: LineKind): Promise<number> {
  const time = new VirtualTime();
  const openPort = openLine(time, baud, line);
  const context = { random: systemRandom, log: silentLog, openPort };
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
    const { controller } = osdpDriver.prepare(name, busConfig, osdpDriver.controllerSchema.parse({ address }), '/');
    if (controller === null) throw new Error('the test’s own configuration is refused');
    return controller;
  });
  const events: DriverEvent[] = [];
  const driver = osdpDriver.create('bus', busConfig, controllers, {
    ...context,
    clock: time.loopClock(),
    emit: (event) => events.push(event),
    readerKeys: keys,
  });
  const counted = (): { exchanges: number; bytes: number } => {
    const counters = [...driver.devices.values()].map((device) => device.status().counters);
    const exchanges = counters.reduce((sum, { replies }) => sum + replies, 0);
    return { exchanges, bytes: counters.reduce((sum, one) => sum + one.bytesSent + one.bytesReceived, 0) };
  };
  const showCards = (): void => {
    for (const sim of sims) if (sim.waiting === 0) sim.presentCard(26, hex('BDD93740'));
    time.at(time.nowMs + 300, showCards);
  };
  await simulated.start();
  driver.start();
  while (events.filter(({ type }) => type === 'online').length < count) await time.passUntil(time.nowMs + 100);
  showCards();
  await time.passUntil(time.nowMs + 3_000);
  const before = counted();
  const fromMs = time.nowMs;
  await time.passUntil(fromMs + 3_000);
  const exchanges = counted().exchanges - before.exchanges;
  const characters = counted().bytes - before.bytes + exchanges * UNCOUNTED_CHARACTERS;
  const usedMs = wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, characters);
  expect(events.filter(({ type }) => type === 'offline')).toEqual([]);
  expect(simulated.counts.hasty).toBe(0);
  return (usedMs + exchanges * TURNAROUND_MS) / (time.nowMs - fromMs);
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
});
