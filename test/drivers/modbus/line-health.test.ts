// How a Modbus line is by itself, whoever on it answers: jammed by somebody else, full of strangers, with answers that are
// lost or come too late. In a clock of the test's own.

import { expect, it, onTestFinished } from 'vitest';
import { Bus } from '../../../drivers/modbus/bus.ts';
import { RtuLine } from '../../../drivers/modbus/line.ts';
import { frame } from '../../../drivers/modbus/rtu.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { ManualClock, turn } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/room.ts';
import { ScriptedPort } from '../../support/scripted-port.ts';

const UNITS = [1, 2];
const REGISTER = { fc: 3, address: 0, count: 1 } as const;
const answerOf = (unit: number): Buffer => frame(unit, Buffer.from([3, 2, 0, 7]));

/** Two units that are asked ten times a second, and answer as `manners` says. */
async function openBus() {
  const clock = new ManualClock();
  const wire = new ScriptedPort();
  const settings = { path: '/dev/scripted', baud: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const;
  const line = new RtuLine(settings, { clock, random: systemRandom, openPort: wire.open, log: silentLog });
  const told: (string | null)[] = [];
  const bus = new Bus(clock, systemRandom, line, (problem) => told.push(problem));
  const offline: string[] = [];
  const units = UNITS.map((unit) =>
    bus.addUnit(
      {
        unit,
        turnaroundMs: 20,
        lateReplyMs: 100,
        minGapMs: 0,
        readRetries: 0,
        maxInFlight: 1,
        probes: [REGISTER],
        settlers: [],
      },
      { online: () => undefined, offline: (reason) => offline.push(reason) },
    ),
  );
  const manners = { answers: (_asked: number): boolean => true, afterMs: 5 };
  let seen = 0;
  let isOver = false;
  /** The far end: looks at what was written, and answers it. */
  const serve = (): void => {
    for (; seen < wire.written.length; seen++) {
      const unit = wire.written[seen]?.[0] ?? 0;
      if (manners.answers(seen)) clock.after(manners.afterMs, () => wire.say(answerOf(unit)));
    }
    if (!isOver) clock.after(1, serve);
  };
  const poll = (): void => {
    for (const unit of units) void unit.request(REGISTER, { priority: 'input' });
    if (!isOver) clock.after(100, poll);
  };
  onTestFinished(async () => {
    isOver = true;
    await bus.stop();
  });
  expect(bus.health()).toMatchObject({ state: 'down' });
  bus.start();
  await turn();
  serve();
  poll();
  await clock.advance(11_000);
  expect(units.every(({ online }) => online)).toBe(true);
  expect(bus.health()).toMatchObject({ state: 'good', problem: null, counters: { lost: 0, unsent: 0 } });
  expect(told).toEqual([]);
  /** Somebody says this over and over. */
  const babble = async (bytes: Buffer, everyMs: number, forMs: number): Promise<void> => {
    for (let ms = 0; ms < forMs; ms += everyMs) {
      wire.say(bytes);
      await clock.advance(everyMs);
    }
  };
  return { clock, wire, bus, units, told, offline, manners, babble };
}

it('is told as jammed where it never falls silent, and whoever cannot be asked is offline', async () => {
  const { bus, units, told, offline, babble, clock } = await openBus();
  await babble(Buffer.from('a5', 'hex'), 10, 11_000);
  expect(units.some(({ online }) => online)).toBe(false);
  expect(offline).toHaveLength(2);
  expect(offline.filter((reason) => !reason.includes('never falls silent'))).toEqual([]);
  expect(told).toEqual([expect.stringContaining('the line never falls silent')]);
  expect(bus.health()).toMatchObject({ state: 'disturbed', problem: expect.stringContaining('noise') });
  await clock.advance(20_000);
  expect(units.every(({ online }) => online)).toBe(true);
  expect(told).toEqual([expect.any(String), null]);
  expect(bus.health()).toMatchObject({ state: 'good', problem: null });
});

it('is told as shared with a second master, by the units that it asks, while it serves its own', async () => {
  const { bus, units, told, babble } = await openBus();
  const foreign = Buffer.concat([frame(77, Buffer.from([3, 0, 0, 0, 1])), frame(77, Buffer.from([3, 2, 0, 1]))]);
  await babble(foreign, 150, 12_000);
  expect(told).toEqual([expect.stringMatching(/somebody else speaks on the line: .*address 77/)]);
  expect(bus.health().counters.strangeFrames).toBeGreaterThan(25);
  expect(units.every(({ online }) => online)).toBe(true);
});

it('is told as losing answers, though none of its units is gone', async () => {
  const { bus, units, told, manners, clock } = await openBus();
  manners.answers = (asked) => asked % 3 !== 0;
  await clock.advance(11_000);
  expect(told).toEqual([expect.stringMatching(/% of the answers are lost or damaged/)]);
  expect(bus.health()).toMatchObject({ state: 'disturbed' });
  expect(units.every(({ online }) => online)).toBe(true);
  manners.answers = () => true;
  await clock.advance(16_000);
  expect(told).toEqual([expect.any(String), null]);
});

it('says down, and why, where it is not open', async () => {
  const { bus, wire } = await openBus();
  wire.lose('the adapter was pulled');
  expect(bus.health()).toMatchObject({ state: 'down', problem: 'the adapter was pulled' });
});
