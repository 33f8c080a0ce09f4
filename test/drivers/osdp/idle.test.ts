// What a bus costs on which nothing happens: how often readers are polled, and how often the loop turns for it.
import { describe, expect, it } from 'vitest';
import { until } from '../../support/ports.ts';
import { inWorld } from './world.ts';
import type { World, WorldOptions } from './world.ts';
import { hex } from './vectors.ts';

const READERS = { lobby: {}, side: {} };
const polls = (world: World): number => world.sim('lobby').count('POLL') + world.sim('side').count('POLL');

/** Set up, and left alone for so long that nothing is expected to follow. */
async function atRest(world: World): Promise<void> {
  for (const name of ['lobby', 'side']) {
    await world.online(name);
    await until(() => world.sim(name).count('RSTAT') > 0, `${name} to be set up`);
  }
  const restsAtMs = world.nowMs() + 1_000;
  await until(() => world.nowMs() > restsAtMs, 'nothing more to follow');
}

/** What the next polls took: how many of each reader, turns of the loop, and time. */
async function overPolls(world: World, count: number): Promise<{ polls: number; turns: number; tookMs: number }> {
  const before = { polls: polls(world), turns: world.turns(), atMs: world.nowMs() };
  await until(() => polls(world) >= before.polls + count, `${count} polls`, 20_000);
  return {
    polls: polls(world) - before.polls,
    turns: world.turns() - before.turns,
    tookMs: world.nowMs() - before.atMs,
  };
}

const LINES: readonly [string, Partial<WorldOptions>][] = [
  ['a pseudo terminal, which has no pace of its own', { line: 'pty', baud: 115_200 }],
  [
    'a pseudo terminal, with outputs that are looked at,',
    { line: 'pty', baud: 115_200, controllers: { lobby: { outputs: 1 }, side: { outputs: 1 } } },
  ],
  ['a network converter at 9600 baud, which answers sooner than a wire', { line: 'tcp', baud: 9_600 }],
];

describe('an idle reader', () => {
  for (const [what, line] of LINES) {
    it(`on ${what} is polled at a steady pace and by timers`, async () => {
      await inWorld({ readers: READERS, ...line }, async (world) => {
        await atRest(world);
        const took = await overPolls(world, 80);
        expect(took.polls / 2).toBeLessThanOrEqual(took.tookMs / 25 + 2);
        // All of the pause is waited for, and a read that has emptied its line needs no turn of its own.
        expect(took.turns).toBeLessThanOrEqual(took.polls / 2 + 10);
      });
    });
  }

  it('at which something happens is polled as fast as the line allows, until nothing has followed for a while', async () => {
    await inWorld({ readers: READERS, speed: 0.2 }, async (world) => {
      await atRest(world);
      const before = { polls: world.sim('lobby').count('POLL'), side: world.sim('side').count('POLL') };
      world.sim('lobby').presentCard(26, hex('BDD93740'));
      await until(() => world.sim('lobby').count('POLL') >= before.polls + 60, 'sixty polls', 20_000);
      // The other one, at which nothing has happened, keeps its pace.
      expect(world.sim('side').count('POLL') - before.side).toBeLessThan(40);
    });
  });

  it('is told and asked at once all the same', async () => {
    await inWorld({ readers: READERS, controllers: { lobby: { outputs: 1 } }, speed: 0.02 }, async (world) => {
      await world.online('lobby');
      await until(() => world.sim('lobby').count('RSTAT') > 0, 'the reader to be set up');
      const strikes: number[] = [];
      for (let i = 0; i < 3; i++) {
        const askedAtMs = world.nowMs();
        expect(await world.pulse('lobby', 0, 100)).toMatchObject({ outcome: 'done' });
        strikes.push(world.nowMs() - askedAtMs);
      }
      // Time runs at a fiftieth: the pace of polls is more than a second of the test's, a strike a few thousandths.
      expect(Math.min(...strikes)).toBeLessThan(12);
    });
  });
});
