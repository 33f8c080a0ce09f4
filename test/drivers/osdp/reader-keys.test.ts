// How readers get their keys and change them: install windows, rotation, imported keys, and power cuts amid all that.

import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../drivers/osdp/commands.ts';
import { keyWeakness } from '../../../drivers/osdp/keys.ts';
import { until } from '../../support/ports.ts';
import { inWorld, KEY, MemoryKeys, sleep } from './world.ts';
import type { World } from './world.ts';
import { hex } from './vectors.ts';

const OTHER_KEY = hex('5B0ED1943FA7826C11D8E04A79B3F62C');
const CARD = hex('BDD93740');
const problem = (world: World): string => world.driver.devices.get('lobby')?.status().problem ?? '';
const activeKey = (world: World): Buffer | null => world.keys.load('lobby').active;

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
