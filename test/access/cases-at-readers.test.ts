// Sixty of the officer’s cases with everything in between: a simulated reader on an OSDP line, its bytes, the driver,
// the decision, the strike at a simulated relay and the light at the reader, in virtual time.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { COLORS } from '../../drivers/osdp/commands.ts';
import type { DriverEvent } from '../../drivers/driver.ts';
import type { Feedback } from '../../src/domain/ports.ts';
import { raiseVirtualBus, type VirtualBus } from '../drivers/osdp/virtual-bus.ts';
import { happen, presentationOf } from './cases/happens.ts';
import { House } from './cases/house.ts';
import { readCases, type Row } from './cases/rows.ts';
import { ask, type Show } from './cases/run.ts';
import { strikeOf } from '../support/room.ts';
import { Shelf, type PassingClock } from './cases/shelf.ts';
import { BOARD } from './cases/site.ts';

const SAMPLE = 60;
const { cast, rows } = readCases();
/**
 * What such a reader reads, at no edge that passes while it does: not who waits for a second person, whose light is that
 * of who waits for a code, and no finger.
 */
const READ = rows.filter(
  ({ who, at, when, world }) =>
    when % 60_000 === 0 &&
    /^([a-z]+ (card|code)|a card of nobody|code \d+)( then [a-z]+ (card|code)| then code \d+)*$/.test(who) &&
    !/max|behind the back|later|depot|safe/.test(`${who} ${at} ${world.join()}`),
);
/** All over the file, the same in every run. */
const sample = Array.from({ length: SAMPLE }, (_, i) => READ[Math.floor((i * READ.length) / SAMPLE)]).filter((row): row is Row => row !== undefined); // prettier-ignore

const readers = Object.entries(cast.doors).flatMap(([name, { inside }]) => (inside ? [name, `${name} inside`] : [name])); // prettier-ignore
/** The board is the first on the line, and has the strikes. */
const names = [BOARD, ...readers];
const deviceOf = (name: string): string => `reader-${names.indexOf(name)}`;
const { pulseMs, extendedPulseMs } = strikeOf(BOARD);
const STRIKES_MS = [pulseMs, extendedPulseMs];
const LIGHTS: Readonly<Record<number, Feedback>> = { [COLORS.green]: 'granted', [COLORS.red]: 'denied', [COLORS.amber]: 'prompt_pin', [COLORS.magenta]: 'locked_out' }; // prettier-ignore

const shelf = new Shelf(cast);
const told: { house: House | null } = { house: null };
let bus: VirtualBus;
beforeAll(async () => {
  await shelf.fill();
  const emit = (event: DriverEvent): void => {
    if (event.type !== 'presented') return;
    const reader = names[Number(event.device.slice('reader-'.length))] ?? '';
    told.house?.access.presented({ ...event, device: reader });
  };
  bus = await raiseVirtualBus({
    baud: 115_200,
    readers: names.length,
    reader: { outputs: names.length, inputs: 0 },
    controller: (address) => ({ outputs: address === 0 ? names.length : 0 }),
    emit,
  });
}, 120_000);
afterAll(() => shelf.end());

const clockFrom = (wallMs: number): PassingClock => {
  const { time } = bus;
  const beganMs = time.nowMs;
  return {
    ...time.loopClock(),
    nowMs: () => Math.floor(wallMs + time.nowMs - beganMs),
    advance: async (ms) => await time.passUntil(time.nowMs + ms),
  };
};

const show: Show = async (house, what, at) => {
  const sim = bus.sims[names.indexOf(at)];
  const board = bus.sims[0];
  if (sim === undefined || board === undefined) throw new Error(`no reader is at ${at}`);
  const presentation = presentationOf(house, what);
  const decided = house.judged.length;
  const lights = sim.count('LED');
  const struck = board.terminals.pulses.length;
  if (presentation.kind === 'digits') sim.typeKeys(`${presentation.digits}#`);
  else if (presentation.kind === 'card' && presentation.reading.kind === 'wiegand')
    sim.presentCard(presentation.reading.widthBits, presentation.reading.bytes);
  await bus.passUntil(() => house.judged.length > decided && sim.count('LED') > lights, 5_000, `${what} to be answered at ${at}`); // prettier-ignore
  await bus.time.passUntil(bus.time.nowMs + 200);
  house.seen.shown.push(LIGHTS[sim.led().color] ?? 'ready');
  // What keeps another door free is held by pulses as well, longer ones.
  const strikes = board.terminals.pulses.slice(struck).filter(({ durationMs }) => STRIKES_MS.includes(durationMs));
  house.seen.pulsed.push(...strikes.map(({ output }) => output));
};

it('are sixty, from all over the file', () => {
  expect(sample.length).toBe(SAMPLE);
  expect(new Set(sample).size).toBe(SAMPLE);
  expect(new Set(sample.map(({ then }) => then)).size).toBeGreaterThan(2);
});

it.each(sample)('$title', async (row) => {
  const clock = clockFrom(row.when);
  const house = new House({ cast, shelf, clock, device: (name) => bus.driver.devices.get(deviceOf(name)) });
  told.house = house;
  try {
    for (const sentence of row.world) await happen(house, sentence);
    await bus.time.passUntil(bus.time.nowMs + (row.world.length === 0 ? 0 : 500));
    const { outcome } = await ask(house, row, show);
    expect(outcome).toEqual({ then: row.then, ...(row.why === undefined ? {} : { why: row.why }) });
  } finally {
    told.house = null;
    house.end();
  }
});
