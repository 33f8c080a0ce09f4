// Bad days on the wire: what the line loses, breaks and delays, cables that are pulled, readers that die, and what
// their neighbours notice of it.
import { describe, expect, it } from 'vitest';
import type { OutputOutcome } from '../../../drivers/driver.ts';
import { until } from '../../support/ports.ts';
import { inWorld, sleep } from './world.ts';
import type { World } from './world.ts';
import { hex } from './vectors.ts';
import { raiseVirtualBus } from './virtual-bus.ts';

const CARD = hex('BDD93740');

const handshakes = (world: World, name: string): number => world.sim(name).count('CHLNG');

const settled = async (world: World, ...names: string[]): Promise<void> => {
  for (const name of names) {
    await world.online(name);
    await until(() => world.sim(name).count('RSTAT') > 0, `${name} to be set up`);
  }
};

/** The sequence number of the first command that the line keeps, behind its mark; null: it keeps none. */
const keptNumber = (world: World): number | null => {
  const control = world.line.kept[5];
  return control === undefined ? null : control & 0x03;
};

const counters = (world: World, name: string) => {
  const device = world.driver.devices.get(name);
  if (device === undefined) throw new Error(`no ${name}`);
  return device.status().counters;
};

describe('one answer that goes wrong', () => {
  for (const [what, spoil] of [
    ['lost', (world: World) => (world.line.faults.lose = 1)],
    ['damaged', (world: World) => (world.line.faults.damage = 1)],
    [
      'later than its time-out',
      (world: World) => {
        world.line.faults.late = 1;
        world.line.faults.lateMs = 300;
      },
    ],
  ] as const) {
    it(`${what}: the same bytes are sent again, the card is told once, and the session holds`, async () => {
      await inWorld({ readers: { lobby: {} }, speed: 2 }, async (world) => {
        await settled(world, 'lobby');
        spoil(world);
        world.sim('lobby').presentCard(26, CARD);
        await until(() => counters(world, 'lobby').retries > 0, 'a retry');
        await world.event('presented');
        await sleep(300);
        expect(world.count('presented')).toBe(1);
        expect(handshakes(world, 'lobby')).toBe(1);
        expect(world.count('offline')).toBe(0);
      });
    });
  }

  it('late and in the clear: the card is told once', async () => {
    await inWorld(
      { readers: { lobby: { key: null } }, controllers: { lobby: { secure_channel: 'none' } }, speed: 2 },
      async (world) => {
        await settled(world, 'lobby');
        for (let round = 1; round <= 6; round++) {
          await sleep(7);
          world.line.faults.late = 1;
          world.line.faults.lateMs = 300;
          world.sim('lobby').presentCard(32, Buffer.from([4, 0, 0, round]));
          await until(() => world.count('presented') >= round, `card ${round}`);
          await sleep(150);
          expect(world.count('presented')).toBe(round);
        }
      },
    );
  });

  it('lost and in the clear: the same card again and again is not taken for the lost answer more than once', async () => {
    await inWorld(
      { readers: { lobby: { key: null } }, controllers: { lobby: { secure_channel: 'none' } } },
      async (world) => {
        await settled(world, 'lobby');
        world.line.faults.lose = 1;
        for (let i = 0; i < 13; i++) world.sim('lobby').presentCard(26, CARD);
        await until(() => world.count('presented') === 13, 'all cards');
        expect(counters(world, 'lobby').timeouts).toBeLessThanOrEqual(2);
      },
    );
  });

  it('a command that the reader gets damaged costs the session and nothing else', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await settled(world, 'lobby');
      for (let i = 0; i < 3; i++) {
        const before = handshakes(world, 'lobby');
        world.sim('lobby').noise();
        await until(() => handshakes(world, 'lobby') > before, 'a new handshake');
        await until(() => world.sim('lobby').secured, 'a session');
      }
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
      expect(world.count('offline')).toBe(0);
      expect(world.count('secure_channel_lost')).toBe(0);
    });
  });
});

describe('a line that', () => {
  for (const [does, spoil] of [
    ['puts noise before every answer', (world: World) => (world.line.faults.noise = hex('0053FF5380'))],
    ['gives our own bytes back', (world: World) => (world.line.faults.echo = true)],
    [
      'delivers answers byte by byte',
      (world: World) => {
        world.line.faults.pieceBytes = 1;
        world.line.faults.pieceGapMs = 1;
      },
    ],
    [
      'delivers answers in pieces far apart',
      (world: World) => {
        world.line.faults.pieceBytes = 9;
        world.line.faults.pieceGapMs = 60;
      },
    ],
  ] as const) {
    it(`${does} is a line all the same`, async () => {
      await inWorld({ readers: { lobby: {} } }, async (world) => {
        spoil(world);
        await world.online('lobby');
        world.sim('lobby').presentCard(26, CARD);
        expect((await world.event('presented')).presentation.kind).toBe('card');
        expect(world.count('offline')).toBe(0);
      });
    });
  }

  it('loses every fifth answer loses no card', async () => {
    await inWorld({ readers: { lobby: {}, side: {} }, speed: 5 }, async (world) => {
      await settled(world, 'lobby', 'side');
      let sent = 0;
      while (sent < 10) {
        world.line.faults.lose = 1;
        world.sim('lobby').presentCard(32, Buffer.from([4, 0, 0, sent++]));
        await until(() => world.count('presented') === sent, `card ${sent}`);
      }
      expect(world.count('offline')).toBe(0);
    });
  });
});

describe('a reader that', () => {
  it('is busy is asked again until it is not', async () => {
    for (const busySequence of [0, 2]) {
      await inWorld(
        { readers: { lobby: { quirks: { busySequence } } }, controllers: { lobby: { outputs: 1 } } },
        async (world) => {
          await settled(world, 'lobby');
          world.sim('lobby').busy = 5;
          expect(await world.pulse('lobby', 0, 1_000)).toEqual({ outcome: 'done', confirmed: true });
          expect(world.sim('lobby').busy).toBe(0);
          expect(world.sim('lobby').terminals.pulses).toHaveLength(1);
          expect(handshakes(world, 'lobby')).toBe(1);
        },
      );
    }
  });

  it('is busy for ever does not open the door later', async () => {
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { outputs: 1 } }, speed: 5 }, async (world) => {
      await settled(world, 'lobby');
      world.sim('lobby').busy = 1_000_000;
      expect(await world.pulse('lobby', 0, 1_000)).toMatchObject({
        outcome: 'failed',
        error: expect.stringMatching(/timed_out|too_late/),
      });
      await sleep(20);
      world.sim('lobby').busy = 0;
      await sleep(200);
      expect(world.sim('lobby').terminals.pulses).toEqual([]);
    });
  });

  it('asks for a new beginning with a reply numbered 0 gets one, on the quiet', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await settled(world, 'lobby');
      world.sim('lobby').oneShots.push('numbered_0');
      await until(() => handshakes(world, 'lobby') === 2, 'a new handshake');
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
      expect(world.count('offline')).toBe(0);
    });
  });

  it('restarts in between is taken up again without going offline', async () => {
    const inTheClear = { reader: { key: null }, controller: { secure_channel: 'none' } };
    for (const how of [{}, inTheClear]) {
      const bus = await raiseVirtualBus({ baud: 115_200, readers: 1, ...how });
      const isShown = (): boolean => bus.sims.every((sim) => sim.led().color !== 0);
      await bus.passUntil(isShown, 10_000, 'its LED to be set');
      for (const sim of bus.sims) sim.powerCycle(1_500);
      expect(isShown()).toBe(false);
      await bus.passUntil(isShown, 10_000, 'its LED to be set anew');
      expect(bus.count('offline')).toBe(0);
    }
  });

  it('tells more than a poll can hold does not keep its neighbour from being polled', async () => {
    await inWorld({ readers: { lobby: {}, side: {} }, turnaroundMs: 1 }, async (world) => {
      await settled(world, 'lobby', 'side');
      for (let i = 0; i < 40; i++) world.sim('lobby').presentCard(32, Buffer.from([4, 0, 0, i]));
      const before = world.sim('side').count('POLL');
      await until(() => world.count('presented') === 40, 'all cards');
      expect(world.sim('side').count('POLL') - before).toBeGreaterThanOrEqual(8);
    });
  });
});

describe('a cable', () => {
  it('pulled for a second amid cards: nobody goes offline, the session holds, the next card is told', async () => {
    const bus = await raiseVirtualBus({ baud: 115_200, readers: 2 });
    bus.sims[0]?.presentCard(26, CARD);
    await bus.passUntil(() => bus.count('presented') === 1, 1_000, 'the card before');
    bus.simulated.faults.pulled = true;
    await bus.time.passUntil(bus.time.nowMs + 1_000);
    bus.simulated.faults.pulled = false;
    bus.sims[0]?.presentCard(26, CARD);
    await bus.passUntil(() => bus.count('presented') === 2, 1_000, 'the card behind');
    expect(bus.count('offline')).toBe(0);
    expect(bus.sims.map((sim) => sim.count('CHLNG'))).toEqual([1, 1]);
  });

  it('pulled for ten seconds: both readers go offline, and come back by themselves with a new session', async () => {
    const bus = await raiseVirtualBus({ baud: 115_200, readers: 2 });
    bus.simulated.faults.pulled = true;
    await bus.time.passUntil(bus.time.nowMs + 10_000);
    expect(bus.count('offline')).toBe(2);
    expect(bus.driver.devices.get('reader-1')?.status()).toMatchObject({
      online: false,
      problem: expect.stringContaining('does not answer'),
    });
    bus.simulated.faults.pulled = false;
    await bus.passUntil(() => bus.count('online') === 4, 20_000, 'both to be back');
    expect(bus.sims.map((sim) => sim.secured)).toEqual([true, true]);
    expect(bus.sims[0]?.count('CHLNG')).toBe(2);
    await bus.time.passUntil(bus.time.nowMs + 1_000);
    bus.sims[0]?.presentCard(26, CARD);
    await bus.passUntil(() => bus.count('presented') === 1, 1_000, 'the card');
  });

  it('pulled for longer than anybody waits: a card from before or during the outage opens nothing afterwards', async () => {
    for (const outageMs of [3_000, 12_000]) {
      await inWorld({ readers: { lobby: { remembersCards: true } }, speed: 5 }, async (world) => {
        await settled(world, 'lobby');
        world.line.faults.pulled = true;
        world.sim('lobby').presentCard(32, hex('04000001'));
        world.sim('lobby').typeKeys('1234#');
        await sleep(outageMs / 5);
        world.line.faults.pulled = false;
        await until(() => world.sim('lobby').waiting === 0, 'the reader to be emptied');
        await world.online('lobby');
        expect(world.count('presented')).toBe(0);
        world.sim('lobby').presentCard(26, CARD);
        await world.event('presented');
      });
    }
  });

  it('of the adapter itself: the port goes and comes, and the readers with it', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await settled(world, 'lobby');
      await world.pty?.cut();
      await world.event('offline');
      expect(world.driver.devices.get('lobby')?.status().problem).toMatch(
        /unplugged|no such device|the device is gone/,
      );
      await world.pty?.replug();
      const from = world.events.length;
      await world.event('online', from - 1);
      await world.online('lobby');
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented', from);
    });
  });

  it('behind a network that stands still: answers to what a restarted reader gets late are no verdict on its key', async () => {
    await inWorld({ line: 'tcp', readers: { lobby: {} }, turnaroundMs: 5, speed: 2 }, async (world) => {
      await settled(world, 'lobby');
      // Number 3 is the last that a restarted reader comes to: every copy before that gets a NAK of its own.
      while (keptNumber(world) !== 3) {
        world.line.faults.stalled = false;
        await until(() => world.line.kept.length === 0, 'the line to move');
        world.line.faults.stalled = true;
        await until(() => world.line.kept.length > 0, 'a command that is kept');
      }
      await sleep(600);
      world.sim('lobby').powerCycle();
      world.line.faults.stalled = false;
      await until(() => handshakes(world, 'lobby') >= 2, 'a new handshake');
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
      expect(world.count('fault')).toBe(0);
      expect(world.count('offline')).toBe(0);
    });
  });

  it('behind a slow line whose network stands still: the reader is taken up again when the old answers have passed', async () => {
    const bus = await raiseVirtualBus({ baud: 9_600, readers: 1 });
    bus.simulated.faults.stalled = true;
    await bus.passUntil(() => bus.count('offline') === 1, 20_000, 'the reader to be missed');
    await bus.time.passUntil(bus.time.nowMs + 2_000);
    bus.simulated.faults.stalled = false;
    await bus.passUntil(() => bus.count('online') === 2, 20_000, 'the reader to be back');
    await bus.time.passUntil(bus.time.nowMs + 2_000);
    expect(bus.sims[0]?.count('SCRYPT')).toBe(2);
    expect(bus.count('fault')).toBe(0);
    expect(bus.count('offline')).toBe(1);
  });

  it('behind a network that stands still: a strike whose time is over does not come through when it moves again', async () => {
    for (const secure_channel of ['required', 'none']) {
      const lobby = secure_channel === 'none' ? { key: null } : {};
      await inWorld(
        { line: 'tcp', readers: { lobby }, controllers: { lobby: { outputs: 1, secure_channel } }, turnaroundMs: 10 },
        async (world) => {
          await settled(world, 'lobby');
          let outcome: OutputOutcome;
          do {
            await world.online('lobby');
            world.line.faults.stalled = true;
            outcome = await world.pulse('lobby', 0, 500, 600);
            await sleep(600);
            world.line.faults.stalled = false;
            // Where a poll was on its way, the strike was not sent at all.
          } while (outcome.outcome === 'failed' && outcome.error === 'too_late');
          expect(outcome).toMatchObject({ outcome: 'failed', error: 'timed_out' });
          await world.online('lobby');
          expect(world.sim('lobby').terminals.pulses).toEqual([]);
          expect(await world.pulse('lobby', 0, 500)).toMatchObject({ outcome: 'done' });
        },
      );
    }
  });

  it('of a converter that is restarted', async () => {
    await inWorld({ line: 'tcp', readers: { lobby: {} } }, async (world) => {
      await settled(world, 'lobby');
      await world.line.stop();
      await world.event('offline');
      const from = world.events.length;
      await world.line.start();
      await world.event('online', from - 1);
    });
  });
});

describe('a dead reader', () => {
  it('is probed seldom enough to leave the others nine tenths of the bus', async () => {
    await inWorld({ readers: { lobby: {}, side: {}, dead: {} }, speed: 10 }, async (world) => {
      await settled(world, 'lobby', 'side', 'dead');
      world.sim('dead').powerCycle(1e9);
      await world.event('offline');
      const probes = (): number => counters(world, 'dead').requests;
      // The first ones may follow each other at once.
      const early = probes();
      await until(() => probes() >= early + 2, 'the pauses to begin', 15_000);
      const sinceMs = world.nowMs();
      const before = probes();
      await until(() => probes() >= before + 8, 'eight probes', 15_000);
      // Each takes 220 ms of the bus’ time.
      expect(8 * 220).toBeLessThanOrEqual((world.nowMs() - sinceMs) / 10);
      expect(world.driver.devices.get('lobby')?.status().online).toBe(true);
    });
  });

  it('does not hold up a card at its neighbour while it is being given up', async () => {
    await inWorld({ readers: { lobby: {}, dead: {} }, speed: 5 }, async (world) => {
      await settled(world, 'lobby', 'dead');
      world.sim('dead').powerCycle(1e9);
      for (let i = 1; i <= 5; i++) {
        world.sim('lobby').presentCard(26, CARD);
        await until(() => world.count('presented') === i, `card ${i}`);
        await sleep(100);
      }
    });
  });

  it('that comes back brings the others of its cable back at once', async () => {
    await inWorld({ readers: { lobby: {}, a: {}, b: {}, c: {}, d: {} }, speed: 10 }, async (world) => {
      await settled(world, 'lobby', 'a', 'b', 'c', 'd');
      for (const name of ['a', 'b', 'c', 'd']) world.sim(name).powerCycle(15_000);
      await until(() => world.count('offline') === 4, 'all four to go');
      await sleep(1_200);
      for (const name of ['a', 'b', 'c', 'd']) await world.online(name);
      expect(world.driver.devices.get('lobby')?.status().online).toBe(true);
    });
  });
});

it('thirty-two readers on a slow bus all come online, are set up, and keep their sessions meanwhile', async () => {
  const bus = await raiseVirtualBus({ baud: 9_600, readers: 32, controller: { inputs: 2 } });
  expect(bus.count('online')).toBe(32);
  expect(bus.count('offline')).toBe(0);
  expect(bus.sims.map((sim) => sim.count('CHLNG'))).toEqual(bus.sims.map(() => 1));
  await bus.time.passUntil(bus.time.nowMs + 2_000);
  bus.sims[31]?.presentCard(26, CARD);
  await bus.passUntil(() => bus.count('presented') === 1, 2_000, 'the card');
});

it('a bus that is stopped says nothing more', async () => {
  await inWorld({ readers: { lobby: {} } }, async (world) => {
    await settled(world, 'lobby');
    await world.driver.stop(500);
    const { commands } = world.line.counts;
    await sleep(100);
    expect(world.line.counts.commands).toBe(commands);
    expect(world.driver.devices.get('lobby')?.status()).toMatchObject({ online: false, problem: 'stopped' });
  });
});
