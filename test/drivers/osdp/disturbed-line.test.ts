// A line on which somebody else speaks, or whose answers come too late: what is known of its readers stays true, and
// that the line is at fault is told. In virtual time.
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../drivers/osdp/commands.ts';
import { encodeFrame } from '../../../drivers/osdp/frame.ts';
import { REPLIES } from '../../../drivers/osdp/replies.ts';
import { openVirtualBus, raiseVirtualBus } from './virtual-bus.ts';
import type { VirtualBus } from './virtual-bus.ts';
import { hex } from './vectors.ts';

/** No reader of ours has it. */
const STRANGER = 99;
const frameOf = (reply: boolean): Buffer =>
  encodeFrame(
    {
      address: STRANGER,
      reply,
      sequence: 1,
      crc: true,
      block: null,
      code: reply ? REPLIES.ACK.code : COMMANDS.POLL.code,
      data: Buffer.alloc(0),
    },
    undefined,
    1,
  );

/** Somebody says this over and over. Gives what ends it. */
function babble(bus: VirtualBus, bytes: Buffer, everyMs: number): () => void {
  let isOver = false;
  const next = (): void => {
    if (isOver) return;
    bus.simulated.say(bytes);
    bus.time.at(bus.time.nowMs + everyMs, next);
  };
  next();
  return () => void (isOver = true);
}

const disturbances = (bus: VirtualBus): (string | null)[] =>
  bus.events.flatMap((event) => (event.type === 'bus_disturbed' ? [event.problem] : []));
const counters = (bus: VirtualBus, name: string) => bus.driver.devices.get(name)?.status().counters;

describe('a line jammed by frames of another address', () => {
  for (const [reply, what] of [
    [true, 'answers'],
    [false, 'commands'],
  ] as const) {
    it(`(${what}, one a millisecond) is told, and readers that cannot be asked are offline when they have missed as much as any`, async () => {
      const bus = await raiseVirtualBus({ baud: 9_600, readers: 2 });
      const before = counters(bus, 'reader-0')?.timeouts ?? 0;
      const fromMs = bus.time.nowMs;
      const end = babble(bus, frameOf(reply), 1);
      await bus.passUntil(() => bus.count('offline') === 2, 12_000, 'both to be offline');
      expect(bus.time.nowMs - fromMs).toBeGreaterThan(7_900);
      expect((counters(bus, 'reader-0')?.timeouts ?? 0) - before).toBeGreaterThan(20);
      expect(bus.driver.devices.get('reader-0')?.status().problem).toContain('never falls silent');
      expect(disturbances(bus)).toEqual([expect.stringMatching(/never falls silent.*address 99/)]);
      expect(bus.driver.health?.()).toMatchObject({ state: 'disturbed', problem: expect.stringContaining('99') });
      end();
      await bus.passUntil(() => bus.count('online') === 4, 20_000, 'both to be back');
      await bus.passUntil(() => bus.driver.health?.().state === 'good', 20_000, 'the line to be well');
      expect(disturbances(bus)).toEqual([expect.any(String), null]);
      // Once it is back, a card is a card.
      await bus.time.passUntil(bus.time.nowMs + 1_000);
      bus.sims[0]?.presentCard(26, hex('BDD93740'));
      await bus.passUntil(() => bus.count('presented') === 1, 1_000, 'the card');
    });
  }

  it('less often, so that readers still answer, is told all the same', async () => {
    const bus = await raiseVirtualBus({ baud: 38_400, readers: 2 });
    const end = babble(bus, frameOf(false), 40);
    await bus.passUntil(() => disturbances(bus).length === 1, 12_000, 'it to be told');
    expect(disturbances(bus)).toEqual([expect.stringContaining('somebody else speaks on the line')]);
    expect(bus.count('offline')).toBe(0);
    end();
    await bus.passUntil(() => disturbances(bus).length === 2, 20_000, 'the all-clear');
    expect(bus.driver.health?.()).toMatchObject({ state: 'good', problem: null });
  });
});

it('a line whose readers answer after their time is told as such, and what to do', async () => {
  const bus = await openVirtualBus({ baud: 9_600, readers: 2, turnaroundMs: 260 });
  await bus.passUntil(() => disturbances(bus).length > 0, 60_000, 'it to be told');
  expect(disturbances(bus)[0]).toContain('raise `reply_timeout`');
});

it('a line that loses every third answer is told, though its readers are all online', async () => {
  const bus = await raiseVirtualBus({ baud: 9_600, readers: 2 });
  let answers = bus.simulated.counts.answers;
  const look = (): void => {
    if (bus.simulated.counts.answers >= answers + 2) {
      answers = bus.simulated.counts.answers;
      bus.simulated.faults.lose = 1;
    }
    bus.time.at(bus.time.nowMs + 2, look);
  };
  look();
  await bus.passUntil(() => disturbances(bus).length > 0, 30_000, 'it to be told');
  expect(disturbances(bus)[0]).toContain('lost or damaged');
  expect(bus.count('offline')).toBe(0);
});

it('a line with an adapter that echoes, a reader that is gone and cards again and again is no disturbed one', async () => {
  const bus = await raiseVirtualBus({ baud: 38_400, readers: 4 });
  bus.simulated.faults.echo = true;
  bus.sims[3]?.powerCycle(1e9);
  for (let i = 0; i < 60; i++) {
    bus.sims[i % 3]?.presentCard(26, hex('BDD93740'));
    await bus.time.passUntil(bus.time.nowMs + 1_000);
  }
  expect(bus.count('offline')).toBe(1);
  expect(disturbances(bus)).toEqual([]);
  expect(bus.driver.health?.()).toMatchObject({ state: 'good', problem: null });
});
