// What lies on a reader in transparent mode may be a program that means ill: whatever it answers, however long, it has
// the reader no longer than any phone, proves nothing, and the next one is heard.

import { describe, expect, it } from 'vitest';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import { writeTlv } from '../../../drivers/osdp/pkoc/tlv.ts';
import type { LaidCard } from '../../../drivers/osdp/simulated-field.ts';
import { CERTIFICATE, certifiedKey } from '../../support/pkoc-cards.ts';
import { hex } from './vectors.ts';
import { raiseVirtualBus, type VirtualBus } from './virtual-bus.ts';

const DONE = hex('9000');
/** One card has three seconds; then the reader is told to read by itself. */
const LONGEST_MS = 3_500;

async function raise(wantsToken = false): Promise<VirtualBus> {
  const prepare = (sim: { field: { isKnown: boolean } }): void => void (sim.field.isKnown = true);
  const controller = (address: number): Record<string, unknown> => ({ transparent: address === 0 });
  return await raiseVirtualBus({ baud: 115_200, readers: 2, controller, prepare, wantsToken: () => wantsToken });
}
const shownOf = (bus: VirtualBus) =>
  bus.events.flatMap((event) => (event.type === 'presented' ? [event.presentation] : []));
const fieldOf = (bus: VirtualBus) => {
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('there is a reader');
  return sim.field;
};

/** Lays it there until it was spoken to for as long as it may be; says how often that was. */
async function lay(bus: VirtualBus, answer: (command: Buffer, at: number) => Buffer): Promise<number> {
  const field = fieldOf(bus);
  let commands = 0;
  const card: LaidCard = { answer: (command) => answer(command, commands++) };
  field.lay(card);
  await bus.passUntil(() => commands > 0, 3_000, 'it to be spoken to');
  let normalSince = false;
  await bus.passUntil(() => (normalSince ||= field.mode === 0), LONGEST_MS, 'the reader to read by itself');
  const asked = commands;
  field.lay(null);
  return asked;
}

const select = (command: Buffer): boolean => command[1] === 0xa4;
const cases: readonly (readonly [string, (command: Buffer, at: number) => Buffer])[] = [
  ['more and more to fetch', () => Buffer.concat([Buffer.alloc(240, 0x5c), hex('61FF')])],
  ['nothing, and more to fetch', () => hex('6100')],
  ['another length, for ever', () => hex('6C00')],
  ['now this, now that', (_command, at) => hex(at % 2 === 0 ? '6C10' : '6110')],
  ['no byte', () => Buffer.alloc(0)],
  ['one byte', () => hex('90')],
  ['a thousand bytes of one value', () => Buffer.concat([Buffer.alloc(1_000, 0xff), DONE])],
  ['a length beyond what is there', () => hex('5C82FFFF01009000')],
  ['a length without end', () => hex('5C809000')],
  ['a hundred versions', () => Buffer.concat([writeTlv(0x5c, Buffer.alloc(200, 9)), DONE])],
  ['versions, twice', () => hex('5C0201005C0201009000')],
  ['a version, and then silence in many words', (command) => (select(command) ? hex('5C0201009000') : hex('6F00'))],
  [
    'version 2, and a profile in a profile',
    (command) =>
      select(command)
        ? hex('5C0202009000')
        : Buffer.concat([writeTlv(0x7f63, writeTlv(0x7f63, hex('5C020200'))), DONE]),
  ],
];

describe('a phone that answers', () => {
  it.each(cases)('%s proves nothing, is spoken to for a while, and keeps nobody out', async (_what, answer) => {
    const bus = await raise();
    const polls = (): number => bus.sims[1]?.count('POLL') ?? 0;
    const before = polls();
    expect(await lay(bus, answer)).toBeLessThan(20);
    expect(shownOf(bus).filter(({ kind }) => kind === 'mobile_key')).toEqual([]);
    expect(polls()).toBeGreaterThan(before);
    const phone = new SimulatedCard();
    fieldOf(bus).lay(phone);
    const keys = () => shownOf(bus).flatMap((one) => (one.kind === 'mobile_key' ? [one.key] : []));
    await bus.passUntil(() => keys().length > 0, 5_000, 'the next one to be heard');
    expect(keys()).toEqual([phone.point]);
    expect(bus.count('offline')).toBe(0);
  });

  const chains: readonly (readonly [string, Buffer])[] = [
    ['a chain of certificates', Buffer.concat([CERTIFICATE, CERTIFICATE, CERTIFICATE])],
    ['a certificate in a certificate', writeTlv(0x7f21, CERTIFICATE)],
    ['a certificate with more behind its signature', writeTlv(0x7f21, Buffer.concat([CERTIFICATE.subarray(4), writeTlv(0x7f4e, Buffer.alloc(9))]))],
    ['certificates nested beyond measure', Array.from({ length: 60 }).reduce<Buffer>((inner) => writeTlv(0x7f21, inner), Buffer.alloc(2))],
    ['a certificate longer than any', writeTlv(0x7f21, Buffer.alloc(1_500))],
  ]; // prettier-ignore
  it.each(chains)('with %s has no key of version 2', async (_what, certificate) => {
    const bus = await raise();
    const card = new SimulatedCard({ versions: [0x0200], privateKey: certifiedKey(), certificate });
    await lay(bus, (command) => card.answer(command));
    expect(shownOf(bus)).toEqual([]);
  });
});

describe('a phone with a key of its own that is asked for what an issuer signed, and answers', () => {
  it.each([
    ['more than any token has', () => Buffer.alloc(1_025, 1), null],
    ['as much as one may have', () => Buffer.alloc(1_024, 1), 1_024],
    ['nothing', () => Buffer.alloc(0), null],
  ] as const)('%s is presented by its key', async (_what, of, bytes) => {
    const bus = await raise(true);
    const card = new SimulatedCard({ token: of() });
    await lay(bus, (command) => card.answer(command));
    expect(shownOf(bus)).toMatchObject([{ kind: 'mobile_key', key: card.point }]);
    const [shown] = shownOf(bus);
    expect(shown?.kind === 'mobile_key' ? (shown.token?.length ?? null) : undefined).toBe(bytes);
  });

  it('without end is presented by its key', async () => {
    const bus = await raise(true);
    const card = new SimulatedCard({ token: Buffer.alloc(9) });
    const asked = await lay(bus, (command, at) => (at < 3 ? card.answer(command) : hex('AAAAAAAA61FF')));
    expect(shownOf(bus)).toEqual([{ kind: 'mobile_key', key: card.point }]);
    expect(asked).toBeLessThan(20);
  });
});
