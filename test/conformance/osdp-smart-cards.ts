// Traces of transparent mode: the panel speaks with the card itself, through a reader that hands its messages on.

import { expect } from 'vitest';
import { COMMANDS } from '../../drivers/osdp/commands.ts';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { REPLIES, reply } from '../../drivers/osdp/replies.ts';
import { SimulatedCard as PivCard } from '../../drivers/osdp/simulated-card.ts';
import { PinCard } from '../drivers/osdp/pin-card.ts';
import { hex } from '../drivers/osdp/vectors.ts';
import { isClear } from '../drivers/osdp/wire.ts';
import {
  CONTROLLER, during, failing, fromTheStart, hasTold, inStep, pass, READER, scene, type Scene, type Trace,
} from './osdp-scene.ts'; // prettier-ignore

const isProved = hasTold({ type: 'presented', presentation: { kind: 'mobile_key' } });

async function transparent(): Promise<Scene> {
  const one = await scene({ baud: 115_200, controller: { ...CONTROLLER, transparent: true } });
  one.sim.field.isKnown = true;
  return one;
}

export const SMART_CARDS: Readonly<Record<string, Trace>> = {
  // A whole session with a card, and the reader is one that reads by itself again behind it.
  '060-27-01': async () => {
    const one = await transparent();
    one.sim.field.lay(new SimulatedCard());
    await one.bus.passUntil(() => isProved(one.bus), 5_000, 'the key');
    const said = one.wire.commands('XWR');
    expect(said.length).toBeGreaterThan(3);
    expect(said.filter(isClear)).toEqual([]);
    one.sim.field.lay(null);
    await one.bus.passUntil(() => one.sim.field.mode === 0, 5_000, 'it reads by itself');
    one.sim.presentCard(26, hex('BDD93740'));
    const isRead = hasTold({ type: 'presented', presentation: { kind: 'card', reading: { widthBits: 26 } } });
    await one.bus.passUntil(() => isRead(one.bus), 5_000, 'an ordinary card');
    await inStep(one);
  },
  // Also where nobody asked: a card that comes is told of at a poll, and spoken to.
  '070-26-01': async () => {
    const one = await transparent();
    one.sim.field.lay(new SimulatedCard());
    await one.bus.passUntil(() => isProved(one.bus), 5_000, 'the key');
    const { frames } = one.wire;
    const at = frames.findIndex(
      ({ from, frame }, i) =>
        from === 'reader' && frame.code === REPLIES.XRD.code && frames[i - 1]?.frame.code === COMMANDS.POLL.code,
    );
    expect(at).toBeGreaterThan(0);
    const behind = frames.slice(at + 1).filter(({ from }) => from === 'controller');
    expect(behind.some(({ frame }) => frame.code === COMMANDS.XWR.code)).toBe(true);
  },
  // A key named in three bytes, to a card that was read a moment ago, and what it signs comes back whole.
  '060-25-03': async () => {
    const one = await fromTheStart();
    one.sim.version = 3;
    const card = new PivCard();
    card.keyBytes = 3;
    const asked: unknown[] = [];
    card.sign = (algorithm, key, data) => {
      asked.push({ algorithm, key, data: Buffer.from(data) });
      return Buffer.concat([data, data]);
    };
    one.sim.card = card;
    await one.bus.passUntil(() => one.osdp.status(READER).version === 'SIA OSDP 2.2.2', 10_000, 'its version');
    await pass(one, 500);
    one.sim.report(reply('RAW', { reader: 0, format: 0, widthBits: 26, bits: hex('BDD93740') }));
    await one.bus.passUntil(() => one.bus.count('presented') === 1, 1_000, 'the card');
    const data = Buffer.alloc(200, 3);
    const challenge = { kind: 'challenge' as const, algorithm: 7, key: hex('01029E'), data };
    const signed = one.osdp.authenticate(READER, challenge, 5_000);
    expect(await during(one, signed)).toEqual(Buffer.concat([data, data]));
    expect(asked).toEqual([{ algorithm: 7, key: 0x01029e, data }]);
    expect(one.wire.commands('CRAUTH').length).toBeGreaterThan(0);
    await inStep(one);
  },
  // A reader that can have a PIN typed into a card is told to; one that says that it cannot is not.
  '070-05-16': async () => {
    for (const can of [true, false]) {
      const one = await fromTheStart();
      Object.assign(one.sim.field, { isKnown: true, hasPinEntry: can });
      await one.bus.passUntil(() => one.osdp.status(READER).capabilities !== null, 10_000, 'its capabilities');
      expect(one.osdp.status(READER).capabilities).toContainEqual({ function: 15, compliance: can ? 1 : 0, number: 0 });
      await pass(one, 500);
      one.sim.field.lay(new PinCard('123456'));
      one.wire.clear();
      const entered = one.osdp.enterCardPin(READER, PinCard.REQUEST, new AbortController().signal);
      const outcome = failing(entered);
      if (can) {
        await one.bus.passUntil(() => one.sim.field.press('*'), 5_000, 'it to be asked');
        one.sim.typeKeys('123456#');
        expect(await during(one, entered)).toMatchObject({ verified: true });
        // The PIN was on the line in no form.
        expect(one.wire.replies('KEYPAD')).toEqual([]);
        expect(one.sim.field.mode).toBe(0);
      } else {
        expect(await outcome).toContain('no PIN of a card can be typed');
        expect(one.wire.commands('XWR')).toEqual([]);
      }
      await inStep(one);
    }
  },
};
