// A strike whose time is over is sent no more, neither for the first time nor again: the person has gone, and the door
// would open to nobody.

import { expect, test } from 'vitest';
import { Bus } from '../../../drivers/modbus/bus.ts';
import type { Attempt, BusUnit, Line, LineEvents, Outcome, UnitSettings } from '../../../drivers/modbus/bus-terms.ts';
import { isReadOnly, type Request } from '../../../drivers/modbus/codec.ts';
import { OutputFaults } from '../../../drivers/modbus/output-faults.ts';
import { Outputs } from '../../../drivers/modbus/outputs.ts';
import { Talk } from '../../../drivers/modbus/talk.ts';
import { newCounters } from '../../../drivers/kit/counters.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/room.ts';
import { shipped } from './site.ts';

const PROBE: Request = { fc: 3, address: 0, count: 1 };
const STRIKE: Request = { fc: 5, address: 0, value: 0xff00 };
const SETTINGS: UnitSettings = {
  unit: 1,
  turnaroundMs: 100,
  lateReplyMs: 100,
  minGapMs: 0,
  readRetries: 1,
  maxInFlight: 1,
  probes: [PROBE],
  settlers: [PROBE],
};

/** A line on which each request waits until it is answered by hand. */
class HeldLine implements Line {
  readonly maxInFlight = 1;
  readonly sent: Request[] = [];
  #answer: (attempt: Attempt) => void = () => undefined;
  events: LineEvents | null = null;

  start(events: LineEvents): void {
    this.events = events;
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
  lengthMs(): number {
    return 0;
  }
  waitMs(): number {
    return 0;
  }
  exchange(_: unknown, request: Request): Promise<Attempt> {
    this.sent.push(request);
    return new Promise((resolve) => (this.#answer = resolve));
  }
  async answer(attempt: Attempt): Promise<void> {
    this.#answer(attempt);
    await new Promise((resolve) => setImmediate(resolve));
  }
  broadcast(): Promise<boolean> {
    return Promise.resolve(true);
  }
  abandonProbe(): void {
    return;
  }
  renew(): void {
    return;
  }
}

const REPLY: Attempt = { result: 'reply', reply: { kind: 'registers', registers: [0] }, atMonotonicMs: 0 };

async function onlineUnit(): Promise<{ clock: ManualClock; line: HeldLine; unit: BusUnit }> {
  const clock = new ManualClock();
  const line = new HeldLine();
  const bus = new Bus(clock, systemRandom, line);
  const unit = bus.addUnit(SETTINGS, { online: () => undefined, offline: () => undefined });
  bus.start();
  line.events?.up();
  await line.answer(REPLY);
  expect(unit.online).toBe(true);
  line.sent.length = 0;
  return { clock, line, unit };
}

test.each([
  { heldMs: 100, sent: true },
  { heldMs: 101, sent: false },
])('a strike that has 100 ms and waits $heldMs ms behind another request is sent: $sent', async ({ heldMs, sent }) => {
  const { clock, line, unit } = await onlineUnit();
  void unit.request(PROBE, { priority: 'read' });
  let outcome: Outcome | null = null;
  const notAfterMonotonicMs = clock.monotonicMs() + 100;
  void unit.request(STRIKE, { priority: 'strike', notAfterMonotonicMs }).then((told) => (outcome = told));
  await clock.advance(heldMs);
  await line.answer(REPLY);
  expect(line.sent).toEqual(sent ? [PROBE, STRIKE] : [PROBE]);
  if (!sent) expect(outcome).toMatchObject({ outcome: 'not_sent', why: 'too_late' });
});

test('a strike whose answer is lost is repeated while there is time, not a moment longer, and then called back', async () => {
  for (const profile of ['waveshare-relay-8ch', 'waveshare-relay-d-8ch', 'adam-6060', 'laskakit-relay-8ch']) {
    for (const withinMs of [250, 550, 2_000]) {
      const clock = new ManualClock();
      const startedAtMs = clock.monotonicMs();
      const strikes: number[] = [];
      let calledBack = 0;
      const unit: BusUnit = {
        counters: newCounters(),
        online: true,
        heardAtMs: 0,
        transferAtMs: 0,
        // A unit that lets everything through: whoever asks it is to know when it is too late.
        request: (request) => {
          if (!isReadOnly(request)) strikes.push(clock.monotonicMs() - startedAtMs);
          const lost: Outcome = { outcome: 'no_reply', why: 'timed_out', message: 'no answer' };
          return new Promise((resolve) => void clock.after(100, () => resolve(lost)));
        },
        callBack: () => {
          calledBack += 1;
        },
      };
      const { outputs: specs, limits } = shipped(profile);
      const outputs = new Outputs(specs, {
        talk: new Talk(unit, clock, limits, 100),
        clock,
        log: silentLog,
        refusal: () => null,
        faults: new OutputFaults('board', () => undefined),
        scanMs: 10,
        own: new Set(),
      });
      let outcome: object | null = null;
      void outputs.pulse(0, 30_000, startedAtMs + withinMs).then((told) => (outcome = told));
      await clock.advance(1_900);
      outputs.close();
      const late = strikes.filter((atMs) => atMs > withinMs);
      expect({ profile, withinMs, late, calledBack }).toEqual({ profile, withinMs, late: [], calledBack: 1 });
      expect(strikes.length).toBeGreaterThan(withinMs < 300 ? 0 : 1);
      expect(outcome).toMatchObject({ outcome: 'failed' });
    }
  }
});
