// Who a reader is, on a line where anybody may speak: who is listened to, and what an installer is told of the others.

import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../drivers/osdp/commands.ts';
import { encodeFrame } from '../../../drivers/osdp/frame.ts';
import { keyWeakness, makeKey, parseKey } from '../../../drivers/osdp/keys.ts';
import { REPLIES } from '../../../drivers/osdp/replies.ts';
import { SCBK_DEFAULT } from '../../../drivers/osdp/secure-channel.ts';
import { SIMULATED_ID } from '../../../drivers/osdp/simulated-device.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { until } from '../../support/ports.ts';
import { inWorld, KEY, sleep } from './world.ts';
import type { World } from './world.ts';
import { hex } from './vectors.ts';
import { openVirtualBus, raiseVirtualBus } from './virtual-bus.ts';

const OTHER_KEY = hex('5B0ED1943FA7826C11D8E04A79B3F62C');
const CARD = hex('BDD93740');
const problem = (world: World): string => world.driver.devices.get('lobby')?.status().problem ?? '';

/** Somebody on the line takes the next command of this name from the reader, and acknowledges it in the clear. */
function intercepted(world: World, name: 'OUT'): { sim: SimulatedReader; kept: () => number } {
  const sim = world.sim('lobby');
  const receive = sim.receive.bind(sim);
  let kept = 0;
  sim.receive = (frame) => {
    if (frame.code !== COMMANDS[name].code || kept > 0) return receive(frame);
    kept += 1;
    const { address, sequence, crc } = frame;
    const fields = { address, sequence, crc, reply: true, block: null, code: REPLIES.ACK.code, data: Buffer.alloc(0) };
    return { bytes: encodeFrame(fields, undefined, 1), afterwards: null };
  };
  return { sim, kept: () => kept };
}

describe('a reader is not listened to', () => {
  it('when the database with its key is out of reach: that is said, and no key is installed in place of the one it has', async () => {
    await inWorld({ readers: { lobby: { installMode: true } }, store: false }, async (world) => {
      await until(() => problem(world).includes('in the database, which was refused'), 'the problem');
      await expect(world.driver.osdp.install('lobby', 60_000)).rejects.toThrow('Do not install the reader anew');
      await sleep(200);
      expect(world.sim('lobby').count('CHLNG')).toBe(0);
    });
  });

  it('when Lintel has no key for it: it is not even greeted, and the problem names the command that helps', async () => {
    await inWorld({ readers: { lobby: { key: null, installMode: true } } }, async (world) => {
      await until(() => problem(world).includes('lintel osdp install lobby'), 'the problem');
      await sleep(200);
      expect(world.sim('lobby').count('CHLNG')).toBe(0);
      expect(await world.event('fault')).toMatchObject({ code: 'secure_channel_refused', cleared: false });
      expect(world.count('online')).toBe(0);
    });
  });

  it('when it holds another key, and the default key is not tried, install mode or not', async () => {
    for (const installMode of [false, true]) {
      await inWorld({ readers: { lobby: { installMode } } }, async (world) => {
        world.sim('lobby').key = OTHER_KEY;
        await until(() => problem(world).includes('does not hold the key'), 'the problem');
        await until(() => world.sim('lobby').count('CHLNG') > 3, 'further attempts');
        expect(world.events.filter((event) => event.type === 'secure_channel_lost')).toMatchObject([
          { reason: 'somebody answered who does not hold the key of this reader' },
        ]);
        expect(world.sim('lobby').secured).toBe(false);
        expect(world.sim('lobby').count('SCRYPT')).toBe(0);
        expect(world.sim('lobby').count('KEYSET')).toBe(0);
        expect(world.count('online')).toBe(0);
      });
    }
  });

  it('when it says in its capabilities that it knows no security, or answers the handshake with anything else', async () => {
    await inWorld({ readers: { lobby: { key: null } } }, async (world) => {
      world.keys.give('lobby', KEY);
      await until(() => problem(world).includes('refused the'), 'the problem');
      expect(world.count('online')).toBe(0);
    });
  });

  it('when it shows a card in the clear: the card goes nowhere and an event says so', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').oneShots.push('clear_card');
      await world.event('clear_text_card');
      await until(() => world.sim('lobby').count('CHLNG') === 2, 'a new handshake');
      expect(world.count('presented')).toBe(0);
      expect(await world.event('secure_channel_lost')).toMatchObject({ reason: 'a reply came in the clear' });
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
    });
  });

  it('when it acknowledges in the clear: somebody else may have, so the strike goes again under a new session', async () => {
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { outputs: 1 } } }, async (world) => {
      await world.online('lobby');
      const { sim, kept } = intercepted(world, 'OUT');
      expect(await world.pulse('lobby', 0, 3_000)).toEqual({ outcome: 'done', confirmed: true });
      expect(kept()).toBe(1);
      expect(sim.terminals.pulses).toHaveLength(1);
      expect(await world.event('secure_channel_lost')).toMatchObject({ reason: 'a reply came in the clear' });
    });
  });

  it('when it is only being looked for: a card that it has kept opens nothing, and is no alarm, for it was asked in the clear', async () => {
    const lobby = { remembersCards: true, quirks: { enforcesSecurity: false, idNeedsPoll: true } };
    await inWorld({ readers: { lobby }, speed: 10 }, async (world) => {
      await world.online('lobby');
      world.line.faults.pulled = true;
      await world.event('offline');
      world.sim('lobby').powerCycle();
      world.sim('lobby').presentCard(26, CARD);
      world.line.faults.pulled = false;
      await world.online('lobby');
      expect(world.sim('lobby').waiting).toBe(0);
      expect(world.count('presented')).toBe(0);
      expect(world.count('clear_text_card')).toBe(0);
    });
  });

  it('when its replies are forged: an event says so, and the true reader is taken up again', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').forging = true;
      await world.event('secure_channel_lost');
      world.sim('lobby').forging = false;
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
      expect(world.events.find((event) => event.type === 'secure_channel_lost')?.reason).toContain(
        'authentication code',
      );
    });
  });

  it('when one forged reply comes among the true ones, nothing is lost but the time of one question', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').oneShots.push('bad_mac');
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
      expect(world.count('offline')).toBe(0);
    });
  });
});

describe('keys that are no keys', () => {
  for (const [what, key] of [
    ['the default key', SCBK_DEFAULT.toString('hex')],
    ['zeros', '00'.repeat(16)],
    ['bytes that count up', '000102030405060708090A0B0C0D0E0F'],
    ['bytes that count down', '1F1E1D1C1B1A19181716151413121110'],
    ['a pattern', 'DEADBEEF'.repeat(4)],
    ['half a key twice', '0123456789ABCDEF'.repeat(2)],
    ['few different bytes', '01020104010201040301020104010202'],
    ['plain text', Buffer.from('OpenSesame123456').toString('hex')],
  ] as const) {
    it(`${what} is refused, and the message does not repeat it`, () => {
      let message = '';
      try {
        parseKey(key);
      } catch (error) {
        message = error instanceof Error ? error.message : '';
      }
      expect(message).toContain('this key is refused');
      expect(message.toLowerCase()).not.toContain(key.toLowerCase());
    });
  }

  it('anything but 32 hexadecimal digits is refused', () => {
    for (const text of ['', '0011', 'zz'.repeat(16), '00'.repeat(17)])
      expect(() => parseKey(text)).toThrow('32 hexadecimal');
  });

  it('random ones pass', () => {
    for (let i = 0; i < 200; i++) expect(keyWeakness(makeKey(systemRandom))).toBeNull();
  });
});

describe('what an installer is told', () => {
  it('another device in the reader’s place, even one that has its key', async () => {
    await inWorld({ readers: { lobby: {} }, start: false }, async (world) => {
      world.keys.saveIdentity('lobby', 'OUI 11:22:33 model 68 serial 7');
      world.driver.start();
      expect(await world.event('identity_changed')).toEqual({
        type: 'identity_changed',
        device: 'lobby',
        expected: 'OUI 11:22:33 model 68 serial 7',
        found: 'OUI 11:22:33 model 68 serial 2575857510',
      });
      await until(
        () => world.keys.load('lobby').identity?.endsWith('2575857510') === true,
        'the new identity to be kept',
      );
      expect(world.count('identity_changed')).toBe(1);
    });
  });

  it('what anybody can say in the clear is told once, and not kept', async () => {
    await inWorld({ readers: { lobby: { key: null, installMode: true } }, start: false }, async (world) => {
      world.keys.saveIdentity('lobby', 'OUI 11:22:33 model 68 serial 7');
      world.keys.give('lobby', KEY);
      world.driver.start();
      await world.event('identity_changed');
      await sleep(1_500);
      expect(world.count('identity_changed')).toBe(1);
      expect(world.keys.load('lobby').identity).toBe('OUI 11:22:33 model 68 serial 7');
    });
  });

  it('new firmware is the same device', async () => {
    await inWorld(
      { readers: { lobby: { id: { ...SIMULATED_ID, firmware: [9, 9, 9], version: 3 } } }, start: false },
      async (world) => {
        world.keys.saveIdentity('lobby', 'OUI 11:22:33 model 68 serial 2575857510');
        world.driver.start();
        await world.online('lobby');
        await until(() => world.sim('lobby').count('RSTAT') > 0, 'the reader to be set up');
        expect(world.count('identity_changed')).toBe(0);
      },
    );
  });

  it('a channel that keeps falling, once, and that it holds again', async () => {
    const bus = await raiseVirtualBus({ baud: 115_200, readers: 1 });
    const [sim] = bus.sims;
    const unstable = (): boolean[] =>
      bus.events.flatMap((event) =>
        event.type === 'fault' && event.code === 'secure_channel_unstable' ? [event.cleared] : [],
      );
    for (let i = 1; i <= 6; i++) {
      const before = sim?.count('CHLNG') ?? 0;
      sim?.noise();
      const isBack = (): boolean => (sim?.count('CHLNG') ?? 0) > before && sim?.secured === true;
      await bus.passUntil(isBack, 5_000, `handshake ${i}`);
      await bus.time.passUntil(bus.time.nowMs + 2_000);
    }
    expect(unstable()).toEqual([false]);
    expect(bus.count('secure_channel_lost')).toBe(1);
    expect(bus.count('offline')).toBe(0);
    // Most of ten minutes pass sooner where nobody is polled.
    bus.simulated.faults.pulled = true;
    await bus.time.passUntil(bus.time.nowMs + 9 * 60_000);
    bus.simulated.faults.pulled = false;
    await bus.passUntil(() => bus.count('online') === 2, 20_000, 'the reader to be back');
    expect(unstable()).toEqual([false]);
    await bus.time.passUntil(bus.time.nowMs + 60_000);
    expect(unstable()).toEqual([false, true]);
  }, 60_000);

  it('a reader that insists on Secure Channel where none is configured', async () => {
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { secure_channel: 'none' } } }, async (world) => {
      await until(() => problem(world).includes('insists on Secure Channel'), 'the problem');
      expect(world.driver.devices.get('lobby')?.status().online).toBe(false);
    });
  });

  it('that once, however long it goes on, and the reader is tried less and less often until it gives in', async () => {
    const controller = { secure_channel: 'none' };
    const bus = await openVirtualBus({ baud: 9_600, readers: 1, controller });
    await bus.time.passUntil(90_000);
    const fault = { type: 'fault', code: 'secure_channel_wanted', cleared: false };
    expect(bus.events).toMatchObject([fault, { type: 'offline', reason: expect.stringContaining('install a key') }]);
    expect(bus.sims[0]?.count('ID')).toBeLessThan(16);
    const reader = bus.sims[0];
    if (reader === undefined) throw new Error('the bus has a reader');
    reader.key = null;
    await bus.passUntil(() => bus.count('online') === 1, 30_000, 'the reader to be served');
    expect(bus.events[2]).toMatchObject({ type: 'fault', code: 'secure_channel_wanted', cleared: true });
    reader.key = KEY;
    await bus.passUntil(() => bus.count('offline') === 2, 1_000, 'the reader to insist again');
    await bus.time.passUntil(bus.time.nowMs + 90_000);
    expect(bus.count('online')).toBe(1);
    expect(bus.count('offline')).toBe(2);
    expect(bus.count('fault')).toBe(3);
  });

  for (const challengeAnswer of ['nak', 'ack'] as const) {
    it(`somebody in the place of a keyed reader who answers its challenge with ${challengeAnswer.toUpperCase()}, for what he is`, async () => {
      const bus = await raiseVirtualBus({ baud: 9_600, readers: 1 });
      const reader = bus.sims[0];
      if (reader === undefined) throw new Error('the bus has a reader');
      reader.powerCycle();
      reader.key = null;
      reader.quirks.challengeAnswer = challengeAnswer;
      await bus.passUntil(() => bus.count('offline') === 1, 20_000, 'it to be offline');
      await bus.time.passUntil(bus.time.nowMs + 60_000);
      const reasons = bus.events.flatMap((event) => (event.type === 'secure_channel_lost' ? [event.reason] : []));
      expect(reasons).toEqual([expect.stringContaining('knows no Secure Channel')]);
      const status = bus.driver.devices.get('reader-0')?.status();
      expect(status?.problem).toContain('whoever answers at its address knows no Secure Channel');
      expect(bus.count('online')).toBe(1);
    });
  }
});
