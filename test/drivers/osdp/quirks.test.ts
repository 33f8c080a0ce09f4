// Real readers differ. Each quirk that was seen in the field, and that a card still arrives and the reader still holds.
import { describe, expect, it } from 'vitest';
import { COLORS } from '../../../drivers/osdp/commands.ts';
import { SCS } from '../../../drivers/osdp/frame.ts';
import type { Quirks } from '../../../drivers/osdp/simulated-quirks.ts';
import { raiseVirtualBus } from './virtual-bus.ts';
import { inWorld } from './world.ts';
import { hex } from './vectors.ts';

const CARD = hex('BDD93740');

const quirky: readonly [string, Partial<Quirks>, Record<string, unknown>?][] = [
  ['sends no mark', { marks: 0 }],
  ['sends many marks', { marks: 5 }],
  ['answers checksums with CRCs', { alwaysCrc: true }, { check: 'checksum' }],
  ['understands only checksums, found out by itself', { understands: 'checksum' }],
  ['understands only CRCs', { understands: 'crc' }],
  ['says that it knows no CRC and needs it', { hidesCrc: true, understands: 'crc' }],
  ['confirms the handshake with status 0', { rmacStatus: 0 }, { quirks: ['rmac_status_0'] }],
  ['confirms the handshake under the wrong block type', { rmacBlock: SCS._12 }],
  ['encrypts answers that hold nothing', { encryptsNothing: true }],
  ['answers OUT with its outputs', { outAnswersState: true }],
  ['answers status commands later', { statusLater: true }],
  ['sends status replies under the block type of commands, not encrypted', { statusUnderScs15: true }],
  ['says nothing to ID until it was polled', { idNeedsPoll: true }],
  ['says nothing to a challenge until it was asked who it is', { challengeNeedsId: true }],
  ['is silent on a wrong MAC', { badMacAnswer: 'silence' }],
  ['takes any LED record', { strictLed: false }],
  ['keeps its session over noise', { dropsSessionOnNoise: false }],
];

describe('a reader that', () => {
  for (const [name, quirks, controller] of quirky) {
    it(name, async () => {
      const given = { inputs: 2, outputs: 1, ...controller };
      const bus = await raiseVirtualBus({ baud: 38_400, readers: 1, reader: { quirks }, controller: given });
      const [sim] = bus.sims;
      const outputs = bus.driver.devices.get('reader-0')?.outputs;
      if (sim === undefined || outputs == null) throw new Error('the bus has a reader with outputs');
      await bus.passUntil(() => bus.count('input') === 2, 5_000, 'its inputs');
      sim.presentCard(26, CARD);
      await bus.passUntil(() => bus.count('presented') === 1, 5_000, 'its card');
      const pulse = outputs.pulse(0, 1_000, bus.time.nowMs + 2_000);
      expect(await bus.passDuring(pulse, 5_000)).toMatchObject({ outcome: 'done' });
      await bus.passUntil(() => sim.led().color === COLORS.red, 5_000, 'its LED');
      // Long enough to be missed.
      await bus.time.passUntil(bus.time.nowMs + 10_000);
      expect(bus.count('offline')).toBe(0);
      // One handshake; the vain challenge that came before it was asked who it is apart.
      expect(sim.count('CHLNG')).toBe('challengeNeedsId' in quirks ? 2 : 1);
    });
  }

  for (const [name, quirks] of [
    ['acknowledges its new key in the clear', { clearKeysetAck: true }],
    ['goes on with the session after its new key', { keepsSessionAfterKeyset: true }],
    ['says NAK to the default key outside install mode', { defaultKeyRefusal: 'nak' }],
    ['says nothing to ID until it was polled', { idNeedsPoll: true }],
  ] as const) {
    it(`${name} is installed all the same`, async () => {
      await inWorld({ readers: { lobby: { key: null, installMode: true, quirks } } }, async (world) => {
        expect(await world.driver.osdp.install('lobby', 60_000)).toEqual({ outcome: 'installed' });
        expect(world.sim('lobby').key).toEqual(world.keys.load('lobby').active);
        world.sim('lobby').installMode = false;
        await world.online('lobby');
      });
    });
  }

  it('takes only SQN 0 for a challenge: it is asked so at once, and a key that fails is followed by the next one', async () => {
    await inWorld({ readers: { lobby: { quirks: { strictChallenge: true } } }, start: false }, async (world) => {
      world.keys.savePending('lobby', hex('5B0ED1943FA7826C11D8E04A79B3F62C'));
      world.driver.start();
      await world.online('lobby');
      // The first one went on with the number after ID.
      expect(world.sim('lobby').count('CHLNG')).toBe(3);
    });
  });

  it('says NAK 01 to a smart card command it does not know is not sent checksums from then on', async () => {
    await inWorld({ readers: { lobby: { quirks: { badCheckForXwr: true } } } }, async (world) => {
      await world.online('lobby');
      const asked = world.driver.osdp.smartCard('lobby', { mode: 0, command: 1, data: Buffer.alloc(0) });
      await expect(asked).rejects.toThrow('bad check characters');
      world.sim('lobby').presentCard(26, CARD);
      await world.event('presented');
      expect(world.count('offline')).toBe(0);
    });
  });
});
