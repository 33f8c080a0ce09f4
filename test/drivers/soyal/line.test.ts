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
const nothing = (): undefined => undefined;
const NOBODY = { heard: nothing, missed: nothing, up: nothing, down: nothing, disturbed: nothing };

const answer = (...payload: number[]): Buffer => encodeFrame(HOST_ADDRESS, Buffer.from(payload));
const DONE = answer(FUNCTION.ack, NODE);
const REFUSED = answer(FUNCTION.nack, NODE);

async function openLine(disturbed: (problem: string | null) => void = nothing) {
  const clock = new ManualClock();
  const wire = new ScriptedPort();
  const line = new SoyalLine(
    { line: SETTINGS, gapMs: 1, answerMs: ANSWER_MS },
    [NODE],
    { clock, random: systemRandom, openPort: wire.open },
    { ...NOBODY, disturbed },
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

test('frames of another controller or host on the line are told, with their addresses, until they end', async () => {
  const news: (string | null)[] = [];
  const { clock, wire, line } = await openLine((problem) => news.push(problem));
  for (let i = 0; i < 120; i++) {
    wire.say(encodeFrame(7, Buffer.from([COMMAND.controlRelay, 0])));
    await clock.advance(100);
  }
  expect(news).toEqual([expect.stringContaining('10 frames a second that are not of this bus, with address 7')]);
  expect(line.health()).toMatchObject({ state: 'disturbed', counters: { strangeFrames: 120, lateFrames: 0 } });
  for (let i = 0; i < 4; i++) {
    wire.say(Buffer.from([0]));
    await clock.advance(4_900);
  }
  expect(news).toHaveLength(2);
  expect(line.health()).toMatchObject({ state: 'good', problem: null });
});

test('answers that are lost at a controller that is there are told', async () => {
  const news: (string | null)[] = [];
  const { clock, wire, line, ask } = await openLine((problem) => news.push(problem));
  let asked = 0;
  for (let i = 0; i < 60; i++) {
    ask({ request: REQUESTS.doorStatus(), priority: 'poll', retries: 0 });
    await clock.advance(30);
    const question = wire.written.at(-1);
    if (question?.[3] === COMMAND.readEeprom) wire.say(answer(FUNCTION.echo, NODE, ...Buffer.alloc(question[6] ?? 0)));
    else if (asked++ % 2 === 0) wire.say(answer(FUNCTION.echo, NODE, ...Buffer.alloc(4)));
    await clock.advance(400);
  }
  expect(news[0]).toContain('of the answers are lost or damaged');
  expect(line.health().counters.lost).toBeGreaterThan(5);
});
