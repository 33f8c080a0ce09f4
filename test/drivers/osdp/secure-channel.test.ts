import { describe, expect, it } from 'vitest';
import { commandName } from '../../../drivers/osdp/commands.ts';
import { decodeFrame, encodeFrame } from '../../../drivers/osdp/frame.ts';
import type { Frame } from '../../../drivers/osdp/frame.ts';
import {
  clientCryptogram,
  deriveKeys,
  diversifyKey,
  initialRmac,
  SCBK_DEFAULT,
  SecureSession,
  serverCryptogram,
} from '../../../drivers/osdp/secure-channel.ts';
import { hex, hexOf, vectors } from './vectors.ts';
import type { Vector } from './vectors.ts';

const randomA = hex('B0B1B2B3B4B5B6B7');
const randomB = hex('A0A1A2A3A4A5A6A7');
const SCBK = hex('C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF');

const whole = (bytes: Buffer): Frame => {
  const frame = decodeFrame(bytes);
  if (typeof frame === 'string') throw new Error(`not a frame: ${frame}`);
  return frame;
};

const sessionOf = (scbk: Buffer): SecureSession => {
  const keys = deriveKeys(scbk, randomA);
  return new SecureSession(keys, initialRmac(keys, serverCryptogram(keys, randomA, randomB)));
};

describe('session keys', () => {
  for (const [name, scbk] of [
    ['SCBK-D 30..3F', SCBK_DEFAULT],
    ['SCBK C0..CF', SCBK],
  ] as const) {
    it(`of ${name} are those published`, () => {
      const keys = deriveKeys(scbk, randomA);
      const server = serverCryptogram(keys, randomA, randomB);
      expect({
        enc: hexOf(keys.enc),
        m1: hexOf(keys.mac1),
        m2: hexOf(keys.mac2),
        client: hexOf(clientCryptogram(keys, randomA, randomB)),
        server: hexOf(server),
        rmaci: hexOf(initialRmac(keys, server)),
      }).toEqual(vectors.keys[name]);
    });
  }

  it('of a diversified key are those published', () => {
    const { mk, cuid, scbk } = vectors.diversify;
    expect(hexOf(diversifyKey(hex(mk), hex(cuid)))).toBe(scbk);
  });
});

/** The published conversation as pairs of command and reply, each pair with the session it belongs to. */
const conversation = (): { secured: [Vector, Vector][]; clear: Vector[] } => {
  const secured: [Vector, Vector][] = [];
  const clear: Vector[] = [];
  for (let i = 0; i + 1 < vectors.sc.length; i += 2) {
    const [sent, answered] = [vectors.sc[i], vectors.sc[i + 1]];
    if (sent === undefined || answered === undefined) throw new Error('the conversation has an odd number of frames');
    if (sent.fullmac === undefined) clear.push(sent, answered);
    else secured.push([sent, answered]);
  }
  return { secured, clear };
};

describe('the published conversation', () => {
  it('holds a handshake under each key and every kind of secured frame', () => {
    const { secured, clear } = conversation();
    expect(clear).toHaveLength(8);
    expect(secured).toHaveLength(9);
  });

  for (const [index, vector] of conversation().clear.entries()) {
    it(`handshake ${index}: ${vector.name} is read and written byte for byte`, () => {
      expect(hexOf(encodeFrame(whole(hex(vector.hex))))).toBe(vector.hex);
    });
  }

  // The last pair is the first one under the new key, after its own handshake.
  const pairs = conversation().secured;
  let controller = sessionOf(SCBK_DEFAULT);
  let reader = sessionOf(SCBK_DEFAULT);
  for (const [index, [sent, answered]] of pairs.entries()) {
    it(`exchange ${index}: ${sent.name} and ${answered.name} are sealed and opened byte for byte, at both ends`, () => {
      if (index === pairs.length - 1) [controller, reader] = [sessionOf(SCBK), sessionOf(SCBK)];
      const wire = whole(hex(sent.hex));
      const fields = { ...wire, data: hex(sent.plain ?? '') };
      const sealed = controller.sealCommand(fields);
      expect(hexOf(sealed.bytes)).toBe(sent.hex);
      expect(hexOf(sealed.cmac)).toBe(sent.fullmac);

      const opened = reader.openCommand(wire);
      if (!opened.ok) throw new Error(opened.reason);
      expect(hexOf(opened.data)).toBe(sent.plain ?? '');
      expect(hexOf(opened.mac)).toBe(sent.fullmac);

      const replyWire = whole(hex(answered.hex));
      const replyBytes = reader.sealReply({ ...replyWire, data: hex(answered.plain ?? '') }, opened.mac);
      expect(hexOf(replyBytes)).toBe(answered.hex);

      const replyOpened = controller.openReply(replyWire, sealed.cmac);
      if (!replyOpened.ok) throw new Error(replyOpened.reason);
      expect(hexOf(replyOpened.data)).toBe(answered.plain ?? '');
      expect(hexOf(replyOpened.mac)).toBe(answered.fullmac);
    });
  }

  it('goes the same way with checksums in place of CRCs', () => {
    const [poll, ack] = vectors.checksum.slice(10);
    if (poll === undefined || ack === undefined) throw new Error('the checksum pair is missing');
    const acu = sessionOf(SCBK_DEFAULT);
    const sealed = acu.sealCommand(whole(hex(poll.hex)));
    expect(hexOf(sealed.bytes)).toBe(poll.hex);
    expect(acu.openReply(whole(hex(ack.hex)), sealed.cmac).ok).toBe(true);
  });
});

describe('the literals of another implementation (all keys and the chain zero)', () => {
  const zero = Buffer.alloc(16);
  for (const [name, code, data, bytes] of [
    ['COMSET', 0x6e, '0180250000', '53001E000E02176EACA3C2FFE4D9E599CD771B8EF3D13F23FAAB634E0895'],
    ['CAP', 0x62, '00', '53001E000E021762D14EB7AD982CC5F9AA25318A7EAED6260F6A2AA73870'],
    ['POLL', 0x60, '', '53000E000E0215604B32767773B6'],
    ['ISTAT', 0x65, '', '53000E000E021565460E3D4E2A6A'],
    ['MFG', 0x80, '0102030A0B0C', '53001E000E021780C8670FCB60C025BA48154192A42BB8F3B978FFAC1A91'],
    ['PIVDATA', 0xa3, '5FC102000000', '53001E000E0217A3BB89C6E0F9EB82ADFCBC16C4EECF42B051FCBF8395B2'],
    [
      'KEYSET',
      0x75,
      '011000010203040506070001020304050607',
      '53002E000E021775F0DDEC9A0ED8CE4C80BAF5D55C18436F9189FD66C9F223DC041486D83357DF986C1D4BC2B2F2',
    ],
  ] as const) {
    it(`${name} is sealed byte for byte`, () => {
      const session = new SecureSession({ enc: zero, mac1: zero, mac2: zero }, zero);
      const sealed = session.sealCommand({ address: 0, sequence: 2, crc: true, code, data: hex(data) });
      expect(commandName(code)).toBe(name);
      expect(hexOf(sealed.bytes)).toBe(bytes);
    });
  }
});

describe('a session', () => {
  const poll = { address: 0, sequence: 2, crc: true, code: 0x60, data: Buffer.alloc(0) };

  it('refuses a MAC with any one bit wrong, and goes on afterwards with the right one', () => {
    const [acu, pd] = [sessionOf(SCBK), sessionOf(SCBK)];
    const sealed = acu.sealCommand(poll);
    const command = pd.openCommand(whole(sealed.bytes));
    if (!command.ok) throw new Error(command.reason);
    const reply = pd.sealReply({ ...poll, code: 0x50, data: hex('00011A00BDD93740') }, command.mac);
    for (let bit = 0; bit < (reply.length - 2) * 8; bit++) {
      const flipped = Buffer.from(reply);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const frame = decodeFrame(Buffer.from(encodeAnew(flipped)));
      if (typeof frame === 'string') continue; // no longer a frame at all
      expect(acu.openReply(frame, sealed.cmac).ok).toBe(false);
    }
    expect(acu.openReply(whole(reply), sealed.cmac)).toMatchObject({ ok: true, data: hex('00011A00BDD93740') });
  });

  it('takes an encrypted reply that holds nothing but padding', () => {
    const [acu, pd] = [sessionOf(SCBK), sessionOf(SCBK)];
    const sealed = acu.sealCommand(poll);
    const command = pd.openCommand(whole(sealed.bytes));
    if (!command.ok) throw new Error(command.reason);
    const ack = whole(pd.sealReply({ ...poll, code: 0x40 }, command.mac, 0, 0x18));
    expect(ack.block?.type).toBe(0x18);
    expect(acu.openReply(ack, sealed.cmac)).toMatchObject({ ok: true, data: Buffer.alloc(0) });
  });

  it('takes a status reply that is sent as a command is, in the clear under its MAC', () => {
    const [acu, pd] = [sessionOf(SCBK), sessionOf(SCBK)];
    const sealed = acu.sealCommand({ ...poll, code: 0x64 });
    const command = pd.openCommand(whole(sealed.bytes));
    if (!command.ok) throw new Error(command.reason);
    const status = whole(pd.sealReply({ ...poll, code: 0x48, data: hex('0100') }, command.mac, 0, 0x15));
    expect(hexOf(status.data)).toBe('0100');
    expect(acu.openReply(status, sealed.cmac)).toMatchObject({ ok: true, data: hex('0100') });
  });

  it('calls a clear reply what it is', () => {
    const acu = sessionOf(SCBK);
    const { cmac } = acu.sealCommand(poll);
    expect(acu.openReply(whole(hex('53800800044059AC')), cmac)).toEqual({ ok: false, reason: 'not_secured' });
  });
});

/** The same bytes with a CRC that fits, so that only the MAC can tell. */
function encodeAnew(bytes: Buffer): Buffer {
  const frame = decodeFrame(bytes);
  if (frame !== 'bad_check') return bytes;
  for (let guess = 0; guess < 0x10000; guess++) {
    bytes.writeUInt16LE(guess, bytes.length - 2);
    if (decodeFrame(bytes) !== 'bad_check') return bytes;
  }
  return bytes;
}
