// What an RTU line believes of what comes by it, behind a converter that may deliver to one connection what another one
// asked for.

import { expect, it, onTestFinished } from 'vitest';
import type { Attempt, LineUnit, SendOptions } from '../../../drivers/modbus/bus-terms.ts';
import type { Request } from '../../../drivers/modbus/codec.ts';
import { RtuLine } from '../../../drivers/modbus/line.ts';
import { frame } from '../../../drivers/modbus/rtu.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { ManualClock, turn } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/room.ts';
import { ScriptedPort } from '../../support/scripted-port.ts';
import { newCounters } from '../../../drivers/kit/counters.ts';

const read = (address: number, count = 1): Request => ({ fc: 3, address, count });
/** Register values, as the unit answers a read of them. */
const registers = (...values: number[]): Buffer =>
  frame(1, Buffer.from([3, values.length * 2, ...values.flatMap((value) => [value >> 8, value & 0xff])]));

/** A line to a converter that went after a question and came back: the unit owes the answer to a read of register 7. */
async function reconnected() {
  const clock = new ManualClock();
  const wire = new ScriptedPort();
  const settings = { path: 'tcp://127.0.0.1:4660', baud: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const;
  const line = new RtuLine(settings, { clock, random: systemRandom, openPort: wire.open, log: silentLog });
  onTestFinished(() => line.stop());
  const counters = newCounters(); // prettier-ignore
  const unit: LineUnit = {
    settings: { unit: 1, turnaroundMs: 100, lateReplyMs: 500, minGapMs: 0, readRetries: 0, maxInFlight: 1, probes: [], settlers: [read(0, 2)] }, // prettier-ignore
    counters,
    online: true,
    answeredLate: () => undefined,
  };
  const pass = async (ms: number): Promise<void> => {
    await turn();
    await clock.advance(ms);
  };
  const attempts: Attempt[] = [];
  const ask = async (request: Request, options: SendOptions = {}): Promise<void> => {
    await clock.advance(line.waitMs(unit, clock.monotonicMs()));
    void line.exchange(unit, request, options).then((attempt) => attempts.push(attempt));
    await turn();
  };
  line.start({ up: () => undefined, down: () => undefined });
  await turn();
  await ask(read(7));
  wire.lose('the converter went');
  await pass(600);
  expect(attempts.splice(0)).toMatchObject([{ result: 'lost' }]);
  expect(wire.ports).toHaveLength(2);
  return { clock, wire, ask, pass, attempts };
}

it('an answer that is owed to a lost connection is not taken for that to the first question of the next', async () => {
  const { wire, ask, pass, attempts } = await reconnected();
  await ask(read(9));
  wire.say(registers(0x0707));
  await pass(20);
  expect(attempts).toEqual([]);
  // Asked first, for its answer is like no other: whatever was owed has come before it.
  wire.say(registers(1, 2));
  await pass(20);
  expect(attempts).toEqual([]);
  wire.say(registers(0x0909));
  await pass(20);
  expect(attempts).toMatchObject([{ result: 'reply', reply: { registers: [0x0909] } }]);
});

it('a strike whose time passes while that is asked first is not sent', async () => {
  const { clock, wire, ask, pass, attempts } = await reconnected();
  await ask(read(9), { notAfterMonotonicMs: clock.monotonicMs() + 200 });
  await pass(199);
  wire.say(registers(1, 2));
  await pass(20);
  expect(attempts).toEqual([{ result: 'expired' }]);
  expect(wire.written).toHaveLength(1);
});
