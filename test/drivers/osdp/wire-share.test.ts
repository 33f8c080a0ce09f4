// What a bus makes of its wire while something happens at its readers: how much of the wire's time it uses, and how
// soon a card is followed by its strike. In virtual time, so that it comes out the same on every machine.
import { describe, expect, it } from 'vitest';
import { wireTimeMs } from '../../../src/domain/line.ts';
import { raiseVirtualBus, TURNAROUND_MS } from './virtual-bus.ts';
import type { LineKind } from './virtual-bus.ts';
import { hex } from './vectors.ts';

/** Marks of answers and the pauses before both, which no counter counts. */
const UNCOUNTED_CHARACTERS = 5;
const POLL_CHARACTERS = 34;

const charactersMs = (baud: number, characters: number): number =>
  wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, characters);

/** The share of the wire's time that is exchanges, over three seconds in which cards are shown again and again. */
async function shareOfWire(baud: number, readers: number, line: LineKind): Promise<number> {
  const { time, driver, sims, simulated, count } = await raiseVirtualBus({ baud, readers, line });
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
  const { time, sims } = await raiseVirtualBus({ baud, readers });
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
