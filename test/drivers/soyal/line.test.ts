// What a SOYAL line believes of what comes by it: an answer says neither which question it answers nor by which
// connection that was asked.

import { expect, test } from 'vitest';
import { COMMAND, FUNCTION, REQUESTS } from '../../../drivers/soyal/codec.ts';
import { encodeFrame, HOST_ADDRESS } from '../../../drivers/soyal/frame.ts';
import { SoyalLine } from '../../../drivers/soyal/line.ts';
import type { Exchange, ExchangeResult } from '../../../drivers/soyal/line-terms.ts';
import { ManualClock, turn } from '../../support/manual-clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { ScriptedPort } from '../../support/scripted-port.ts';

const NODE = 1;
const SETTINGS = { path: 'tcp://127.0.0.1:4660', baud: 115_200, dataBits: 8, parity: 'none', stopBits: 1 } as const;
const ANSWER_MS = 60;
const NOBODY = { heard: () => undefined, missed: () => undefined, up: () => undefined, down: () => undefined };

const answer = (...payload: number[]): Buffer => encodeFrame(HOST_ADDRESS, Buffer.from(payload));
const DONE = answer(FUNCTION.ack, NODE);
const REFUSED = answer(FUNCTION.nack, NODE);

async function openLine() {
  const clock = new ManualClock();
  const wire = new ScriptedPort();
  const line = new SoyalLine(
    { line: SETTINGS, gapMs: 1, answerMs: ANSWER_MS },
    [NODE],
    { clock, random: systemRandom, openPort: wire.open },
    NOBODY,
  );
  line.start();
  await turn();
  /** The command of the newest frame, once the pauses of the line are over. */
  const asked = async (): Promise<number | undefined> => {
    await clock.advance(30);
    return wire.written.at(-1)?.[3];
  };
  /** Answers what asks for a few bytes of EEPROM with as many. */
  const answerProbe = async (): Promise<void> => {
    expect(await asked()).toBe(COMMAND.readEeprom);
    const count = wire.written.at(-1)?.[6] ?? 0;
    wire.say(answer(FUNCTION.echo, NODE, ...Array.from({ length: count }, () => 0)));
  };
  const ask = (change: Partial<Exchange>): { results: ExchangeResult[] } => {
    const told = { results: [] as ExchangeResult[] };
    const given = { node: NODE, request: REQUESTS.writeEeprom(0x12, [1]), priority: 'write', answerMs: ANSWER_MS, retries: 0, notAfterMs: null, onSent: null } as const; // prettier-ignore
    void line.exchange({ ...given, ...change }).then((result) => told.results.push(result));
    return told;
  };
  return { clock, wire, line, asked, answerProbe, ask };
}

test('the answer to a write of a lost connection is none to the first one of the next', async () => {
  const { clock, wire, asked, answerProbe, ask } = await openLine();
  const first = ask({});
  await answerProbe();
  expect(await asked()).toBe(COMMAND.writeEeprom);
  wire.lose('the converter went');
  await turn();
  await clock.advance(5_000);
  expect(first.results).toMatchObject([{ outcome: 'unknown' }]);
  expect(wire.ports).toHaveLength(2);

  const second = ask({});
  expect(await asked()).toBe(COMMAND.readEeprom);
  wire.say(DONE);
  await turn();
  expect(second.results).toEqual([]);
  await answerProbe();
  expect(await asked()).toBe(COMMAND.writeEeprom);
  wire.say(REFUSED);
  await turn();
  expect(second.results).toMatchObject([{ outcome: 'refused' }]);
});

test('a strike is not sent again behind its time, whatever was lost of it and however it is answered late', async () => {
  const { clock, wire, asked, answerProbe, ask } = await openLine();
  const strikes = (): number =>
    wire.ports.flat().filter((bytes) => bytes[3] === COMMAND.controlRelay && bytes[4] === 0x84).length;
  const notAfterMs = clock.monotonicMs() + 2_000;
  const strike = ask({ request: REQUESTS.doorPulse(), priority: 'strike', notAfterMs });
  await answerProbe();
  expect(await asked()).toBe(COMMAND.controlRelay);
  expect(strikes()).toBe(1);
  await clock.advance(2_000);
  const sent = strikes();
  expect(strike.results).toMatchObject([{ outcome: 'unknown' }]);
  // The controller is back, and is asked something else.
  ask({ priority: 'read', request: REQUESTS.doorStatus() });
  await answerProbe();
  await clock.advance(10_000);
  expect(strikes()).toBe(sent);
});

test('a strike that waited for a busy line until its time was over is not sent', async () => {
  const { clock, wire, asked, answerProbe, ask } = await openLine();
  ask({ answerMs: 5_000 });
  await answerProbe();
  expect(await asked()).toBe(COMMAND.writeEeprom);
  const notAfterMs = clock.monotonicMs() + 2_000;
  const strike = ask({ request: REQUESTS.doorPulse(), priority: 'strike', notAfterMs });
  await clock.advance(2_001);
  wire.say(DONE);
  await clock.advance(1_000);
  expect(strike.results).toMatchObject([{ outcome: 'not_sent', why: 'too_late' }]);
  expect(wire.written.filter((bytes) => bytes[3] === COMMAND.controlRelay)).toEqual([]);
});
