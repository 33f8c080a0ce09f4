// Readers that speak to phones themselves, and tell what those signed by messages of the PSIA.

import { describe, expect, it } from 'vitest';
import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import { Assembly, readFragment, readReaderMessage } from '../../../drivers/osdp/pkoc/messages.ts';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { hex } from './vectors.ts';
import { raiseVirtualBus, type VirtualBus } from './virtual-bus.ts';

const firstOf = (bus: VirtualBus): SimulatedReader => {
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('there is a reader');
  return sim;
};
const shownOf = (bus: VirtualBus): (Buffer | string)[] =>
  bus.events.flatMap((event): (Buffer | string)[] => {
    if (event.type !== 'presented') return [];
    const { presentation } = event;
    if (presentation.kind === 'mobile_key') return [presentation.key];
    return presentation.kind === 'unproved' ? [presentation.failure] : [presentation.kind];
  });
async function raise(version: '1.50' | '1.63', isKnown = true, readers = 1): Promise<VirtualBus> {
  const bus = await raiseVirtualBus({
    baud: 115_200,
    readers,
    controller: () => ({ pkoc_messages: version }),
    prepare: (sim) => sim.messages.follow(isKnown ? version : null),
  });
  await pass(bus, 500);
  return bus;
}
const pass = (bus: VirtualBus, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);
const reversed = (parts: readonly Buffer[]): Buffer[] => [...parts].reverse();
const doubled = (parts: readonly Buffer[]): Buffer[] => parts.flatMap((part) => [part, part]);

describe.each(['1.50', '1.63'] as const)('a reader that follows text %s', (version) => {
  it.each(['total_first', 'total_last'] as const)(
    'has a phone prove its key, its parts numbered %s',
    async (header) => {
      const bus = await raise(version);
      const { messages } = firstOf(bus);
      messages.header = header;
      const card = new SimulatedCard();
      messages.lay(card);
      await bus.passUntil(() => shownOf(bus).length === 1, 3_000, 'the key is presented');
      expect(shownOf(bus)).toEqual([card.point]);
      messages.lay(card);
      await bus.passUntil(() => shownOf(bus).length === 2, 3_000, 'it is presented again');
    },
  );

  it('may send the parts in any order, and twice', async () => {
    const bus = await raise(version);
    const { messages } = firstOf(bus);
    for (const [i, spoil] of [reversed, doubled, (parts: readonly Buffer[]) => reversed(doubled(parts))].entries()) {
      messages.spoil = spoil;
      messages.lay(new SimulatedCard());
      await bus.passUntil(() => shownOf(bus).length === i + 1, 3_000, 'the key is presented');
      await pass(bus, 500);
    }
  });

  it('reads ordinary cards all the while', async () => {
    const bus = await raise(version);
    firstOf(bus).presentCard(26, hex('BDD93740'));
    await bus.passUntil(() => shownOf(bus).length === 1, 3_000, 'the card is read');
    expect(shownOf(bus)).toEqual(['card']);
  });
});

describe('what does not prove a key', () => {
  const afterSpoiling = async (
    spoil: (parts: readonly Buffer[]) => readonly Buffer[],
  ): Promise<(Buffer | string)[]> => {
    const bus = await raise('1.50');
    const { messages } = firstOf(bus);
    messages.spoil = spoil;
    messages.lay(new SimulatedCard());
    await pass(bus, 4_000);
    const shown = shownOf(bus);
    // Whatever it was, the next one is heard.
    messages.spoil = (parts) => parts;
    const card = new SimulatedCard();
    messages.lay(card);
    await bus.passUntil(() => shownOf(bus).length === shown.length + 1, 3_000, 'the next one is proved');
    expect(shownOf(bus).at(-1)).toEqual(card.point);
    return shown;
  };
  const changed = (part: Buffer, at: number): Buffer => {
    const other = Buffer.from(part);
    other.writeUInt8(other.readUInt8(at) ^ 1, at);
    return other;
  };

  it('is nothing: parts that are lost, contradict each other or overlap', async () => {
    expect(await afterSpoiling((parts) => parts.slice(1))).toEqual([]);
    expect(await afterSpoiling((parts) => parts.slice(0, -1))).toEqual([]);
    expect(await afterSpoiling((parts) => parts.flatMap((part) => [part, changed(part, part.length - 1)]))).toEqual([]);
    expect(await afterSpoiling(([first = Buffer.alloc(7), ...rest]) => [first, changed(first, 3), ...rest])).toEqual(
      [],
    );
  });

  it('is told: a signature that is none, or one over another transaction', async () => {
    expect(
      await afterSpoiling((parts) => [...parts.slice(0, -1), changed(parts.at(-1) ?? Buffer.alloc(8), 12)]),
    ).toEqual(['signature_invalid']);
    const bus = await raise('1.50');
    const { messages } = firstOf(bus);
    let before: readonly Buffer[] = [];
    messages.spoil = (parts) => (before = parts);
    const card = new SimulatedCard();
    messages.lay(card);
    await bus.passUntil(() => shownOf(bus).length === 1, 3_000, 'the key is presented');
    messages.spoil = () => before;
    messages.lay(card);
    await bus.passUntil(() => shownOf(bus).length === 2, 3_000, 'the answer of before is judged');
    expect(shownOf(bus)[1]).toBe('signature_invalid');
  });

  it('is an answer of one reader at another', async () => {
    const bus = await raise('1.50', true, 2);
    const [one, other] = bus.sims;
    if (one === undefined || other === undefined) throw new Error('there are two readers');
    let heard: readonly Buffer[] = [];
    one.messages.spoil = (parts) => (heard = parts);
    one.messages.lay(new SimulatedCard());
    await bus.passUntil(() => heard.length > 0, 3_000, 'the first has heard it');
    other.messages.spoil = () => heard;
    other.messages.lay(new SimulatedCard());
    await bus.passUntil(() => shownOf(bus).includes('signature_invalid'), 3_000, 'it is judged at the other');
  });

  it('is an answer that nobody asked for, or that comes when the reader was away', async () => {
    const bus = await raise('1.50');
    const sim = firstOf(bus);
    let parts: readonly Buffer[] = [];
    sim.messages.spoil = (sent) => {
      parts = sent;
      return [];
    };
    sim.messages.lay(new SimulatedCard());
    await bus.passUntil(() => parts.length > 0, 3_000, 'the card has signed');
    await pass(bus, 5_000);
    for (const part of parts) sim.messages.tell(part);
    await pass(bus, 2_000);
    expect(shownOf(bus)).toEqual([]);
  });
});

it('a reader that takes no such messages is asked once, and reads ordinary cards', async () => {
  const bus = await raise('1.63', false);
  const sim = firstOf(bus);
  await pass(bus, 20_000);
  expect(sim.count('MFG')).toBe(1);
  sim.presentCard(26, hex('BDD93740'));
  await bus.passUntil(() => shownOf(bus).length === 1, 3_000, 'the card is read');
});

describe('a message', () => {
  it.each([
    [
      'of text 1.50, its number and error without lengths',
      'E0FC085C020100FB02FD03',
      { versions: [0x0100], sequence: hex('FD03'), hasOwnId: false },
    ],
    ['of text 1.63', 'E0FC065C0201004C00', { versions: [0x0100], sequence: hex(''), hasOwnId: false }],
    ['with lengths', 'E0FC0C5C0401010100FB0102FD0103', { versions: [0x0101, 0x0100], sequence: hex('FD0103') }],
    ['behind a header', 'E00A0000000A00FC085C020100FB02FD03', { versions: [0x0100], sequence: hex('FD03') }],
    ['of a reader with an id of its own', 'E0FC065C0201004D00', { hasOwnId: true }],
    ['of a card that failed', 'E0FC085C020100FB016A82', { isFailed: true }],
  ])('says that a card is there, %s', (_what, message, said) => {
    expect(readReaderMessage(hex(message))).toMatchObject({ kind: 'present', ...said });
  });

  it.each(['', 'E0', 'E0FC', 'E0FC025C05', 'E0FC035C0101', 'E2', 'E2000000000000', 'E25A', 'A0'])(
    '%s is none',
    (message) => {
      expect(readReaderMessage(hex(message))).toBeNull();
    },
  );

  it('has its parts numbered one way or the other, never both, and none beyond the whole', () => {
    expect(readFragment(hex('0A0002000300AABBCC'))).toEqual({ total: 10, offset: 2, data: hex('AABBCC') });
    expect(readFragment(hex('020003000A00AABBCC'))).toEqual({ total: 10, offset: 2, data: hex('AABBCC') });
    expect(readFragment(hex('040002000300AABBCC'))).toBeNull();
    expect(readFragment(hex('FFFF02000300AABBCC'))).toBeNull();
  });

  it('is whole when every byte of it is there, once', () => {
    const part = (offset: number, text: string) => ({ total: 4, offset, data: hex(text) });
    const parts = new Assembly();
    expect(parts.take(part(2, 'CCDD'))).toBeNull();
    expect(parts.take(part(2, 'CCDD'))).toBeNull();
    expect(parts.take(part(0, 'AABB'))).toEqual(hex('AABBCCDD'));
    const overlapping = new Assembly();
    expect(overlapping.take(part(0, 'AABB'))).toBeNull();
    expect(overlapping.take(part(1, 'BBCCDD'))).toBe('broken');
    const other = new Assembly();
    expect(other.take(part(0, 'AA'))).toBeNull();
    expect(other.take({ total: 5, offset: 1, data: hex('BB') })).toBe('broken');
  });
});

it('the check of a facility file wants a key for it, and one way of the two', () => {
  const check = (config: Record<string, unknown>) =>
    osdpDriver.prepare('lobby', { port: '/dev/ttyS0', baud: 9_600 }, { address: 0, ...config }, '.').problems;
  expect(check({ pkoc_messages: '1.63' })).toEqual([]);
  for (const more of [{ transparent: true }, { secure_channel: 'none' }])
    expect(check({ pkoc_messages: '1.50', ...more })).toContainEqual(
      expect.objectContaining({ severity: 'error', path: ['pkoc_messages'] }),
    );
});
