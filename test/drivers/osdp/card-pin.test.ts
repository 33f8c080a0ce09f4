// The PIN of a smart card that is typed at its reader: into the card and nowhere else. In virtual time.

import { describe, expect, it } from 'vitest';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import { reply } from '../../../drivers/osdp/replies.ts';
import { decodePinEntry, encodePinEntry } from '../../../drivers/osdp/smart-card.ts';
import { PinCard } from './pin-card.ts';
import { hex } from './vectors.ts';
import { openVirtualBus } from './virtual-bus.ts';
import { isClear, watchWire } from './wire.ts';

const READER = 'reader-0';
const failing = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', String);

async function atReader(controller: Record<string, unknown> = {}) {
  const bus = await openVirtualBus({
    baud: 115_200,
    readers: 1,
    controller,
    prepare: (sim) => Object.assign(sim.field, { isKnown: true, hasPinEntry: true }),
  });
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('there is a reader');
  await bus.passUntil(() => bus.driver.osdp.status(READER).capabilities !== null, 10_000, 'what it can do');
  const wire = watchWire(bus);
  const abort = new AbortController();
  const enter = (more: Partial<typeof PinCard.REQUEST> = {}) => {
    const entered = bus.driver.osdp.enterCardPin(READER, { ...PinCard.REQUEST, ...more }, abort.signal);
    entered.catch(() => undefined);
    return entered;
  };
  return { bus, sim, wire, enter, abort };
}
type At = Awaited<ReturnType<typeof atReader>>;

/** Until the reader waits for a key. */
async function typeWhenAsked({ bus, sim, wire }: At, keys: string): Promise<void> {
  const isAsked = (): boolean => wire.commands('XWR').length > 0 && sim.field.press('*');
  await bus.passUntil(isAsked, 10_000, 'the PIN to be asked for');
  sim.typeKeys(keys);
}

describe('the PIN of a card', () => {
  it('goes from the keypad into the card, and its digits are on the line in no form', async () => {
    const all = await atReader();
    const card = new PinCard('123456');
    all.sim.field.lay(card);
    const entered = all.enter();
    await typeWhenAsked(all, '123456#');
    expect(await all.bus.passDuring(entered, 10_000)).toEqual({
      verified: true,
      triesLeft: null,
      reader: { status: 0, tries: 1 },
    });
    expect(card.asked[1]).toEqual(hex('0020008008313233343536FFFF'));
    expect(all.wire.replies('KEYPAD')).toEqual([]);
    expect(all.wire.commands('XWR').filter(isClear)).toEqual([]);
    expect(all.bus.count('presented')).toBe(0);
    expect(all.sim.field.mode).toBe(0);
  });

  it('that is wrong is told with the tries that the card has left, and keys are keys again behind it', async () => {
    const all = await atReader();
    all.sim.field.lay(new PinCard('123456'));
    const entered = all.enter();
    await typeWhenAsked(all, '654321#');
    expect(await all.bus.passDuring(entered, 10_000)).toMatchObject({ verified: false, triesLeft: 2 });
    all.sim.typeKeys('4711#');
    await all.bus.passUntil(() => all.bus.count('presented') === 1, 1_000, 'the code');
  });

  it('is asked for between the turns of a reader that phones speak through', async () => {
    const all = await atReader({ transparent: true });
    await all.bus.passUntil(() => all.sim.field.mode === 1, 3_000, 'a turn of the phones');
    const entered = all.enter();
    await all.bus.time.passUntil(all.bus.time.nowMs + 5_000);
    all.sim.field.lay(new PinCard('12345678'));
    await typeWhenAsked(all, '12345678');
    expect(await all.bus.passDuring(entered, 10_000)).toMatchObject({ verified: true });
    all.sim.field.lay(new SimulatedCard());
    const isProved = (): boolean =>
      all.bus.events.some((event) => event.type === 'presented' && event.presentation.kind === 'mobile_key');
    await all.bus.passUntil(isProved, 5_000, 'a phone');
  });

  it('is given up where nobody lays a card there, and the reader reads by itself again', async () => {
    const all = await atReader();
    const entered = failing(all.enter({ seconds: 5 }));
    expect(await all.bus.passDuring(entered, 10_000)).toContain('no card was laid on reader-0 within 5 s');
    expect(all.sim.field.mode).toBe(0);
  });

  it('is asked for where the card is laid there later, also by a reader that tells of none by itself', async () => {
    const all = await atReader();
    all.sim.field.tells = false;
    const entered = all.enter();
    await all.bus.time.passUntil(all.bus.time.nowMs + 5_000);
    all.sim.field.lay(new PinCard('123456'));
    await typeWhenAsked(all, '123456#');
    expect(await all.bus.passDuring(entered, 10_000)).toMatchObject({ verified: true });
  });

  it('is over with the link: what another device in the reader’s place says of it does not count', async () => {
    const all = await atReader();
    all.sim.field.lay(new PinCard('123456'));
    const entered = failing(all.enter());
    await all.bus.passUntil(() => all.sim.field.press('*'), 10_000, 'the PIN to be asked for');
    all.sim.powerCycle();
    all.sim.report(reply('XRD', { mode: 1, reply: 3, data: hex('000001') }));
    expect(await all.bus.passDuring(entered, 5_000)).toContain('the link began anew');
    await all.bus.passUntil(() => all.sim.field.mode === 0, 10_000, 'it reads by itself');
  });

  it('is asked for once at a time, and whoever else asks keeps nobody waiting', async () => {
    const all = await atReader({ transparent: true });
    const first = all.enter({ seconds: 5 });
    for (let i = 0; i < 6; i++) expect(await failing(all.enter())).toContain('somebody speaks with its cards already');
    expect(await all.bus.passDuring(failing(first), 30_000)).toContain('no card was laid');
    all.sim.field.lay(new SimulatedCard());
    await all.bus.passUntil(() => all.bus.count('presented') === 1, 5_000, 'a phone');
  });

  it('is not spoken of any more once nobody wants it, whatever was under way', async () => {
    const all = await atReader();
    const card = new PinCard('123456');
    all.sim.field.lay({
      answer: (command) => {
        all.abort.abort();
        return card.answer(command);
      },
    });
    expect(await all.bus.passDuring(failing(all.enter()), 10_000)).toContain('nobody waits');
    await all.bus.time.passUntil(all.bus.time.nowMs + 5_000);
    expect(card.asked).toHaveLength(1);
    expect(all.sim.field.mode).toBe(0);
    expect(all.sim.field.press('1')).toBe(false);
  });

  it('is given up where the card knows no such application, or is taken away, or nobody wants it any more', async () => {
    const other = await atReader();
    other.sim.field.lay({ answer: () => hex('6A82') });
    expect(await other.bus.passDuring(failing(other.enter()), 10_000)).toContain('no such application (6A82)');

    const torn = await atReader();
    torn.sim.field.lay(new PinCard('123456'));
    const entered = failing(torn.enter());
    await torn.bus.passUntil(() => torn.sim.field.press('*'), 10_000, 'the PIN to be asked for');
    torn.sim.field.lay(null);
    torn.sim.typeKeys('123456#');
    expect(await torn.bus.passDuring(entered, 10_000)).toContain('taken away');
    expect(torn.sim.field.mode).toBe(0);

    const left = await atReader();
    left.sim.field.lay(new PinCard('123456'));
    const unwanted = failing(left.enter());
    await left.bus.passUntil(() => left.sim.field.press('*'), 10_000, 'the PIN to be asked for');
    left.abort.abort();
    expect(await left.bus.passDuring(unwanted, 10_000)).toContain('nobody waits');
    expect(left.sim.field.press('1')).toBe(false);
  });

  it('is not asked for at a reader that says it cannot, nor where it refuses all the same', async () => {
    const all = await atReader();
    all.sim.field.hasPinEntry = false;
    all.sim.field.lay(new PinCard('123456'));
    expect(await all.bus.passDuring(failing(all.enter()), 10_000)).toContain('refused to have the PIN');
    all.sim.powerCycle();
    const isTold = (): boolean =>
      all.bus.driver.osdp.status(READER).capabilities?.some((one) => one.function === 15 && one.compliance === 0) ===
      true;
    await all.bus.passUntil(isTold, 10_000, 'what it can do');
    all.wire.clear();
    expect(await failing(all.enter())).toContain('no PIN of a card can be typed');
    expect(all.wire.commands('XWR')).toEqual([]);
  });

  it('is described to the reader in the form that readers share', () => {
    const entry = {
      firstKeySeconds: 30,
      nextKeySeconds: 10,
      form: 'ascii' as const,
      blockBytes: 8,
      offsetBytes: 0,
      minDigits: 6,
      maxDigits: 8,
      apdu: hex('0020008008FFFFFFFFFFFFFFFF'),
    };
    expect(encodePinEntry(entry)).toEqual(hex('1E0A82080006080300000000000000000D0020008008FFFFFFFFFFFFFFFF'));
    expect(decodePinEntry(encodePinEntry(entry))).toEqual(entry);
    expect(decodePinEntry(hex('1E0A82'))).toBeNull();
  });
});
