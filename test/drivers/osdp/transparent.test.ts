import { describe, expect, it } from 'vitest';
import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { readSmartCard } from '../../../drivers/osdp/smart-card.ts';
import { hex } from './vectors.ts';
import { timePhones } from './phone-timing.ts';
import { raiseVirtualBus, type VirtualBus } from './virtual-bus.ts';

const firstOf = (bus: VirtualBus): SimulatedReader => {
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('there is a reader');
  return sim;
};
const keysOf = (bus: VirtualBus): Buffer[] =>
  bus.events.flatMap((event) =>
    event.type === 'presented' && event.presentation.kind === 'mobile_key' ? [event.presentation.key] : [],
  );
const failuresOf = (bus: VirtualBus): string[] =>
  bus.events.flatMap((event) =>
    event.type === 'presented' && event.presentation.kind === 'unproved' ? [event.presentation.failure] : [],
  );

async function raise(readers: number, isTransparent: (address: number) => boolean): Promise<VirtualBus> {
  const controller = (address: number): Record<string, unknown> => ({ transparent: isTransparent(address) });
  const bus = await raiseVirtualBus({ baud: 115_200, readers, controller });
  for (const sim of bus.sims) sim.field.isKnown = true;
  return bus;
}
const oneReader = (): Promise<VirtualBus> => raise(1, () => true);
const pass = (bus: VirtualBus, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);

describe('a reader in transparent mode', () => {
  it('lets a phone prove its key, presents it once while it stays, and again when it has been away', async () => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    const card = new SimulatedCard();
    sim.field.lay(card);
    await bus.passUntil(() => keysOf(bus).length === 1, 3_000, 'the key is presented');
    expect(keysOf(bus)).toEqual([card.point]);
    await pass(bus, 8_000);
    expect(keysOf(bus)).toHaveLength(1);
    sim.field.lay(null);
    await pass(bus, 3_000);
    sim.field.lay(card);
    await bus.passUntil(() => keysOf(bus).length === 2, 3_000, 'it is presented again');
  });

  it('reads ordinary cards by itself meanwhile, whatever was before', async () => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    for (let i = 0; i < 5; i++) {
      await pass(bus, 130);
      sim.field.lay(i % 2 === 0 ? new SimulatedCard() : null);
      await pass(bus, 2_000);
      sim.field.lay(null);
      const before = bus.count('presented');
      sim.presentCard(26, hex('BDD93740'));
      await bus.passUntil(() => bus.count('presented') === before + 1, 3_000, 'the card is read');
    }
  });

  it('passes over the serial number that a phone makes up at every tap, and no other', async () => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    sim.presentCard(32, hex('08A1B2C3'));
    sim.presentCard(32, hex('04A1B2C3'));
    await bus.passUntil(() => bus.count('presented') > 0, 3_000, 'a card is read');
    await pass(bus, 2_000);
    const read = bus.events.flatMap((event) =>
      event.type === 'presented' && event.presentation.kind === 'card' ? [event.presentation.reading.bytes] : [],
    );
    expect(read).toEqual([hex('04A1B2C3')]);
  });

  it.each([0, 1, 2])('is brought back when the card is torn away at exchange %i', async (tornAt) => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    const card = new SimulatedCard();
    let exchanges = 0;
    sim.field.lay({
      answer: (command) => {
        if (exchanges++ < tornAt) return card.answer(command);
        sim.field.lay(null);
        return null;
      },
    });
    await bus.passUntil(() => exchanges > 0 || tornAt > 1, 3_000, 'it was spoken to');
    await pass(bus, 4_000);
    expect(keysOf(bus)).toHaveLength(tornAt < 2 ? 0 : 1);
    await bus.passUntil(() => sim.field.mode === 0, 3_000, 'it reads by itself');
    sim.field.lay(card);
    await bus.passUntil(() => keysOf(bus).length > (tornAt < 2 ? 0 : 1), 5_000, 'the next one is proved');
  });

  it('tells of a phone that does not prove its key, and of none for a card of another kind', async () => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    const [card, other] = [new SimulatedCard(), new SimulatedCard()];
    sim.field.lay({
      answer: (command) => {
        const answer = card.answer(command);
        return answer.length > 100 ? Buffer.concat([answer.subarray(0, 2), other.point, answer.subarray(67)]) : answer;
      },
    });
    await bus.passUntil(() => failuresOf(bus).length > 0, 3_000, 'the failure is told');
    expect(failuresOf(bus)[0]).toBe('signature_invalid');
    expect(keysOf(bus)).toEqual([]);
    sim.field.lay(null);
    await pass(bus, 2_000);
    const told = failuresOf(bus).length;
    sim.field.lay({ answer: () => hex('6A82') });
    await pass(bus, 4_000);
    expect(failuresOf(bus)).toHaveLength(told);
  });

  it('is left reading by itself when Lintel stops, in whatever turn', async () => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    await bus.passUntil(() => sim.field.mode === 1, 3_000, 'the field is handed over');
    await bus.passDuring(bus.driver.stop(3_000), 4_000);
    expect(sim.field.mode).toBe(0);
  });

  it('that knows no scan is asked for one once, and tells of a phone by itself', async () => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    sim.field.scans = false;
    const card = new SimulatedCard();
    await pass(bus, 3_000);
    sim.field.lay(card);
    await bus.passUntil(() => keysOf(bus).length === 1, 3_000, 'the key is presented');
    expect(bus.count('offline')).toBe(0);
  });

  it('that declines is asked less and less often, stays online, and reads by itself', async () => {
    const bus = await oneReader();
    const sim = firstOf(bus);
    sim.field.isKnown = false;
    const before = sim.count('XWR');
    await pass(bus, 30_000);
    expect(sim.count('XWR') - before).toBeLessThan(16);
    sim.presentCard(26, hex('BDD93740'));
    await bus.passUntil(() => bus.count('presented') === 1, 3_000, 'the card is read');
    expect(bus.count('offline')).toBe(0);
  });

  it('leaves the other seven readers of its bus at least half of their polls', async () => {
    const polls = async (transparent: boolean): Promise<number> => {
      const bus = await raise(8, (address) => transparent && address === 0);
      bus.sims[0]?.field.lay(transparent ? new SimulatedCard() : null);
      const count = (): number => bus.sims.slice(1).reduce((sum, sim) => sum + sim.count('POLL'), 0);
      const before = count();
      await pass(bus, 20_000);
      return count() - before;
    };
    expect((await polls(true)) / (await polls(false))).toBeGreaterThan(0.5);
  });
});

it('a phone is followed by its strike in little more than the time of its exchanges on the wire', async () => {
  const { tookMs, wireMs } = await timePhones(8);
  expect(tookMs / wireMs).toBeLessThan(1.15);
});

it('a reader that was left in transparent mode reads by itself at the next start, whatever the facility file says of it then', async () => {
  const prepare = (sim: SimulatedReader): void => void Object.assign(sim.field, { isKnown: true, mode: 1 });
  const bus = await raiseVirtualBus({ baud: 38_400, readers: 2, controller: () => ({ transparent: false }), prepare });
  await bus.passUntil(() => bus.sims.every(({ field }) => field.mode === 0), 3_000, 'they read by themselves');
  firstOf(bus).presentCard(26, hex('BDD93740'));
  await bus.passUntil(() => bus.count('presented') === 1, 3_000, 'the card is read');
  expect(firstOf(bus).count('XWR')).toBe(1);
});

it('a reader that stays in transparent mode is told again until it has taken it, and no other reader waits for it', async () => {
  const bus = await raise(2, (address) => address === 0);
  const [stuck, other] = bus.sims;
  if (stuck === undefined || other === undefined) throw new Error('there are two readers');
  await bus.passUntil(() => stuck.field.mode === 1, 3_000, 'the field is handed over');
  stuck.naks.set('XWR', 9);
  const before = stuck.count('XWR');
  other.presentCard(26, hex('BDD93740'));
  await bus.passUntil(() => bus.count('presented') === 1, 1_000, 'the other reads on');
  await pass(bus, 5_000);
  expect(stuck.count('XWR') - before).toBeGreaterThan(8);
  expect(bus.count('offline')).toBe(0);
  stuck.naks.delete('XWR');
  await bus.passUntil(() => stuck.field.mode === 0, 3_000, 'it reads by itself');
});

it('two phones that lie there at once are proved one at a time, or neither', async () => {
  const bus = await oneReader();
  const sim = firstOf(bus);
  const [one, other] = [new SimulatedCard(), new SimulatedCard()];
  let asked = 0;
  // Two fields collide: now this one is heard, now that one.
  sim.field.lay({ answer: (command) => ((asked++ & 1) === 0 ? one : other).answer(command) });
  await pass(bus, 6_000);
  for (const key of keysOf(bus)) expect([one.point, other.point]).toContainEqual(key);
  expect(failuresOf(bus)).toEqual([]);
  sim.field.lay(null);
  await pass(bus, 3_000);
  const before = keysOf(bus).length;
  sim.field.lay(one);
  await bus.passUntil(() => keysOf(bus).length === before + 1, 3_000, 'one alone is proved');
  expect(keysOf(bus).at(-1)).toEqual(one.point);
});

describe('a phone whose key nobody knows', () => {
  const token = Buffer.alloc(600, 0xa5);
  const asked: Buffer[] = [];
  const raiseAsking = async (isWanted: boolean): Promise<VirtualBus> => {
    asked.length = 0;
    const wantsToken = (key: Buffer): boolean => asked.push(key) > 0 && isWanted;
    const bus = await raiseVirtualBus({
      baud: 115_200,
      readers: 1,
      controller: () => ({ transparent: true }),
      wantsToken,
    });
    firstOf(bus).field.isKnown = true;
    return bus;
  };
  const tokensOf = (bus: VirtualBus): (Buffer | undefined)[] =>
    bus.events.flatMap((event) =>
      event.type === 'presented' && event.presentation.kind === 'mobile_key' ? [event.presentation.token] : [],
    );

  it('is asked for what an issuer has signed for it, however many pieces it comes in', async () => {
    const bus = await raiseAsking(true);
    const card = new SimulatedCard({ token, pieceBytes: 120 });
    firstOf(bus).field.lay(card);
    await bus.passUntil(() => keysOf(bus).length === 1, 5_000, 'the key is presented');
    expect(tokensOf(bus)).toEqual([token]);
    expect(asked).toEqual([card.point]);
  });

  it('that carries nothing, or need not be asked, is presented all the same', async () => {
    for (const [isWanted, carried] of [
      [true, null],
      [false, token],
    ] as const) {
      const bus = await raiseAsking(isWanted);
      firstOf(bus).field.lay(new SimulatedCard({ token: carried }));
      await bus.passUntil(() => keysOf(bus).length === 1, 5_000, 'the key is presented');
      expect(tokensOf(bus)).toEqual([undefined]);
    }
  });

  it.each([2, 3, 4])(
    'that is torn away at exchange %i is presented by its key, and the reader is brought back',
    async (tornAt) => {
      const bus = await raiseAsking(true);
      const sim = firstOf(bus);
      const card = new SimulatedCard({ token });
      let exchanges = 0;
      sim.field.lay({
        answer: (command) => {
          if (exchanges++ < tornAt) return card.answer(command);
          sim.field.lay(null);
          return null;
        },
      });
      await bus.passUntil(() => keysOf(bus).length === 1, 5_000, 'the key is presented');
      expect(tokensOf(bus)).toEqual([undefined]);
      await bus.passUntil(() => sim.field.mode === 0, 3_000, 'it reads by itself');
    },
  );
});

it.each([
  ['normal or transparent', [0, 1, '0100'], { kind: 'mode', isTransparent: true }],
  ['a card, with its status', [1, 1, '0002'], { kind: 'present', status: 2 }],
  ['a card, where the reader leaves the status out', [1, 1, '00'], { kind: 'present', status: null }],
  ['no card', [1, 1, '0000'], { kind: 'absent' }],
  ['a card, by the code that others give to errors', [1, 0, '0002'], { kind: 'present', status: 2 }],
  ['an error', [1, 0, '05'], { kind: 'error', code: 5 }],
  ['an answer behind a status', [1, 2, '00005C0201009000'], { kind: 'answer', apdu: hex('5C0201009000') }],
  ['an answer without one', [1, 1, '005C0201009000'], { kind: 'answer', apdu: hex('5C0201009000') }],
  ['the end', [1, 2, '00'], { kind: 'ended' }],
  ['nothing that any reader says', [1, 7, '00'], null],
  ['nothing at all', [1, 1, ''], null],
] as const)('an XRD says: %s', (_what, [mode, reply, data], said) => {
  expect(readSmartCard({ mode, reply, data: hex(data) })).toEqual(said);
});

describe('the check of a facility file', () => {
  const check = (config: Record<string, unknown>, baud = 38_400) =>
    osdpDriver.prepare('lobby', { port: '/dev/ttyS0', baud }, { address: 0, ...config }, '.').problems;

  it('wants a key for a reader in transparent mode, and a quick line', () => {
    expect(check({ transparent: true })).toEqual([]);
    expect(check({ transparent: true, secure_channel: 'none' })).toContainEqual(
      expect.objectContaining({ severity: 'error', path: ['transparent'] }),
    );
    expect(check({ transparent: true }, 9_600)).toContainEqual(
      expect.objectContaining({ severity: 'warning', path: ['transparent'] }),
    );
  });
});
