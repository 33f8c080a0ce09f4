// What goes wrong between a phone and its door: cards torn away, answers of before or of elsewhere, another device in the
// reader's place. Nothing of it opens, and whoever comes next is heard.

import { describe, expect, it } from 'vitest';
import { SimulatedCard, type SimulatedCardSetup } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import { writeTlv } from '../../../drivers/osdp/pkoc/tlv.ts';
import { reply } from '../../../drivers/osdp/replies.ts';
import type { LaidCard } from '../../../drivers/osdp/simulated-field.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { CERTIFICATE, certifiedKey, twinOf } from '../../support/pkoc-cards.ts';
import { raiseVirtualBus, type VirtualBus } from './virtual-bus.ts';

const simOf = (bus: VirtualBus, at = 0): SimulatedReader => {
  const sim = bus.sims[at];
  if (sim === undefined) throw new Error('there is a reader');
  return sim;
};
const shownOf = (bus: VirtualBus): (Buffer | string)[] =>
  bus.events.flatMap((event): (Buffer | string)[] => {
    if (event.type !== 'presented') return [];
    const { presentation } = event;
    if (presentation.kind === 'mobile_key') return [presentation.key];
    return [presentation.kind === 'unproved' ? presentation.failure : presentation.kind];
  });
const pass = (bus: VirtualBus, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);
const isProof = (answer: Buffer): boolean => answer.length > 100;

async function raise(config: Record<string, unknown>, readers = 1): Promise<VirtualBus> {
  const prepare = (sim: SimulatedReader): void => {
    sim.field.isKnown = config['transparent'] === true;
    sim.messages.follow((config['pkoc_messages'] ?? null) as '1.50' | '1.63' | null);
  };
  const bus = await raiseVirtualBus({ baud: 115_200, readers, controller: () => config, prepare });
  await pass(bus, 500);
  return bus;
}

/** Lays it there until something is told, and takes it away until nobody is seen. */
async function show(bus: VirtualBus, card: LaidCard, at = 0): Promise<Buffer | string | undefined> {
  const before = shownOf(bus).length;
  const { field, messages } = simOf(bus, at);
  const place = messages.isKnown ? messages : field;
  place.lay(card);
  await bus.passUntil(() => shownOf(bus).length > before, 6_000, 'something to be told');
  place.lay(null);
  await pass(bus, 2_500);
  return shownOf(bus)[before];
}

describe('a card that is torn away', () => {
  const setups: readonly (readonly [string, () => SimulatedCardSetup])[] = [
    ['of version 1', () => ({})],
    ['of version 1, its answers in pieces', () => ({ pieceBytes: 60 })],
    [
      'of version 2, its certificate in pieces',
      () => ({ versions: [0x0200], pieceBytes: 120, privateKey: certifiedKey(), certificate: CERTIFICATE }),
    ],
  ];

  it.each(setups)(
    '%s opens nothing at whichever exchange it was, and is heard when it comes again',
    async (_what, of) => {
      const bus = await raise({ transparent: true });
      const sim = simOf(bus);
      let proved = 0;
      for (let tornAt = 0; ; tornAt++) {
        const card = new SimulatedCard(of());
        let exchanges = 0;
        sim.field.lay({
          answer: (command) => {
            if (exchanges++ < tornAt) return card.answer(command);
            sim.field.lay(null);
            return null;
          },
        });
        await bus.passUntil(
          () => exchanges > tornAt || shownOf(bus).length > proved,
          4_000,
          'it was torn away, or proved',
        );
        if (shownOf(bus).length > proved) {
          // There was no exchange left to tear it away at.
          expect(tornAt).toBeGreaterThan(1);
          break;
        }
        await bus.passUntil(() => sim.field.mode === 0, 3_000, 'the reader reads by itself');
        expect(await show(bus, card)).toEqual(card.point);
        proved += 1;
      }
    },
  );
});

/** Key and signature with the status word: 5A 41 …, 9E 40 …, 9000. */
const withTwin = (proof: Buffer): Buffer =>
  Buffer.concat([proof.subarray(0, 69), twinOf(proof.subarray(69, 133)), proof.subarray(133)]);

describe('an answer', () => {
  const recording = (card: SimulatedCard): { card: LaidCard; answers: Buffer[] } => {
    const answers: Buffer[] = [];
    const answer = (command: Buffer): Buffer => {
      const given = card.answer(command);
      if (isProof(given)) answers.push(given);
      return given;
    };
    return { card: { answer }, answers };
  };
  const replaying = (card: SimulatedCard, proof: Buffer): LaidCard => ({
    answer: (command) => {
      const given = card.answer(command);
      return isProof(given) ? proof : given;
    },
  });

  it.each([0, 1])(
    'that was given at one reader proves nothing at reader %i later, nor does its twin (r, n - s)',
    async (at) => {
      const bus = await raise({ transparent: true }, 2);
      const card = new SimulatedCard();
      const heard = recording(card);
      expect(await show(bus, heard.card)).toEqual(card.point);
      const [proof = Buffer.alloc(0)] = heard.answers;
      expect(await show(bus, replaying(card, proof), at)).toBe('signature_invalid');
      expect(await show(bus, replaying(card, withTwin(proof)), at)).toBe('signature_invalid');
      expect(await show(bus, card, at)).toEqual(card.point);
    },
  );

  it('that proves nothing is told once while its phone stays', async () => {
    const bus = await raise({ transparent: true });
    const card = new SimulatedCard();
    simOf(bus).field.lay(replaying(card, Buffer.concat([writeTlv(0x5a, card.point), writeTlv(0x9e, Buffer.alloc(64)), Buffer.from('9000', 'hex')]))); // prettier-ignore
    await pass(bus, 8_000);
    expect(shownOf(bus)).toEqual(['signature_invalid']);
    simOf(bus).field.lay(card);
    await bus.passUntil(() => shownOf(bus).length === 2, 3_000, 'the phone next to it is heard');
    expect(shownOf(bus)[1]).toEqual(card.point);
  });
});

describe('another device in the place of the reader, in the middle of a proof', () => {
  const replaced = (sim: SimulatedReader): void => {
    sim.id = { ...sim.id, serial: 7 };
    sim.powerCycle();
  };

  it('has no transaction of the one before it, though it has the key and the answer', async () => {
    const bus = await raise({ transparent: true });
    const sim = simOf(bus);
    const card = new SimulatedCard();
    sim.field.lay({
      answer: (command) => {
        const given = card.answer(command);
        if (!isProof(given)) return given;
        replaced(sim);
        sim.report(reply('XRD', { mode: 1, reply: 2, data: Buffer.concat([Buffer.from([0, 0]), given]) }));
        sim.field.lay(null);
        return null;
      },
    });
    await bus.passUntil(() => bus.count('identity_changed') === 1, 6_000, 'the other device to be noticed');
    await pass(bus, 4_000);
    expect(shownOf(bus)).toEqual([]);
    expect(await show(bus, card)).toEqual(card.point);
  });

  it.each(['1.50', '1.63'] as const)('nor where readers speak to phones themselves, by text %s', async (version) => {
    const bus = await raise({ pkoc_messages: version });
    const sim = simOf(bus);
    const card = new SimulatedCard();
    sim.messages.spoil = (parts) => {
      replaced(sim);
      sim.messages.spoil = (all) => all;
      return parts;
    };
    sim.messages.lay(card);
    await bus.passUntil(() => bus.count('identity_changed') === 1, 6_000, 'the other device to be noticed');
    sim.messages.lay(null);
    await pass(bus, 4_000);
    expect(shownOf(bus)).toEqual([]);
    // It was greeted anew, as its text wants it.
    expect(await show(bus, card)).toEqual(card.point);
  });
});
