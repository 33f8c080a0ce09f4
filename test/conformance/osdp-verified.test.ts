// One trace for each case of the public test programme that the card says yes to, named by its id: the driver on one
// end of a line, a reader on the other that behaves as the descriptions ask of one, and what an analyser on the wire
// would show. In virtual time.

import { describe, expect, it } from 'vitest';
import { COLORS, COMMANDS, commandName } from '../../drivers/osdp/commands.ts';
import { reply } from '../../drivers/osdp/replies.ts';
import { SimulatedCard } from '../../drivers/osdp/simulated-card.ts';
import { STRICT } from '../../drivers/osdp/simulated-quirks.ts';
import { CASES, isRequired, PROFILES } from '../../drivers/osdp/verified.ts';
import { candidates, encodeWiegand } from '../../src/domain/card-formats.ts';
import type { VirtualOptions } from '../drivers/osdp/virtual-bus.ts';
import { hex } from '../drivers/osdp/vectors.ts';
import { isClear, type Wire } from '../drivers/osdp/wire.ts';
import { CAPABILITIES } from './osdp-capabilities.ts';
import { FILES } from './osdp-files.ts';
import { FINGERS } from './osdp-fingers.ts';
import { REFUSALS, VENDOR } from './osdp-refusals.ts';
import {
  asked, atPoll, BAUD, CONTROLLER, during, failing, fromTheStart, hasTold, inStep, OUI, pass, READER, scene, sent, type Scene, type Trace,
} from './osdp-scene.ts'; // prettier-ignore
import { SESSIONS } from './osdp-sessions.ts';
import { SMART_CARDS } from './osdp-smart-cards.ts';

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

/** A card that a reader shows is taken for this number, with all of its fields. */
const numbered =
  (card: string): Trace =>
  async () => {
    const one = await scene();
    const { widthBits, bytes } = encodeWiegand(card) ?? { widthBits: 0, bytes: Buffer.alloc(0) };
    one.sim.report(reply('RAW', { reader: 0, format: 0, widthBits, bits: bytes }));
    await one.bus.passUntil(() => one.bus.count('presented') === 1, 1_000, 'the card');
    const read = one.bus.events.flatMap((event) =>
      event.type === 'presented' && event.presentation.kind === 'card'
        ? candidates(event.presentation.reading, [card.split(':')[0] ?? ''])
        : [],
    );
    expect(read).toEqual([card]);
    await inStep(one);
  };

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
  ...REFUSALS,
  ...CAPABILITIES,
  ...SESSIONS,
  ...SMART_CARDS,
  ...FILES,
  ...FINGERS,
  ...VENDOR,
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
    // Once, or again where its MAC happens to hold what looks like the beginning of another.
    expect(one.bus.driver.devices.get(READER)?.status().counters.crcErrors).toBeGreaterThan(0);
    await inStep(one);
  },
  '050-09-18': framing(
    everyCommand(
      (seen) =>
        !isClear(seen) || ['ID', 'CAP', 'COMSET', 'CHLNG', 'SCRYPT'].includes(commandName(seen.frame.code) ?? ''),
    ),
  ),
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
  '060-20-01': asked('ACURXSIZE'),
  '060-21-01': sent('KEEPACTIVE', ({ osdp }) => osdp.keepActive(READER, 3_000)),
  '060-22-01': sent('ABORT', ({ osdp }) => osdp.abort(READER)),
  '060-23-01': sent('PIVDATA', piv, withCard),
  '060-24-01': sent('GENAUTH', sign('general'), withCard),
  '060-25-01': sent('CRAUTH', sign('challenge'), withCard),
  '060-26-02': sent('FILETRANSFER', ({ osdp }) =>
    osdp.transferFile(READER, { type: 0x80, content: Buffer.alloc(400) }),
  ),
  '070-02-01': framing(({ wire }) => expect(wire.replies('ACK').length).toBeGreaterThan(10)),
  '070-02-02': atPoll(SEEN_ISTATR, hasTold({ type: 'input', input: 0, active: true })),
  '070-02-03': atPoll(reply('OSTATR', { outputs: [1, 0] }), hasTold({ type: 'output', stand: 'astray' })),
  '070-02-04': atPoll(reply('ISTATR', { inputs: [2, 3] }), hasTold({ type: 'fault', code: 'input_0' })),
  '070-04-01': async () => {
    const one = await scene();
    expect(one.osdp.status(READER).identity).toContain('OUI 11:22:33');
  },
  '070-05-18': versioned(1, 'IEC 60839-11-5'),
  '070-05-19': versioned(2, 'SIA OSDP 2.2'),
  '070-05-20': versioned(3, 'SIA OSDP 2.2.2'),
  // And its end.
  '070-06-01': async () => {
    const one = await scene();
    await pass(one, 1_000);
    one.sim.report(TAMPERED);
    await pass(one, 300);
    expect(hasTold({ type: 'tamper', active: true })(one.bus)).toBe(true);
    expect(hasTold({ type: 'tamper', active: false })(one.bus)).toBe(false);
    one.sim.report(reply('LSTATR', { tamper: false, powerFailed: false }));
    await pass(one, 300);
    expect(hasTold({ type: 'tamper', active: false })(one.bus)).toBe(true);
    await inStep(one);
  },
  '070-06-02': atPoll(TAMPERED, hasTold({ type: 'tamper', active: true })),
  '070-06-03': atPoll(reply('LSTATR', { tamper: false, powerFailed: true }), hasTold({ type: 'power', failed: true })),
  '070-07-01': atPoll(SEEN_ISTATR, hasTold({ type: 'input', input: 0, active: true })),
  '070-07-02': atPoll(reply('ISTATR', { inputs: [1, 2] }), hasTold({ type: 'fault', code: 'input_1' })),
  // An output that is not as it was told is told of, and told again.
  '070-08-01': async () => {
    const one = await scene();
    await pass(one, 1_000);
    one.wire.clear();
    one.sim.report(reply('OSTATR', { outputs: [0, 0] }));
    await pass(one, 300);
    expect(hasTold({ type: 'output', stand: 'astray' })(one.bus)).toBe(false);
    expect(one.wire.commands('OUT')).toEqual([]);
    one.sim.report(reply('OSTATR', { outputs: [1, 0] }));
    await pass(one, 300);
    expect(hasTold({ type: 'output', output: 0, stand: 'astray', energised: true })(one.bus)).toBe(true);
    expect(one.wire.commands('OUT')).toHaveLength(1);
    await inStep(one);
  },
  '070-10-01': cardOf(26, hex('BDD93740')),
  '070-10-02': cardOf(26, hex('BDD93740')),
  '070-10-03': cardOf(26, hex('BDD93700')),
  '070-10-04': numbered('FASC-N:0032-0001-092446-0-1-1112223333112232'),
  '070-10-05': cardOf(128, Buffer.alloc(16, 0xa5)),
  '070-10-06': numbered('FASC-N-75:32:1:92446:20301231'),
  '070-10-07': cardOf(64, Buffer.alloc(8, 0xa5)),
  '070-12-01': atPoll(
    reply('KEYPAD', { reader: 0, keys: Buffer.from('1234\r') }),
    hasTold({ type: 'presented', presentation: { kind: 'digits', digits: '1234' } }),
  ),
  '070-13-01': moved(9, 115_200),
  '070-17-02': async () => {
    const one = await fromTheStart({ reader: { quirks: { ...STRICT, rmacStatus: 0xff } } });
    await pass(one, 5_000);
    expect(one.wire.replies('RMAC_I').length).toBeGreaterThan(0);
    expect(one.wire.commands().filter((seen) => !isClear(seen))).toEqual([]);
  },
  '070-19-01': busy(2),
  '070-20-01': sent('PIVDATA', piv, withCard),
  '070-21-01': sent('GENAUTH', sign('general'), withCard),
  '070-22-01': sent('CRAUTH', sign('challenge'), withCard),
};

describe('OSDP, by the public test programme for panels', () => {
  const said = CASES.filter(({ does }) => does === 'yes');

  it('has a trace for every case that the card says yes to, and for no other', () => {
    expect(Object.keys(TRACES).sort()).toEqual(said.map(({ id }) => id).sort());
  });

  it.each(PROFILES)(
    'has a trace for all that the profile %s requires, and a reason for what it does not offer',
    (profile) => {
      const required = CASES.filter((one) => isRequired(one, profile));
      expect(required.length).toBeGreaterThan(40);
      expect(required.filter(({ does }) => does !== 'yes')).toEqual([]);
      expect(CASES.filter(({ does, why }) => does !== 'yes' && why === null)).toEqual([]);
    },
  );

  for (const { id, asks } of said) it(`${id}: ${asks}`, async () => await TRACES[id]?.());
});
