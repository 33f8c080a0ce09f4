// Days on which another device answers in the place of a reader, or one reader has the bus much to itself. In virtual
// time.

import { describe, expect, it } from 'vitest';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import { reply } from '../../../drivers/osdp/replies.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { hex } from './vectors.ts';
import { raiseVirtualBus, type VirtualBus } from './virtual-bus.ts';
import { watchWire } from './wire.ts';

const OTHER_KEY = hex('5A1F05E77120B9D4408EE6AB1D2937FC');
const CARD = hex('BDD93740');
const pass = (bus: VirtualBus, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);
const simOf = (bus: VirtualBus, at = 0): SimulatedReader => {
  const sim = bus.sims[at];
  if (sim === undefined) throw new Error(`there is a reader ${at}`);
  return sim;
};
const statusOf = (bus: VirtualBus, at = 0) => bus.driver.osdp.status(`reader-${at}`);
const shownAt = (bus: VirtualBus): string[] =>
  bus.events.flatMap((event) => (event.type === 'presented' ? [event.device] : []));
const cardsOf = (bus: VirtualBus): Buffer[] =>
  bus.events.flatMap((event) =>
    event.type === 'presented' && event.presentation.kind === 'card' ? [event.presentation.reading.bytes] : [],
  );

/** Somebody takes the reader off the wall and puts another one there. */
function replace(sim: SimulatedReader, change: Partial<Pick<SimulatedReader, 'key' | 'installMode' | 'quirks'>>): void {
  sim.id = { ...sim.id, serial: 7 };
  Object.assign(sim, change);
  sim.powerCycle();
}

describe('another device in the place of a reader', () => {
  it.each([
    ['that has another key', { key: OTHER_KEY }],
    ['that has no key', { key: null }],
    ['that offers the default key', { key: null, installMode: true }],
  ])('%s is not served: its cards are nobody’s, and it is given no key', async (_what, change) => {
    const bus = await raiseVirtualBus({ baud: 38_400, readers: 1, controller: { inputs: 1 } });
    const sim = simOf(bus);
    const { key } = sim;
    replace(sim, change);
    await bus.passUntil(() => bus.count('offline') === 1, 30_000, 'it to be out of service');
    const wire = watchWire(bus);
    for (let i = 0; i < 10; i++) {
      sim.presentCard(26, CARD);
      sim.typeKeys('1234#');
      sim.setInput(0);
      await pass(bus, 6_000);
    }
    expect(shownAt(bus)).toEqual([]);
    expect(sim.terminals.pulses).toEqual([]);
    expect(sim.offeredKey).toBeNull();
    expect(wire.commands('KEYSET')).toEqual([]);
    expect(statusOf(bus).online).toBe(false);
    expect(statusOf(bus).problem).not.toBeNull();
    // What keeps it away is told, and not told again and again.
    expect(bus.count('offline')).toBe(1);
    expect(bus.count('fault') + bus.count('secure_channel_lost') + bus.count('identity_changed')).toBeLessThanOrEqual(
      4,
    );

    replace(sim, { key, installMode: false });
    await bus.passUntil(() => bus.count('online') === 2, 60_000, 'the true one');
    await pass(bus, 1_000);
    const before = shownAt(bus).length;
    sim.presentCard(26, CARD);
    await bus.passUntil(() => shownAt(bus).length === before + 1, 2_000, 'its card');
  });

  it('that has its key is told of once, and what was learnt of the one before it is forgotten', async () => {
    const bus = await raiseVirtualBus({ baud: 38_400, readers: 1 });
    const sim = simOf(bus);
    // The first one sends what it reads right-justified, and refuses a type of finger. Zeros at both ends say nothing.
    const [telling, silent] = ['02F764DD', '02000040'].map((bits) =>
      reply('RAW', { reader: 0, format: 0, widthBits: 26, bits: hex(bits) }),
    );
    if (telling === undefined || silent === undefined) throw new Error('there are two');
    sim.report(telling);
    sim.report(silent);
    await bus.passUntil(() => cardsOf(bus).length === 2, 2_000, 'its cards');
    expect(cardsOf(bus)).toEqual([hex('BDD93740'), hex('80001000')]);
    sim.sensor.knows = { types: [1], formats: [0] };
    const finger = { reader: 0, type: 2, format: 0, quality: 0 };
    const refused = bus.driver.osdp.readBiometric('reader-0', finger, 2_000).then(() => 'done', String);
    expect(await bus.passDuring(refused, 10_000)).toContain('refused');
    sim.sensor.knows = null;
    replace(sim, {});
    await bus.passUntil(() => bus.count('identity_changed') === 1, 20_000, 'the other one to be noticed');
    await pass(bus, 20_000);
    expect(bus.count('identity_changed')).toBe(1);
    sim.report(silent);
    await bus.passUntil(() => cardsOf(bus).length === 3, 2_000, 'its card');
    expect(cardsOf(bus)[2]).toEqual(hex('02000040'));
    const read = bus.driver.osdp.readBiometric('reader-0', finger, 5_000);
    expect((await bus.passDuring(read, 10_000)).template.length).toBeGreaterThan(0);
  });

  it('that is another reader of the same bus, each with its own key: neither is taken for the other', async () => {
    const keyed = (sim: SimulatedReader): void => {
      if (sim.address === 1) sim.key = OTHER_KEY;
    };
    const bus = await raiseVirtualBus({ baud: 38_400, readers: 2, prepare: keyed });
    const [first, second] = [simOf(bus, 0), simOf(bus, 1)];
    const swap = (): void => {
      [first.address, second.address] = [second.address, first.address];
      first.powerCycle();
      second.powerCycle();
    };
    swap();
    await bus.passUntil(() => bus.count('offline') === 2, 30_000, 'both to be out of service');
    for (let i = 0; i < 5; i++) {
      first.presentCard(26, CARD);
      second.presentCard(26, CARD);
      await pass(bus, 5_000);
    }
    expect(shownAt(bus)).toEqual([]);
    swap();
    await bus.passUntil(() => bus.count('online') === 4, 60_000, 'both to be back');
    await pass(bus, 1_000);
    first.presentCard(26, CARD);
    await bus.passUntil(() => shownAt(bus).length === 1, 2_000, 'a card');
    expect(shownAt(bus)).toEqual(['reader-0']);
  });

  it('in transparent mode, under another key, has no field given to it, and proves nobody’s key', async () => {
    const prepare = (sim: SimulatedReader): void => void (sim.field.isKnown = true);
    const bus = await raiseVirtualBus({ baud: 115_200, readers: 1, controller: { transparent: true }, prepare });
    const sim = simOf(bus);
    sim.field.lay(new SimulatedCard());
    await bus.passUntil(() => shownAt(bus).length === 1, 5_000, 'a phone');
    const { key } = sim;
    replace(sim, { key: OTHER_KEY });
    await bus.passUntil(() => bus.count('offline') === 1, 30_000, 'it to be out of service');
    const wire = watchWire(bus);
    sim.field.lay(new SimulatedCard());
    await pass(bus, 30_000);
    expect(wire.commands('XWR')).toEqual([]);
    expect(shownAt(bus)).toHaveLength(1);
    replace(sim, { key });
    await bus.passUntil(() => shownAt(bus).length === 2, 60_000, 'a phone at the true one');
  });
});

describe('a bus of eight readers of which one is transparent', () => {
  it.each([38_400, 115_200])('at %i leaves each of the others at least half of its polls', async (baud) => {
    const polls = async (transparent: boolean): Promise<{ each: number[]; phones: number }> => {
      const bus = await raiseVirtualBus({
        baud,
        readers: 8,
        controller: (address) => ({ transparent: transparent && address === 0 }),
        prepare: (sim) => void (sim.field.isKnown = true),
      });
      const counts = (): number[] => bus.sims.slice(1).map((sim) => sim.count('POLL'));
      const before = counts();
      // People come one after the other, some take their phones away too early.
      for (let i = 0; i < 8; i++) {
        simOf(bus).field.lay(i % 3 === 2 ? { answer: () => null } : new SimulatedCard());
        await pass(bus, 2_000);
        simOf(bus).field.lay(null);
        await pass(bus, 500);
      }
      return { each: counts().map((count, i) => count - (before[i] ?? 0)), phones: shownAt(bus).length };
    };
    const [alone, shared] = [await polls(false), await polls(true)];
    expect(shared.phones).toBeGreaterThan(3);
    const shares = shared.each.map((count, i) => count / (alone.each[i] ?? 1));
    expect(Math.min(...shares)).toBeGreaterThan(0.5);
  });

  it('has a card at any of the others followed by its strike while phones are spoken to', async () => {
    const bus = await raiseVirtualBus({
      baud: 38_400,
      readers: 8,
      controller: (address) => ({ transparent: address === 0 }),
      prepare: (sim) => void (sim.field.isKnown = true),
    });
    for (const [at, sim] of bus.sims.entries()) {
      if (at === 0) continue;
      simOf(bus).field.lay(new SimulatedCard());
      await bus.passUntil(() => simOf(bus).field.mode === 1, 5_000, 'a turn of the phones');
      sim.presentCard(26, CARD);
      await bus.passUntil(() => sim.terminals.pulses.length === 1, 1_000, `the strike of ${at}`);
      simOf(bus).field.lay(null);
    }
    expect(bus.count('offline')).toBe(0);
  });
});
