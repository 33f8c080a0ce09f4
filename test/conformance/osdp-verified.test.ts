// One trace for each case of the public test programme that the card says yes to, named by its id: the driver on one
// end of a line, a reader on the other that behaves as the descriptions ask of one, and what an analyser on the wire
// would show. In virtual time.

import { describe, expect, it } from 'vitest';
import { COLORS, COMMANDS, commandName, type CommandName } from '../../drivers/osdp/commands.ts';
import { NAK, REPLIES, reply, type WireReply } from '../../drivers/osdp/replies.ts';
import { SimulatedCard } from '../../drivers/osdp/simulated-card.ts';
import { STRICT } from '../../drivers/osdp/simulated-quirks.ts';
import { CASES } from '../../drivers/osdp/verified.ts';
import { openVirtualBus, raiseVirtualBus, type VirtualBus, type VirtualOptions } from '../drivers/osdp/virtual-bus.ts';
import { hex } from '../drivers/osdp/vectors.ts';
import { isClear, watchWire, type Wire } from '../drivers/osdp/wire.ts';

type Scene = { bus: VirtualBus; sim: VirtualBus['sims'][number]; wire: Wire; osdp: VirtualBus['driver']['osdp'] };
type Trace = () => Promise<void>;

const READER = 'reader-0';
const OUI = hex('112233');
const BAUD = 38_400;
const CONTROLLER = { inputs: 2, outputs: 1 };

async function scene(options: Partial<VirtualOptions> = {}, raise = raiseVirtualBus): Promise<Scene> {
  const given = { baud: BAUD, readers: 1, reader: { quirks: STRICT }, controller: CONTROLLER, ...options };
  const bus = await raise(given);
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('the bus has a reader');
  return { bus, sim, wire: watchWire(bus), osdp: bus.driver.osdp };
}
const fromTheStart = (options: Partial<VirtualOptions> = {}): Promise<Scene> => scene(options, openVirtualBus);

const pass = ({ bus }: Scene, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);
const during = <T>({ bus }: Scene, work: Promise<T>): Promise<T> => bus.passDuring(work, 60_000);
const failing = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', String);

/** Both sides go on counting, in the same session, and nothing is refused. */
async function inStep(one: Scene): Promise<void> {
  one.wire.clear();
  await pass(one, 500);
  const numbers = one.wire.commands().map(({ frame }) => frame.sequence);
  expect(numbers.length).toBeGreaterThan(8);
  numbers.forEach((number, i) => i === 0 || expect(number).toBe(((numbers[i - 1] ?? 0) % 3) + 1));
  // At either edge an answer may be on its way.
  expect(Math.abs(one.wire.replies().length - numbers.length)).toBeLessThanOrEqual(1);
  expect(one.wire.replies('NAK')).toEqual([]);
  expect(one.wire.commands('CHLNG')).toEqual([]);
  expect(one.bus.driver.devices.get(READER)?.status().online).toBe(true);
}

/** Something is said at a poll, and taken. */
const atPoll =
  (said: WireReply, told?: (bus: VirtualBus) => unknown, options: Partial<VirtualOptions> = {}): Trace =>
  async () => {
    const one = await scene(options);
    await pass(one, 1_000);
    one.sim.report(said);
    await pass(one, 300);
    expect(one.wire.replies().some(({ frame }) => frame.code === said.code)).toBe(true);
    await inStep(one);
    if (told !== undefined) expect(told(one.bus)).toBe(true);
  };
const hasTold =
  (event: Record<string, unknown>) =>
  (bus: VirtualBus): boolean =>
    bus.events.some((one) => holds(one, event));
/** What is said of it holds; the rest may be anything. */
const holds = (one: unknown, said: unknown): boolean =>
  typeof said !== 'object' || said === null
    ? one === said
    : Object.entries(said).every(([key, value]) => holds((one as Record<string, unknown> | undefined)?.[key], value));

/** It is asked at every beginning. */
const asked =
  (name: CommandName): Trace =>
  async () => {
    const one = await fromTheStart();
    await pass(one, 1_500);
    expect(one.wire.commands(name).length).toBeGreaterThan(0);
    await inStep(one);
  };

/** Somebody has it sent, and it is answered. */
const sent =
  (name: CommandName, act: (one: Scene) => Promise<unknown>, prepare: (one: Scene) => void = () => undefined): Trace =>
  async () => {
    const one = await scene();
    prepare(one);
    const before = one.sim.count('RSTAT');
    one.sim.powerCycle();
    await one.bus.passUntil(() => one.sim.count('RSTAT') > before, 10_000, 'it to be met');
    await pass(one, 500);
    one.wire.clear();
    await during(one, act(one));
    expect(one.wire.commands(name).length).toBeGreaterThan(0);
    await inStep(one);
  };

const refused =
  (error: number): Trace =>
  async () => {
    const one = await scene();
    one.sim.naks.set('MFG', error);
    expect(await during(one, failing(one.osdp.manufacturer(READER, OUI, hex('01'))))).not.toBe('done');
    one.sim.naks.clear();
    await pass(one, 1_000);
    await inStep(one);
  };

const atBaud =
  (baud: number): Trace =>
  async () => {
    const one = await scene({ baud });
    await inStep(one);
    expect(one.bus.simulated.baud).toBe(baud);
    expect(one.bus.simulated.counts.hasty).toBe(0);
  };

const lit =
  (color: keyof typeof COLORS): Trace =>
  async () => {
    const one = await scene();
    one.bus.driver.devices.get(READER)?.readers?.feedback(0, 'granted', { led: color });
    await pass(one, 200);
    expect(one.sim.led().color).toBe(COLORS[color]);
    one.sim.refuses.add('LED');
    one.bus.driver.devices.get(READER)?.readers?.feedback(0, 'denied', { led: color });
    await pass(one, 200);
    await inStep(one);
  };

const capability =
  (fn: number): Trace =>
  async () => {
    const one = await fromTheStart();
    one.sim.capabilities = [{ function: fn, compliance: fn === 8 || fn === 9 ? 1 : 4, number: 1 }];
    await one.bus.passUntil(() => one.osdp.status(READER).capabilities !== null, 10_000, 'its capabilities');
    expect(one.osdp.status(READER).capabilities).toContainEqual(expect.objectContaining({ function: fn }));
    await pass(one, 500);
    await inStep(one);
  };

const versioned =
  (version: number, words: string): Trace =>
  async () => {
    const one = await fromTheStart();
    one.sim.version = version;
    await one.bus.passUntil(() => one.osdp.status(READER).version !== null, 10_000, 'its version');
    expect(one.osdp.status(READER).version).toBe(words);
  };

const cardOf = (widthBits: number, bytes: Buffer): Trace =>
  atPoll(
    reply('RAW', { reader: 0, format: 1, widthBits, bits: bytes }),
    hasTold({ type: 'presented', presentation: { kind: 'card', reading: { widthBits } } }),
  );

const framing =
  (judge: (one: Scene) => void, options: Partial<VirtualOptions> = {}): Trace =>
  async () => {
    const one = await fromTheStart(options);
    await pass(one, 2_000);
    judge(one);
    await inStep(one);
  };
const everyCommand =
  (isRight: (seen: ReturnType<Wire['commands']>[number]) => boolean) =>
  (one: Scene): void => {
    expect(one.wire.commands().length).toBeGreaterThan(20);
    expect(one.wire.commands().filter((seen) => !isRight(seen))).toEqual([]);
  };

const template = { reader: 0, type: 0, format: 0, quality: 0 };
const withCard = ({ sim }: Scene): void => {
  sim.card = new SimulatedCard();
  sim.card.objects.set('5FC102', Buffer.alloc(300, 5));
  sim.card.sign = (_algorithm, _key, data) => Buffer.concat([data, data]);
};
const sign = (kind: 'general' | 'challenge') => (one: Scene) =>
  one.osdp.authenticate(READER, { kind, algorithm: 7, key: 0x9e, data: Buffer.alloc(200, 3) }, 5_000);
const piv = (one: Scene) => one.osdp.readPivData(READER, { objectId: hex('5FC102'), element: 0, offset: 0 }, 5_000);
const vendor = (answer: WireReply | 'ack'): Trace =>
  sent(
    'MFG',
    ({ osdp }) => failing(osdp.manufacturer(READER, OUI, hex('01'))),
    ({ sim }) => (sim.manufacturer = () => answer),
  );
const file = (manners: Record<string, number> = {}): Trace =>
  sent(
    'FILETRANSFER',
    ({ osdp }) => osdp.transferFile(READER, { type: 1, content: Buffer.alloc(1_500, 1) }),
    ({ sim }) => void Object.assign(sim.fileManners, manners),
  );
const handshake: Trace = framing(({ wire }) => {
  const shaken = wire.frames.map(({ frame }) => frame.block?.type).filter((type) => type !== undefined && type <= 0x14);
  expect(shaken).toEqual([0x11, 0x12, 0x13, 0x14]);
});
const busy =
  (times: number): Trace =>
  async () => {
    const one = await scene();
    one.sim.busy = times;
    await during(one, failing(one.osdp.manufacturer(READER, OUI, hex('01'))));
    one.sim.busy = 0;
    expect(one.wire.replies('BUSY').length).toBeGreaterThanOrEqual(Math.min(times, 2));
    await inStep(one);
  };
const newKey: Trace = async () => {
  const one = await scene();
  const before = one.sim.key;
  await during(one, one.osdp.rotateKey(READER));
  expect(one.sim.key).not.toEqual(before);
  await pass(one, 500);
  await inStep(one);
};
const moved =
  (address: number, baud: number): Trace =>
  async () => {
    const one = await scene();
    expect(await during(one, one.osdp.setAddress(READER, address, baud))).toMatchObject({ address, baud });
    await pass(one, 500);
    await inStep(one);
  };

const SEEN_ISTATR = reply('ISTATR', { inputs: [1, 0] });
const TAMPERED = reply('LSTATR', { tamper: true, powerFailed: false });
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

const TRACES: Readonly<Record<string, Trace>> = {
  '050-01-01': atBaud(9_600),
  '050-01-02': async () => {
    const one = await scene({ line: { kind: 'converter', everyMs: 1 } });
    await inStep(one);
  },
  '050-02-01': atBaud(9_600),
  '050-02-02': atBaud(19_200),
  '050-02-03': atBaud(38_400),
  '050-02-04': atBaud(115_200),
  '050-02-05': atBaud(57_600),
  '050-02-06': atBaud(230_400),
  '050-03-01': sent(
    'MFG',
    ({ osdp }) => osdp.manufacturer(READER, OUI, ALL_BYTES),
    ({ sim }) => (sim.manufacturer = (_oui, data) => data),
  ),
  '050-04-01': framing(({ wire }) => {
    wire.frames.forEach((seen, i) => i === 0 || expect(seen.from).not.toBe(wire.frames[i - 1]?.from));
  }),
  '050-04-02': busy(1),
  '050-04-03': busy(5),
  '050-04-04': busy(1_000),
  '050-05-01': moved(5, 115_200),
  '050-06-02': sent(
    'MFG',
    ({ osdp }) => osdp.manufacturer(READER, OUI, hex('01')),
    ({ sim }) => (sim.manufacturer = () => Buffer.alloc(1_380, 7)),
  ),
  '050-07-01': async () => {
    const one = await scene();
    one.bus.simulated.faults.lose = 1;
    await pass(one, 2_000);
    expect(one.bus.simulated.counts.hasty).toBe(0);
    await inStep(one);
  },
  '050-08-01': async () => {
    const one = await scene();
    Object.assign(one.bus.simulated.faults, { pieceBytes: 6, pieceGapMs: 200 });
    await pass(one, 400);
    one.bus.simulated.faults.pieceBytes = 0;
    await pass(one, 3_000);
    await inStep(one);
  },
  '050-09-01': framing(everyCommand(({ frame }) => commandName(frame.code) !== null && !frame.reply)),
  '050-09-02': async () => {
    const one = await scene();
    one.sim.oneShots.push('secured_0');
    await pass(one, 1_000);
    expect(one.wire.commands('CHLNG')[0]?.frame.sequence).toBe(0);
    await inStep(one);
  },
  '050-09-03': async () => {
    const one = await scene();
    one.bus.simulated.faults.noise = hex('00FF12AA');
    await pass(one, 500);
    one.bus.simulated.faults.noise = Buffer.alloc(0);
    await pass(one, 500);
    await inStep(one);
  },
  '050-09-04': framing(everyCommand(({ frame }) => frame.bytes[1] === 0)),
  '050-09-05': async () => {
    const one = await fromTheStart({ reader: { address: 17, quirks: STRICT }, controller: { address: 3 } });
    const found = one.osdp.scan({ alone: true, bauds: [BAUD] });
    expect(await one.bus.passDuring(found, 600_000)).toMatchObject({ address: 17 });
    const toAll = one.wire.commands().filter(({ frame }) => frame.address === 0x7f);
    expect(toAll.length).toBeGreaterThan(0);
    expect(toAll.filter(({ frame }) => frame.code !== COMMANDS.ID.code)).toEqual([]);
  },
  '050-09-06': framing(everyCommand(({ frame }) => frame.bytes.readUInt16LE(2) === frame.bytes.length)),
  '050-09-07': framing(everyCommand(({ frame }) => (frame.bytes.readUInt8(4) & 0xf0) === 0)),
  '050-09-08': framing(everyCommand(({ frame }) => ((frame.bytes.readUInt8(4) & 8) !== 0) === (frame.block !== null))),
  '050-09-09': atPoll(TAMPERED, hasTold({ type: 'tamper', active: true })),
  '050-09-10': framing(everyCommand(({ frame }) => commandName(frame.code) !== null)),
  '050-09-11': framing(
    everyCommand(({ frame }) => !frame.crc),
    { controller: { check: 'checksum', ...CONTROLLER } },
  ),
  '050-09-12': framing(everyCommand(({ frame }) => frame.bytes[0] === 0x53)),
  '050-09-13': async () => TRACES['050-09-05']?.(),
  '050-09-15': framing(everyCommand(({ frame }) => frame.crc)),
  '050-09-16': async () => {
    const one = await scene();
    one.bus.simulated.faults.damage = 1;
    await pass(one, 1_000);
    expect(one.bus.driver.devices.get(READER)?.status().counters.crcErrors).toBe(1);
    await inStep(one);
  },
  '050-09-18': framing(
    everyCommand(
      (seen) =>
        !isClear(seen) || ['ID', 'CAP', 'COMSET', 'CHLNG', 'SCRYPT'].includes(commandName(seen.frame.code) ?? ''),
    ),
  ),
  '050-09-19': framing(() => undefined),
  '050-10-01': sent('CRAUTH', sign('challenge'), (one) => {
    withCard(one);
    one.sim.bufferBytes = 128;
  }),
  '060-02-01': framing(({ wire }) => expect(wire.commands('POLL').length).toBeGreaterThan(20)),
  '060-02-02': atPoll(TAMPERED, hasTold({ type: 'tamper', active: true })),
  '060-03-01': asked('ID'),
  '060-04-01': asked('CAP'),
  '060-05-01': asked('LSTAT'),
  '060-06-01': asked('ISTAT'),
  '060-07-01': async () => {
    const one = await scene();
    await pass(one, 3_000);
    expect(one.wire.commands('OSTAT').length).toBeGreaterThan(0);
    await inStep(one);
  },
  '060-09-01': sent(
    'OUT',
    async ({ bus }) => await bus.driver.devices.get(READER)?.outputs?.pulse(0, 500, bus.time.nowMs + 1_000),
  ),
  '060-10-01': lit('green'),
  '060-10-02': lit('off'),
  '060-10-03': lit('red'),
  '060-10-04': lit('green'),
  '060-10-05': lit('amber'),
  '060-10-06': lit('blue'),
  '060-10-07': lit('magenta'),
  '060-10-08': lit('cyan'),
  '060-10-09': lit('white'),
  '060-11-01': async () => {
    const one = await scene();
    one.bus.driver.devices.get(READER)?.readers?.feedback(0, 'granted', { beep: 2 });
    await pass(one, 200);
    expect(one.sim.beeps.at(-1)).toMatchObject({ count: 2 });
    await inStep(one);
  },
  '060-12-01': async () => {
    const one = await scene({ controller: { ...CONTROLLER, feedback: { granted: { text: 'Welcome' } } } });
    one.bus.driver.devices.get(READER)?.readers?.feedback(0, 'granted');
    await pass(one, 300);
    expect(one.sim.text).toBe('Welcome');
    await inStep(one);
  },
  '060-13-01': moved(9, 115_200),
  '060-14-01': sent('BIOREAD', ({ osdp }) => osdp.readBiometric(READER, template, 5_000)),
  '060-16-01': newKey,
  '060-16-02': async () => {
    const one = await scene();
    await during(one, one.osdp.rotateKey(READER));
    const set = one.wire.frames.findIndex(({ frame }) => frame.code === COMMANDS.KEYSET.code);
    expect(one.wire.frames[set + 1]?.frame).toMatchObject({ code: REPLIES.ACK.code });
    expect(one.wire.frames[set + 1]?.frame.mac).not.toBeNull();
    await pass(one, 500);
    await inStep(one);
  },
  '060-16-03': async () => {
    const one = await scene();
    one.osdp.forgetKey(READER);
    await one.bus.passUntil(() => one.bus.count('offline') === 1, 2_000, 'it to be out of service');
    Object.assign(one.sim, { key: null, installMode: true });
    expect(await during(one, one.osdp.install(READER, 60_000))).toEqual({ outcome: 'installed' });
    await pass(one, 500);
    await inStep(one);
  },
  '060-16-04': newKey,
  '060-16-05': moved(9, BAUD),
  '060-17-01': handshake,
  '060-18-01': handshake,
  '060-19-01': vendor('ack'),
  '060-20-01': asked('ACURXSIZE'),
  '060-21-01': sent('KEEPACTIVE', ({ osdp }) => osdp.keepActive(READER, 3_000)),
  '060-22-01': sent('ABORT', ({ osdp }) => osdp.abort(READER)),
  '060-23-01': sent('PIVDATA', piv, withCard),
  '060-24-01': sent('GENAUTH', sign('general'), withCard),
  '060-25-01': sent('CRAUTH', sign('challenge'), withCard),
  '060-26-01': file(),
  '060-26-02': sent('FILETRANSFER', ({ osdp }) =>
    osdp.transferFile(READER, { type: 0x80, content: Buffer.alloc(400) }),
  ),
  '070-02-01': framing(({ wire }) => expect(wire.replies('ACK').length).toBeGreaterThan(10)),
  '070-02-02': atPoll(SEEN_ISTATR, hasTold({ type: 'input', input: 0, active: true })),
  '070-02-03': atPoll(reply('OSTATR', { outputs: [1, 0] }), hasTold({ type: 'output', stand: 'astray' })),
  '070-02-04': atPoll(reply('ISTATR', { inputs: [2, 3] }), hasTold({ type: 'fault', code: 'input_0' })),
  '070-03-01': refused(NAK.record),
  '070-03-02': refused(NAK.unknownCommand),
  '070-03-04': async () => {
    const one = await scene();
    one.bus.simulated.faults.damageCommands = 1;
    await pass(one, 1_000);
    expect(one.wire.replies('NAK').map(({ frame }) => frame.data[0])).toEqual([NAK.badCheck]);
    await inStep(one);
  },
  '070-03-05': refused(NAK.badLength),
  '070-03-06': refused(NAK.unknownCommand),
  '070-03-07': refused(NAK.badSequence),
  '070-03-08': refused(NAK.securityBlock),
  '070-03-09': refused(NAK.encryptionRequired),
  '070-03-10': refused(NAK.bioType),
  '070-03-11': refused(NAK.bioFormat),
  '070-03-12': refused(NAK.record),
  '070-03-13': refused(0xff),
  '070-04-01': async () => {
    const one = await scene();
    expect(one.osdp.status(READER).identity).toContain('OUI 11:22:33');
  },
  '070-05-01': asked('CAP'),
  ...Object.fromEntries(
    [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 14].map((fn) => [`070-05-${String(fn + 1).padStart(2, '0')}`, capability(fn)]),
  ),
  '070-05-17': capability(16),
  '070-05-18': versioned(1, 'IEC 60839-11-5'),
  '070-05-19': versioned(2, 'SIA OSDP 2.2'),
  '070-05-20': versioned(3, 'SIA OSDP 2.2.2'),
  '070-06-01': atPoll(TAMPERED),
  '070-06-02': atPoll(TAMPERED, hasTold({ type: 'tamper', active: true })),
  '070-06-03': atPoll(reply('LSTATR', { tamper: false, powerFailed: true }), hasTold({ type: 'power', failed: true })),
  '070-07-01': atPoll(SEEN_ISTATR, hasTold({ type: 'input', input: 0, active: true })),
  '070-07-02': atPoll(reply('ISTATR', { inputs: [1, 2] }), hasTold({ type: 'fault', code: 'input_1' })),
  '070-08-01': atPoll(reply('OSTATR', { outputs: [0, 0] })),
  '070-10-01': cardOf(26, hex('BDD93740')),
  '070-10-02': cardOf(26, hex('BDD93740')),
  '070-10-03': cardOf(26, hex('BDD93700')),
  '070-10-05': cardOf(128, Buffer.alloc(16, 0xa5)),
  '070-10-07': cardOf(64, Buffer.alloc(8, 0xa5)),
  '070-12-01': atPoll(
    reply('KEYPAD', { reader: 0, keys: Buffer.from('1234\r') }),
    hasTold({ type: 'presented', presentation: { kind: 'digits', digits: '1234' } }),
  ),
  '070-13-01': moved(9, 115_200),
  '070-16-01': handshake,
  '070-17-01': handshake,
  '070-17-02': async () => {
    const one = await fromTheStart({ reader: { quirks: { ...STRICT, rmacStatus: 0xff } } });
    await pass(one, 5_000);
    expect(one.wire.replies('RMAC_I').length).toBeGreaterThan(0);
    expect(one.wire.commands().filter((seen) => !isClear(seen))).toEqual([]);
  },
  '070-18-01': vendor(reply('MFGREP', { oui: OUI, data: hex('02') })),
  '070-19-01': busy(2),
  '070-20-01': sent('PIVDATA', piv, withCard),
  '070-21-01': sent('GENAUTH', sign('general'), withCard),
  '070-22-01': sent('CRAUTH', sign('challenge'), withCard),
  '070-23-01': vendor(reply('MFGSTATR', { data: hex('01') })),
  '070-24-01': vendor(reply('MFGERRR', { data: hex('01') })),
  '070-25-01': file(),
  '070-25-02': file({ delayMs: 300 }),
  '070-25-03': file({ action: 0, delayMs: 700 }),
  '070-25-04': file({ finishing: 3 }),
  '070-25-05': file({ action: 1, delayMs: 200 }),
  '070-25-07': file({ action: 4, delayMs: 200 }),
  '070-25-08': file({ maxMessageBytes: 200 }),
};

describe('OSDP, by the public test programme for panels', () => {
  const said = CASES.filter(({ does }) => does === 'yes');

  it('has a trace for every case that the card says yes to, and for no other', () => {
    expect(Object.keys(TRACES).sort()).toEqual(said.map(({ id }) => id).sort());
  });

  for (const { id, asks } of said) it(`${id}: ${asks}`, async () => await TRACES[id]?.());
});
