// Keys and Secure Channel: who is let in, who is not, and what is told when something is not as it should be.
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
import { inWorld, KEY, MemoryKeys, sleep } from './world.ts';
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

const activeKey = (world: World): Buffer | null => world.keys.load('lobby').active;

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

describe('an install window', () => {
  it('gives the reader a random key that is stored before it is sent, and closes', async () => {
    await inWorld({ readers: { lobby: { key: null, installMode: true } } }, async (world) => {
      expect(await world.driver.osdp.install('lobby', 60_000)).toEqual({ outcome: 'installed' });
      const key = activeKey(world);
      expect(key).not.toBeNull();
      expect(world.sim('lobby').key).toEqual(key);
      expect(key === null ? 'no key' : keyWeakness(key)).toBeNull();
      expect(world.keys.changes).toEqual(['pending', 'activate']);
      await world.online('lobby');
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
    });
  });

  it('makes another key for every reader', async () => {
    const keys = new Set<string>();
    for (let i = 0; i < 2; i++) {
      await inWorld({ readers: { lobby: { key: null, installMode: true } } }, async (world) => {
        await world.driver.osdp.install('lobby', 60_000);
        keys.add(activeKey(world)?.toString('hex') ?? 'none');
      });
    }
    expect(keys.size).toBe(2);
  });

  it('waits for a reader that is put into install mode later', async () => {
    await inWorld({ readers: { lobby: { key: OTHER_KEY } }, start: false }, async (world) => {
      world.keys.rows.clear();
      world.driver.start();
      const outcome = world.driver.osdp.install('lobby', 60_000);
      await until(() => problem(world).includes('is it in install mode?'), 'the first attempt');
      world.sim('lobby').installMode = true;
      expect(await outcome).toEqual({ outcome: 'installed' });
    });
  });

  it('takes a reader that was replaced, in place of the one whose key is known', async () => {
    await inWorld({ readers: { lobby: { installMode: true } } }, async (world) => {
      world.sim('lobby').key = null;
      await until(() => problem(world) !== '', 'the refusal');
      expect(await world.driver.osdp.install('lobby', 60_000)).toEqual({ outcome: 'installed' });
      expect(activeKey(world)).not.toEqual(KEY);
      await world.online('lobby');
    });
  });

  it('that closes in vain says what was last seen, and the default key is not tried afterwards', async () => {
    await inWorld({ readers: { lobby: { key: OTHER_KEY } }, speed: 10, start: false }, async (world) => {
      world.keys.rows.clear();
      world.driver.start();
      expect(await world.driver.osdp.install('lobby', 3_000)).toMatchObject({
        outcome: 'failed',
        message: expect.stringContaining('is it in install mode?'),
      });
      await sleep(150);
      world.sim('lobby').installMode = true;
      const before = world.sim('lobby').count('CHLNG');
      await sleep(1_000);
      expect(world.sim('lobby').count('CHLNG')).toBe(before);
      expect(world.sim('lobby').secured).toBe(false);
    });
  });

  it('that closes while the reader is being greeted under the default key sets no key', async () => {
    await inWorld({ readers: { lobby: { key: null, installMode: true } } }, async (world) => {
      const sim = world.sim('lobby');
      const receive = sim.receive.bind(sim);
      sim.receive = (frame) => {
        if (frame.code === COMMANDS.SCRYPT.code) world.driver.osdp.cancelInstall('lobby');
        return receive(frame);
      };
      expect(await world.driver.osdp.install('lobby', 60_000)).toMatchObject({ outcome: 'failed' });
      await until(() => problem(world).includes('has no key for it'), 'the next attempt');
      expect([sim.count('SCRYPT'), sim.count('KEYSET')]).toEqual([1, 0]);
      expect(sim.key).toBeNull();
      expect(world.keys.load('lobby')).toMatchObject({ active: null, pending: null });
    });
  });

  it('is for one reader: its neighbour in install mode is left alone', async () => {
    await inWorld(
      { readers: { lobby: { key: null, installMode: true }, side: { key: null, installMode: true } } },
      async (world) => {
        await world.driver.osdp.install('lobby', 60_000);
        expect(world.sim('side').count('CHLNG')).toBe(0);
        expect(world.sim('side').key).toBeNull();
      },
    );
  });

  it('changes nothing for a reader that has its key', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      expect(await world.driver.osdp.install('lobby', 60_000)).toEqual({ outcome: 'already_installed' });
      expect(activeKey(world)).toEqual(KEY);
    });
  });

  it('is minutes long, not hours, and only for readers with Secure Channel', async () => {
    await inWorld(
      { readers: { lobby: {}, side: { key: null } }, controllers: { side: { secure_channel: 'none' } } },
      async (world) => {
        await expect(world.driver.osdp.install('lobby', 3_600_000)).rejects.toThrow('at most 30 minutes');
        await expect(world.driver.osdp.install('side', 60_000)).rejects.toThrow('secure_channel: none');
        await expect(world.driver.osdp.install('nobody', 60_000)).rejects.toThrow('no reader of this bus');
      },
    );
  });

  it('survives that the acknowledgement of the new key is lost', async () => {
    await inWorld({ readers: { lobby: { key: null, installMode: true } }, speed: 5 }, async (world) => {
      world.sim('lobby').mute.push(...Array.from({ length: 10 }, () => 'KEYSET' as const));
      expect(await world.driver.osdp.install('lobby', 60_000)).toEqual({ outcome: 'installed' });
      expect(world.sim('lobby').key).toEqual(activeKey(world));
    });
  });

  it('tells of a reader that refuses the new key, and keeps none', async () => {
    await inWorld({ readers: { lobby: { key: null, installMode: true } }, speed: 10 }, async (world) => {
      world.sim('lobby').refuses.add('KEYSET');
      expect(await world.driver.osdp.install('lobby', 5_000)).toMatchObject({
        outcome: 'failed',
        message: expect.stringContaining('refused the new key'),
      });
      expect(world.keys.load('lobby')).toMatchObject({ active: null, pending: null });
    });
  });
});

describe('a key that went over the line under the default key', () => {
  const forgetful = { key: null, installMode: true, quirks: { forgetsNewKey: true } };
  const lettered = (key: Buffer | null): string => key?.toString('hex') ?? 'none';

  /**
   * A window in which the reader acknowledged its key and did not take it. Gives the key, as whoever listened has it.
   */
  async function failedWindow(world: World): Promise<Buffer | null> {
    const outcome = world.driver.osdp.install('lobby', 30 * 60_000);
    await until(() => problem(world).includes('did not take it'), 'the reader to disprove its new key');
    world.driver.osdp.cancelInstall('lobby');
    expect(await outcome).toMatchObject({ outcome: 'failed', message: expect.stringContaining('thrown away') });
    return world.sim('lobby').offeredKey;
  }

  /** Somebody with this key is at the reader's address, and was called often enough. */
  async function answersUnder(world: World, key: Buffer | null): Promise<void> {
    world.sim('lobby').key = key;
    world.sim('lobby').installMode = false;
    world.sim('lobby').quirks.forgetsNewKey = false;
    const called = async (times: number): Promise<void> => {
      const asked = world.sim('lobby').count('ID');
      await until(() => world.sim('lobby').count('ID') >= asked + times, 'it to be called again', 30_000);
    };
    // What was under way when the window closed has ended then.
    await called(1);
    const proofs = world.sim('lobby').count('SCRYPT');
    await called(2);
    expect(world.sim('lobby').count('SCRYPT')).toBe(proofs);
  }

  it('dies with its window: who answers with it afterwards is not let in', async () => {
    await inWorld({ readers: { lobby: forgetful }, speed: 10 }, async (world) => {
      const key = await failedWindow(world);
      expect(key).not.toBeNull();
      expect(world.keys.load('lobby')).toMatchObject({ active: null, pending: null });
      await answersUnder(world, key);
      expect(world.count('online')).toBe(0);
      expect(problem(world)).toContain('Lintel has no key for it');
    });
  });

  it('is given to no other reader: the next window makes another', async () => {
    await inWorld({ readers: { lobby: forgetful }, speed: 10 }, async (world) => {
      const key = await failedWindow(world);
      world.sim('lobby').quirks.forgetsNewKey = false;
      expect(await world.driver.osdp.install('lobby', 60_000)).toEqual({ outcome: 'installed' });
      expect(lettered(activeKey(world))).not.toBe(lettered(key));
    });
  });

  it('is not sent twice in the same window either', async () => {
    await inWorld({ readers: { lobby: forgetful }, speed: 10 }, async (world) => {
      const sent = new Set<string>();
      const outcome = world.driver.osdp.install('lobby', 60_000);
      for (let i = 1; i <= 3; i++) {
        await until(() => world.sim('lobby').count('KEYSET') >= i, `key ${i}`);
        sent.add(lettered(world.sim('lobby').offeredKey));
      }
      expect(sent.size).toBe(3);
      world.driver.osdp.cancelInstall('lobby');
      expect(await outcome).toMatchObject({ outcome: 'failed' });
      expect(world.keys.load('lobby').pending).toBeNull();
    });
  });

  it('dies in a restart as well', async () => {
    for (const how of ['installed', null] as const) {
      const store = new MemoryKeys();
      store.savePending('lobby', OTHER_KEY, 'installed');
      // As a version that did not write down where a key came from left it.
      if (how === null) Object.assign(store.rows.get('lobby') ?? {}, { pendingHow: null });
      await inWorld({ readers: { lobby: {} }, store, speed: 10, start: false }, async (world) => {
        world.driver.start();
        await answersUnder(world, OTHER_KEY);
        expect(world.keys.load('lobby')).toMatchObject({ active: null, pending: null });
        expect(world.count('online')).toBe(0);
      });
    }
  });

  it('proves nothing when the window closes before the reader has proved it', async () => {
    /** Closes the window as soon as the key is on its way. */
    class Closing extends MemoryKeys {
      close: () => void = () => undefined;
      override savePending(...given: Parameters<MemoryKeys['savePending']>): void {
        super.savePending(...given);
        setImmediate(() => this.close());
      }
    }
    const store = new Closing();
    await inWorld({ readers: { lobby: { key: null, installMode: true } }, store, speed: 10 }, async (world) => {
      store.close = () => world.driver.osdp.cancelInstall('lobby');
      expect(await world.driver.osdp.install('lobby', 60_000)).toMatchObject({
        outcome: 'failed',
        message: expect.stringContaining('thrown away'),
      });
      await until(() => world.sim('lobby').key !== null, 'the reader to take the key');
      await answersUnder(world, world.sim('lobby').offeredKey);
      expect(store.load('lobby')).toMatchObject({ active: null, pending: null });
      expect(world.count('online')).toBe(0);
    });
  });

  it('does not fall back to one that was made for a rotation', async () => {
    const store = new MemoryKeys();
    store.give('lobby', KEY);
    store.savePending('lobby', OTHER_KEY, 'rotated');
    await inWorld({ readers: { lobby: { key: null, installMode: true } }, store }, async (world) => {
      expect(await world.driver.osdp.install('lobby', 60_000)).toEqual({ outcome: 'installed' });
      expect(lettered(world.sim('lobby').offeredKey)).not.toBe(lettered(OTHER_KEY));
    });
  });
});

describe('a power cut in the middle of a key change', () => {
  it('that the reader had finished: the pending key opens and becomes the active one', async () => {
    await inWorld({ readers: { lobby: {} }, start: false }, async (world) => {
      world.keys.savePending('lobby', OTHER_KEY);
      world.sim('lobby').key = OTHER_KEY;
      world.driver.start();
      await world.online('lobby');
      expect(world.keys.load('lobby')).toMatchObject({ active: OTHER_KEY, pending: null });
    });
  });

  it('that the reader had not begun: the active key opens and the pending one is forgotten', async () => {
    await inWorld({ readers: { lobby: {} }, start: false }, async (world) => {
      world.keys.savePending('lobby', OTHER_KEY);
      world.driver.start();
      await world.online('lobby');
      expect(world.keys.load('lobby')).toMatchObject({ active: KEY, pending: null });
    });
  });
});

describe('rotation', () => {
  it('gives an online reader a new key under the one it has', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      await world.driver.osdp.rotateKey('lobby');
      expect(activeKey(world)).not.toEqual(KEY);
      expect(world.sim('lobby').key).toEqual(activeKey(world));
      await until(() => world.driver.osdp.status('lobby').secured, 'a session');
      expect(world.count('offline')).toBe(0);
      expect(world.count('secure_channel_lost')).toBe(0);
    });
  });

  it('that the reader refuses leaves the old key in force', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').refuses.add('KEYSET');
      await expect(world.driver.osdp.rotateKey('lobby')).rejects.toThrow('refused the new key');
      expect(world.keys.load('lobby')).toMatchObject({ active: KEY, pending: null });
    });
  });

  it('needs the reader', async () => {
    await inWorld({ readers: { lobby: {} }, start: false }, async (world) => {
      await expect(world.driver.osdp.rotateKey('lobby')).rejects.toThrow('offline');
      expect(world.keys.changes).toEqual([]);
    });
  });
});

describe('an imported key', () => {
  it('is kept once the reader has shown that it holds it', async () => {
    await inWorld({ readers: { lobby: { key: OTHER_KEY } }, start: false }, async (world) => {
      world.keys.rows.clear();
      world.driver.start();
      await until(() => problem(world).includes('import-key'), 'the problem');
      await world.driver.osdp.importKey('lobby', '5B:0E:D1:94:3F:A7:82:6C:11:D8:E0:4A:79:B3:F6:2C');
      expect(activeKey(world)).toEqual(OTHER_KEY);
      await world.online('lobby');
    });
  });

  it('that opens nothing is not kept', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      await expect(world.driver.osdp.importKey('lobby', OTHER_KEY.toString('hex'))).rejects.toThrow(
        'the imported one is another, and was not kept',
      );
      expect(world.keys.load('lobby')).toMatchObject({ active: KEY, pending: null });
      await world.online('lobby');
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
