// What an operator does to readers through the daemon: addresses, discovery, files, templates, vendor and smart card
// messages.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/ports.ts';
import { openVirtualBus, raiseVirtualBus } from './virtual-bus.ts';
import { inWorld, sleep } from './world.ts';
import { hex } from './vectors.ts';

describe('an address', () => {
  it('is changed, and the reader is taken up there at once', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      expect(await world.driver.osdp.setAddress('lobby', 9, 115200)).toEqual({
        address: 9,
        baud: 115200,
        advice: 'lobby is at address 9: write `address: 9` into the facility file',
      });
      expect(world.sim('lobby').address).toBe(9);
      world.sim('lobby').presentCard(26, hex('BDD93740'));
      await world.event('presented');
      expect(world.count('offline')).toBe(0);
    });
  });

  it('and another baud, on a line with others, come with advice: until all have followed the reader is out of reach', async () => {
    const bus = await raiseVirtualBus({ baud: 115_200, readers: 2 });
    const moved = bus.driver.osdp.setAddress('reader-0', 0, 38_400);
    const { advice } = await bus.passDuring(moved, 1_000);
    expect(advice).toContain('baud: 38400');
    expect(bus.sims[0]?.baud).toBe(38_400);
    expect(bus.simulated.baud).toBe(115_200);
    await bus.time.passUntil(bus.time.nowMs + 10_000);
    expect(bus.driver.devices.get('reader-0')?.status().online).toBe(false);
    expect(bus.driver.devices.get('reader-1')?.status().online).toBe(true);
  });

  it('that is taken, impossible, or for a reader that is gone, is refused', async () => {
    await inWorld({ readers: { lobby: {}, side: {} } }, async (world) => {
      await world.online('lobby');
      const { osdp } = world.driver;
      await expect(osdp.setAddress('lobby', 1, 115200)).rejects.toThrow('address 1 is that of side');
      await expect(osdp.setAddress('lobby', 127, 115200)).rejects.toThrow('0 to 126');
      await expect(osdp.setAddress('lobby', 5, 12345)).rejects.toThrow('9600, 19200');
      expect(world.sim('lobby').address).toBe(0);
      await world.driver.stop(100);
      await expect(osdp.setAddress('lobby', 5, 115200)).rejects.toThrow('offline');
    });
  });
});

describe('discovery', () => {
  /** A reader that is somewhere else than the facility file says. */
  const lonely = () =>
    openVirtualBus({
      baud: 115_200,
      readers: 1,
      reader: { address: 17, key: null },
      controller: { address: 3, secure_channel: 'none' },
    });
  const SCAN_MS = 10 * 60_000;

  it('finds the only reader on the line, whatever its address', async () => {
    const bus = await lonely();
    const seen: number[] = [];
    const scan = bus.driver.osdp.scan({
      alone: true,
      bauds: [115200],
      progress: ({ tried }) => seen.push(tried),
    });
    expect(await bus.passDuring(scan, SCAN_MS)).toMatchObject({
      address: 17,
      baud: 115200,
      identity: expect.stringContaining('model 68'),
    });
    expect(seen).toEqual(seen.map((_, index) => index));
  });

  it('finds it at another baud', async () => {
    const bus = await lonely();
    for (const sim of bus.sims) sim.baud = 38400;
    const scan = bus.driver.osdp.scan({
      alone: true,
      bauds: [115200, 38400],
      progress: ({ baud }) => (bus.simulated.baud = baud),
    });
    expect(await bus.passDuring(scan, SCAN_MS)).toMatchObject({ address: 17, baud: 38400 });
  });

  it('can be cancelled, finds nobody where nobody is, and puts the bus back into service', async () => {
    const bus = await raiseVirtualBus({ baud: 115_200, readers: 1 });
    const cancel = new AbortController();
    const { osdp } = bus.driver;
    bus.simulated.faults.pulled = true;
    const scan = osdp.scan({
      alone: true,
      bauds: [9600],
      signal: cancel.signal,
      progress: ({ tried }) => {
        if (tried === 5) cancel.abort();
      },
    });
    await expect(osdp.scan({ alone: true })).rejects.toThrow('running already');
    expect(await bus.passDuring(scan, SCAN_MS)).toBeNull();
    bus.simulated.faults.pulled = false;
    await bus.passUntil(() => bus.count('online') === 2, 60_000, 'the reader to be back');
  });

  it('gives an unknown reader its address', async () => {
    const bus = await lonely();
    const given = bus.driver.osdp.addressUnknown({
      alone: true,
      address: 3,
      baud: 115200,
      progress: () => undefined,
    });
    expect(await bus.passDuring(given, SCAN_MS)).toMatchObject({ address: 3, baud: 115200 });
    expect(bus.sims[0]?.address).toBe(3);
  });
});

describe('a file', () => {
  const content = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7) & 0xff));
  const digest = (bytes: Buffer | null): string =>
    createHash('sha256')
      .update(bytes ?? '')
      .digest('hex');

  it('arrives whole, with progress, while its neighbour goes on', async () => {
    await inWorld({ readers: { lobby: {}, side: {} } }, async (world) => {
      await world.online('lobby');
      await until(() => world.sim('side').count('POLL') > 0, 'the neighbour to be polled');
      const steps: number[] = [];
      const polls = world.sim('side').count('POLL');
      await world.driver.osdp.transferFile('lobby', { type: 1, content }, ({ sentBytes }) => steps.push(sentBytes));
      expect(digest(world.sim('lobby').file)).toBe(digest(content));
      expect(steps.at(-1)).toBe(content.length);
      expect(steps.length).toBeGreaterThan(1);
      expect(world.sim('side').count('POLL')).toBeGreaterThan(polls);
    });
  });

  it('is cut as small as the reader asks for, and waits for it to finish', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      const sim = world.sim('lobby');
      sim.fileManners = { ...sim.fileManners, maxMessageBytes: 200, finishing: 2, delayMs: 1 };
      const states: string[] = [];
      await world.driver.osdp.transferFile('lobby', { type: 1, content: content.subarray(0, 2_000) }, ({ state }) =>
        states.push(state),
      );
      expect(digest(sim.file)).toBe(digest(content.subarray(0, 2_000)));
      expect(states.length).toBeGreaterThan(8);
      expect(states.filter((state) => state === 'finishing')).toHaveLength(3);
    });
  });

  it('has the reader to itself where the reader asks for that, but for a strike', async () => {
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { outputs: 1 } } }, async (world) => {
      await world.online('lobby');
      await until(() => world.sim('lobby').count('RSTAT') > 0, 'the reader to be set up');
      const sim = world.sim('lobby');
      sim.fileManners = { ...sim.fileManners, action: 0, delayMs: 30 };
      let polls = -1;
      const done = world.driver.osdp.transferFile('lobby', { type: 1, content }, ({ state }) => {
        if (polls < 0) polls = sim.count('POLL');
        if (state === 'finishing') polls = sim.count('POLL') - polls;
      });
      await sleep(50);
      expect(await world.pulse('lobby', 0, 500)).toMatchObject({ outcome: 'done' });
      await done;
      expect(polls).toBeLessThanOrEqual(1);
      const after = sim.count('POLL');
      await until(() => sim.count('POLL') > after, 'polls afterwards');
    });
  });

  it('that is refused, cancelled or empty is told', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      const sim = world.sim('lobby');
      const { osdp } = world.driver;
      await expect(osdp.transferFile('lobby', { type: 1, content: Buffer.alloc(0) })).rejects.toThrow('empty');
      sim.fileManners = { ...sim.fileManners, failAt: 1_000 };
      await expect(osdp.transferFile('lobby', { type: 1, content })).rejects.toThrow('gave the transfer up');
      sim.fileManners = { ...sim.fileManners, failAt: -1 };
      const cancel = new AbortController();
      const cancelled = osdp.transferFile('lobby', { type: 1, content }, () => cancel.abort(), cancel.signal);
      await expect(cancelled).rejects.toThrow('cancelled');
      expect(sim.count('ABORT')).toBe(1);
    });
  });
});

describe('what a reader offers beyond cards', () => {
  it('a biometric template and a match', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      const { osdp } = world.driver;
      const { template, quality } = await osdp.readBiometric(
        'lobby',
        { reader: 0, type: 2, format: 0, quality: 50 },
        2_000,
      );
      expect(template.toString()).toBe('simulated finger');
      expect(quality).toBe(90);
      const match = { reader: 0, type: 2, format: 0, threshold: 80 };
      expect(await osdp.matchBiometric('lobby', { ...match, template }, 2_000)).toEqual({ status: 0, score: 255 });
      const other = Buffer.from('someone else');
      expect(await osdp.matchBiometric('lobby', { ...match, template: other }, 2_000)).toEqual({ status: 0, score: 0 });
      expect(world.count('presented')).toBe(0);
    });
  });

  it('a vendor’s message, its answer, its acknowledgement, and its refusal', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      const { osdp } = world.driver;
      const oui = hex('1A9021');
      await expect(osdp.manufacturer('lobby', oui, hex('1020'))).rejects.toThrow('record not accepted');
      world.sim('lobby').manufacturer = (_oui, data) => Buffer.concat([hex('E2'), data]);
      expect(await osdp.manufacturer('lobby', oui, hex('1020'))).toEqual({ answer: 'reply', oui, data: hex('E21020') });
      world.sim('lobby').manufacturer = () => 'ack';
      expect(await osdp.manufacturer('lobby', oui, hex('1020'))).toEqual({ answer: 'ack' });
      await expect(osdp.manufacturer('lobby', hex('1A'), hex(''))).rejects.toThrow('3 bytes');
    });
  });

  it('and refuses what does not fit into one frame, before it comes near the line', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      const { osdp } = world.driver;
      const long = Buffer.alloc(1_500);
      const request = { mode: 1, command: 1, data: long };
      const match = { reader: 0, type: 0, format: 0, threshold: 0, template: long };
      for (const asked of [
        osdp.manufacturer('lobby', hex('1A0B2C'), long),
        osdp.smartCard('lobby', request),
        osdp.matchBiometric('lobby', match, 1_000),
      ])
        await expect(asked).rejects.toMatchObject({
          type: 'invalid_input',
          message: expect.stringMatching(
            /^lobby takes at most \d+ bytes in one \w+, its own header counted; this one has 150\d$/,
          ),
        });
      world.sim('lobby').presentCard(26, hex('BDD93740'));
      await world.event('presented');
      expect(world.count('offline')).toBe(0);
    });
  });

  it('a smart card’s answer through the transparent mode', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      world.sim('lobby').field.isKnown = true;
      world.sim('lobby').field.lay({ answer: (request) => Buffer.concat([request.subarray(0, 1), hex('9000')]) });
      await world.online('lobby');
      const { osdp } = world.driver;
      expect(await osdp.smartCard('lobby', { mode: 0, command: 2, data: hex('0100') })).toBeNull();
      expect(await osdp.smartCard('lobby', { mode: 0, command: 1, data: hex('') })).toMatchObject({
        reply: 1,
        data: hex('0100'),
      });
      const answer = await osdp.smartCard('lobby', { mode: 1, command: 1, data: hex('0000A40400') }, 2_000);
      expect(answer).toEqual({ mode: 1, reply: 2, data: hex('0000009000') });
    });
  });
});
