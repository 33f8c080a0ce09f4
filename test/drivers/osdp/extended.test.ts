// What goes beyond cards and keys, seen on the wire: long messages in parts, cards that are held and asked, vendors'
// answers, refusals that are remembered, and files with the pauses that their reader asks for. In virtual time.
import { describe, expect, it } from 'vitest';
import { SimulatedCard } from '../../../drivers/osdp/simulated-card.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { FTSTAT_ACTION, NAK, reply } from '../../../drivers/osdp/replies.ts';
import { raiseVirtualBus } from './virtual-bus.ts';
import type { VirtualBus } from './virtual-bus.ts';
import { hex } from './vectors.ts';
import { isClear, watchWire } from './wire.ts';

const ONE = { baud: 38_400, readers: 1 };
const READER = 'reader-0';
const WAIT_MS = 5_000;

/** A reader under Secure Channel; `change` is done to it before it is met. */
async function withReader(change: (sim: SimulatedReader) => void = () => undefined) {
  const bus = await raiseVirtualBus(ONE);
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('the bus has a reader');
  change(sim);
  sim.powerCycle();
  const before = sim.count('RSTAT');
  await bus.passUntil(() => sim.count('RSTAT') > before, 10_000, 'it to be met');
  await bus.time.passUntil(bus.time.nowMs + 500);
  return { bus, sim, wire: watchWire(bus), osdp: bus.driver.osdp };
}

function withCard(change: (card: SimulatedCard) => void = () => undefined) {
  const card = new SimulatedCard();
  change(card);
  return withReader((sim) => (sim.card = card)).then((all) => ({ ...all, card }));
}

const during = <T>(bus: VirtualBus, work: Promise<T>): Promise<T> => bus.passDuring(work, 80_000);
const failing = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', String);

describe('a card that lies at a reader', () => {
  it('is kept in its field for as long as is said', async () => {
    const { bus, card, osdp } = await withCard();
    await during(bus, osdp.keepActive(READER, 3_000));
    expect(card.keptMs).toBe(3_000);
    expect(await failing(osdp.keepActive(READER, 70_000))).toContain('0 to 65535');
  });

  it('gives an object that comes in many parts, whole', async () => {
    const object = Buffer.from(Array.from({ length: 1_000 }, (_, i) => i & 0xff));
    const { bus, wire, osdp } = await withCard((card) => card.objects.set('5FC102', object));
    const read = osdp.readPivData(READER, { objectId: hex('5FC102'), element: 0, offset: 0 }, WAIT_MS);
    expect(await during(bus, read)).toEqual(object);
    expect(wire.replies('PIVDATAR')).toHaveLength(16);
    expect(wire.commands('ABORT')).toEqual([]);
  });

  it('of which a part is lost is no object, and the reader is told to forget the rest', async () => {
    const { bus, wire, osdp } = await withCard((card) => {
      card.objects.set('5FC102', Buffer.alloc(400, 7));
      card.losesParts.add(2);
    });
    const read = failing(osdp.readPivData(READER, { objectId: hex('5FC102'), element: 0, offset: 0 }, WAIT_MS));
    expect(await during(bus, read)).toContain('a part of it is missing');
    expect(wire.commands('ABORT')).toHaveLength(1);
  });

  it('that never answers is given up in time, and the reader is told', async () => {
    const { bus, wire, osdp } = await withCard((card) => {
      card.objects.set('5FC102', Buffer.alloc(100, 7));
      card.losesParts.add(0).add(1);
    });
    const read = failing(osdp.readPivData(READER, { objectId: hex('5FC102'), element: 0, offset: 0 }, WAIT_MS));
    expect(await during(bus, read)).toContain('no PIVDATAR came within 5000 ms');
    expect(wire.commands('ABORT')).toHaveLength(1);
  });

  for (const kind of ['general', 'challenge'] as const) {
    it(`signs (${kind}), what is longer than its reader's buffer going over in parts`, async () => {
      const data = Buffer.from(Array.from({ length: 600 }, (_, i) => (i * 7) & 0xff));
      const asked: unknown[] = [];
      const { bus, sim, wire, osdp } = await withCard((card) => {
        card.sign = (algorithm, key, content) => {
          asked.push({ algorithm, key, content: Buffer.from(content) });
          return Buffer.from(content).reverse();
        };
      });
      sim.bufferBytes = 128;
      sim.powerCycle();
      await bus.time.passUntil(bus.time.nowMs + 2_000);
      const signed = osdp.authenticate(READER, { kind, algorithm: 7, key: 0x9e, data }, WAIT_MS);
      expect(await during(bus, signed)).toEqual(Buffer.from(data).reverse());
      expect(asked).toEqual([{ algorithm: 7, key: 0x9e, content: data }]);
      const sent = wire.commands(kind === 'general' ? 'GENAUTH' : 'CRAUTH');
      expect(sent.length).toBeGreaterThan(5);
      expect(sent.every(({ frame }) => frame.bytes.length <= 128)).toBe(true);
    });
  }

  it('is not asked through a reader that says that it knows no such messages', async () => {
    const { osdp, wire } = await withReader();
    expect(
      await failing(osdp.readPivData(READER, { objectId: hex('5FC102'), element: 0, offset: 0 }, WAIT_MS)),
    ).toContain('no extended packets');
    expect(wire.commands('PIVDATA')).toEqual([]);
  });
});

describe('a vendor’s command', () => {
  for (const [what, answer, said] of [
    ['an error', reply('MFGERRR', { data: hex('2A') }), 'with an error of its vendor (2a)'],
    [
      'the message of another vendor',
      reply('MFGREP', { oui: hex('AABBCC'), data: hex('01') }),
      'another vendor (aabbcc)',
    ],
  ] as const) {
    it(`answered with ${what} has failed, and is not called acknowledged`, async () => {
      const { bus, osdp } = await withReader((sim) => (sim.manufacturer = () => answer));
      expect(await during(bus, failing(osdp.manufacturer(READER, hex('112233'), hex('01'))))).toContain(said);
    });

    it(`answered with ${what} at a later poll has failed as well`, async () => {
      const { bus, sim, osdp } = await withReader((one) => (one.manufacturer = () => 'ack'));
      const asked = failing(osdp.manufacturer(READER, hex('112233'), hex('01'), 3_000));
      await bus.time.passUntil(bus.time.nowMs + 300);
      sim.report(answer);
      expect(await during(bus, asked)).toContain(said);
    });
  }

  it('answered with a status gives that', async () => {
    const { bus, osdp } = await withReader((sim) => (sim.manufacturer = () => reply('MFGSTATR', { data: hex('05') })));
    expect(await during(bus, osdp.manufacturer(READER, hex('112233'), hex('01')))).toEqual({
      answer: 'status',
      data: hex('05'),
    });
  });
});

describe('a finger', () => {
  const FINGER = { reader: 0, type: 1, format: 0, quality: 50 };

  it('of a type, and a template of a format, that the reader has refused is not asked for again', async () => {
    const { bus, wire, osdp } = await withReader((sim) => (sim.sensor.knows = { types: [2], formats: [0] }));
    expect(await during(bus, failing(osdp.readBiometric(READER, FINGER, WAIT_MS)))).toContain('type not supported');
    expect(await failing(osdp.readBiometric(READER, FINGER, WAIT_MS))).toContain('does not know this biometric type');
    expect(wire.commands('BIOREAD')).toHaveLength(1);
    const other = { ...FINGER, type: 2, format: 1 };
    expect(await during(bus, failing(osdp.readBiometric(READER, other, WAIT_MS)))).toContain('format not supported');
    const match = { reader: 0, type: 2, format: 1, threshold: 9, template: Buffer.alloc(20) };
    expect(await failing(osdp.matchBiometric(READER, match, WAIT_MS))).toContain('does not know this biometric format');
    expect(wire.commands('BIOMATCH')).toEqual([]);
    expect(await during(bus, osdp.readBiometric(READER, { ...FINGER, type: 2 }, WAIT_MS))).toMatchObject({ status: 0 });
  });
});

describe('a file', () => {
  const CONTENT = Buffer.alloc(2_500, 9);
  const send = (all: { bus: VirtualBus; osdp: VirtualBus['driver']['osdp'] }): Promise<void> =>
    during(all.bus, all.osdp.transferFile(READER, { type: 1, content: CONTENT }));
  /** Frames of the controller between the last piece and the end of so many ms behind its answer. */
  const afterLast = (wire: ReturnType<typeof watchWire>, ms: number): number => {
    const last = wire.replies('FTSTAT').at(-1)?.atMs ?? 0;
    return wire.commands().filter(({ atMs }) => atMs > last && atMs < last + ms).length;
  };

  it('whose reader asks for a pause behind its last piece is left alone for so long', async () => {
    const all = await withReader((sim) => Object.assign(sim.fileManners, { action: 0, delayMs: 1_500 }));
    await send(all);
    await all.bus.time.passUntil(all.bus.time.nowMs + 3_000);
    expect(afterLast(all.wire, 1_490)).toBe(0);
    expect(afterLast(all.wire, 2_500)).toBeGreaterThan(10);
    expect(all.sim.file).toEqual(CONTENT);
  });

  it('whose reader has something to say meanwhile is polled between its pieces', async () => {
    const action = FTSTAT_ACTION.pollResponse;
    const all = await withReader((sim) => Object.assign(sim.fileManners, { action, delayMs: 500 }));
    const polls = all.sim.count('POLL');
    await send(all);
    expect(all.sim.count('POLL') - polls).toBeGreaterThan(20);
  });

  it('whose reader would have it outside Secure Channel goes over inside it all the same', async () => {
    const action = FTSTAT_ACTION.interleave | FTSTAT_ACTION.leaveSecureChannel;
    const all = await withReader((sim) => Object.assign(sim.fileManners, { action }));
    await send(all);
    expect(all.sim.file).toEqual(CONTENT);
    expect(all.wire.commands().filter(isClear)).toEqual([]);
  });

  it('over a pause in which the session ends, alone with its reader, is taken up again', async () => {
    const all = await withReader((sim) => Object.assign(sim.fileManners, { action: 0, delayMs: 12_000 }));
    await send(all);
    expect(all.sim.file).toEqual(CONTENT);
    expect(all.wire.commands('CHLNG').length).toBeGreaterThan(0);
  });
});

describe('a reader that describes itself at length', () => {
  it('is shown so: its words come in parts, with its polls', async () => {
    const text = (tag: number, words: string): Buffer => {
      const bytes = Buffer.from(words);
      return Buffer.concat([Buffer.from([tag, bytes.length, 0]), bytes]);
    };
    const words = [
      text(0, 'A maker with a rather long name, Ltd.'),
      text(1, 'Reader 5'),
      text(3, '1.2.3'),
      text(3, 'boot 9'),
    ];
    const { osdp } = await withReader((sim) => {
      sim.extendedId = Buffer.concat(words);
      sim.version = 4;
    });
    expect(osdp.status(READER)).toMatchObject({
      version: 'SIA OSDP 2.2.3',
      description: {
        manufacturer: ['A maker with a rather long name, Ltd.'],
        product: ['Reader 5'],
        firmware: ['1.2.3', 'boot 9'],
      },
    });
  });
});

describe('a command that arrives damaged', () => {
  it('and is answered so is sent again as it was, in the same session', async () => {
    const { bus, sim, wire, osdp } = await withReader((one) =>
      Object.assign(one.quirks, { nakBadCheck: true, dropsSessionOnNoise: false }),
    );
    sim.manufacturer = () => 'ack';
    bus.simulated.faults.damageCommands = 1;
    await during(bus, osdp.manufacturer(READER, hex('112233'), hex('01')));
    await bus.time.passUntil(bus.time.nowMs + 500);
    expect(wire.replies('NAK').map(({ frame }) => frame.data[0])).toEqual([NAK.badCheck]);
    expect(wire.commands('CHLNG')).toEqual([]);
  });
});
