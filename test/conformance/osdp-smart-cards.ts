// Traces of transparent mode: the panel speaks with the card itself, through a reader that hands its messages on.

import { expect } from 'vitest';
import { COMMANDS } from '../../drivers/osdp/commands.ts';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { REPLIES } from '../../drivers/osdp/replies.ts';
import { hex } from '../drivers/osdp/vectors.ts';
import { isClear } from '../drivers/osdp/wire.ts';
import { CONTROLLER, hasTold, inStep, scene, type Scene, type Trace } from './osdp-scene.ts';

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
};
