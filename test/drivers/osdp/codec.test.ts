import { describe, expect, it } from 'vitest';
import { crc16 } from '../../../drivers/osdp/crc.ts';
import { COMMANDS, command, commandName, decodeCommand } from '../../../drivers/osdp/commands.ts';
import type { CommandFields, CommandName } from '../../../drivers/osdp/commands.ts';
import { decodeFrame, encodeFrame } from '../../../drivers/osdp/frame.ts';
import type { Frame } from '../../../drivers/osdp/frame.ts';
import { fragmentsOf, MultipartAssembler } from '../../../drivers/osdp/multipart.ts';
import { CAP, readCapabilities } from '../../../drivers/osdp/pdcap.ts';
import {
  decodeExtendedId,
  decodeReply,
  describePdId,
  REPLIES,
  reply,
  replyName,
} from '../../../drivers/osdp/replies.ts';
import type { ReplyFields, ReplyName } from '../../../drivers/osdp/replies.ts';
import { hex, hexOf, vectors } from './vectors.ts';

const whole = (bytes: Buffer): Frame => {
  const frame = decodeFrame(bytes);
  if (typeof frame === 'string') throw new Error(`not a frame: ${frame}`);
  return frame;
};

describe('every published frame', () => {
  for (const [set, list] of Object.entries({ plain: vectors.plain, checksum: vectors.checksum.slice(0, 10) })) {
    for (const [index, vector] of list.entries()) {
      it(`${set} ${index}: ${vector.name} is read and written byte for byte`, () => {
        const frame = whole(hex(vector.hex));
        expect(frame.reply).toBe(vector.dir === 'PD->ACU');
        expect(frame.crc).toBe(set === 'plain');
        expect(hexOf(encodeFrame(frame))).toBe(vector.hex);
        if (frame.reply) {
          const decoded = decodeReply(frame.code, frame.data);
          if (typeof decoded === 'string') throw new Error(decoded);
          expect(reply(decoded.name, decoded.fields).data).toEqual(frame.data);
        } else {
          const decoded = decodeCommand(frame.code, frame.data);
          if (typeof decoded === 'string') throw new Error(decoded);
          expect(command(decoded.name, decoded.fields).data).toEqual(frame.data);
        }
      });
    }
  }

  for (const [name, text] of Object.entries({
    'address 1 POLL': '530108000660D866',
    'address 1 ACK': '5381080006406A60',
    'address 1 MFG': '53010D0006801A90211020E117',
    'address 1 NAK 09': '53810900064109EF0E',
    'PDID from the broadcast address': '53FF1400044511223344556677889901020AC3FC',
  })) {
    it(`${name} is read and written byte for byte`, () => {
      expect(hexOf(encodeFrame(whole(hex(text))))).toBe(text);
    });
  }

  it('the CRC gives the check value of its family', () => {
    expect(crc16(Buffer.from('123456789'))).toBe(0xe5cc);
  });

  it('a mark in front is no part of the frame', () => {
    const poll = { address: 0, reply: false, sequence: 0, crc: true, block: null, code: 0x60, data: Buffer.alloc(0) };
    expect(hexOf(encodeFrame(poll, undefined, 1))).toBe('FF530008000460EBAA');
  });
});

const COMMAND_SAMPLES: { [Name in CommandName]: CommandFields[Name] } = {
  POLL: {},
  ID: { extended: true },
  CAP: {},
  DIAG: { data: hex('01') },
  LSTAT: {},
  ISTAT: {},
  OSTAT: {},
  RSTAT: {},
  OUT: { records: [{ output: 1, control: 5, timerUnits: 300 }] },
  LED: {
    records: [
      {
        reader: 1,
        led: 2,
        temporary: { control: 2, onUnits: 3, offUnits: 4, onColor: 2, offColor: 1, timerUnits: 700 },
        permanent: { control: 1, onUnits: 10, offUnits: 0, onColor: 1, offColor: 0 },
      },
    ],
  },
  BUZ: { records: [{ reader: 0, tone: 2, onUnits: 1, offUnits: 1, count: 3 }] },
  TEXT: { reader: 0, mode: 3, seconds: 5, row: 1, column: 1, text: 'Enter PIN' },
  RMODE: { data: hex('0102') },
  TDSET: { data: hex('0102') },
  COMSET: { address: 5, baud: 115200 },
  DATA: { data: hex('00') },
  BIOREAD: { reader: 0, type: 2, format: 0, quality: 80 },
  BIOMATCH: { reader: 0, type: 2, format: 0, threshold: 90, template: hex('DEADBEEF') },
  KEYSET: { keyType: 1, key: hex('C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF') },
  CHLNG: { randomA: hex('B0B1B2B3B4B5B6B7') },
  SCRYPT: { serverCryptogram: Buffer.alloc(16, 7) },
  ACURXSIZE: { sizeBytes: 1024 },
  FILETRANSFER: { type: 1, totalBytes: 70_000, offset: 66_000, data: hex('010203') },
  MFG: { oui: hex('1A9021'), data: hex('E001') },
  XWR: { mode: 1, command: 1, data: hex('0000A40400') },
  ABORT: {},
  PIVDATA: { objectId: hex('5FC102'), element: 0, offset: hex('0000') },
  GENAUTH: { totalBytes: 300, offset: 100, data: hex('AABB') },
  CRAUTH: { totalBytes: 300, offset: 0, data: hex('0703AABB') },
  KEEPACTIVE: { timeMs: 7000 },
};

const REPLY_SAMPLES: { [Name in ReplyName]: ReplyFields[Name] } = {
  ACK: {},
  NAK: { error: 9, details: hex('01') },
  PDID: { oui: hex('112233'), model: 0x44, version: 0x55, serial: 0x99887766, firmware: [1, 2, 10] },
  PDCAP: { records: [{ function: 1, compliance: 1, number: 2 }] },
  LSTATR: { tamper: true, powerFailed: false },
  ISTATR: { inputs: [0, 1, 2] },
  OSTATR: { outputs: [1, 0] },
  RSTATR: { readers: [2] },
  RAW: { reader: 0, format: 1, widthBits: 26, bits: hex('BDD93740') },
  FMT: { reader: 0, direction: 1, text: Buffer.from('12345') },
  KEYPAD: { reader: 0, keys: Buffer.from('12') },
  COM: { address: 5, baud: 38400 },
  BIOREADR: { reader: 0, status: 0, type: 2, quality: 99, template: hex('0102') },
  BIOMATCHR: { reader: 0, status: 0, score: 200 },
  EXT_PDID: { totalBytes: 10, offset: 0, data: hex('00020041') },
  CCRYPT: { cuid: Buffer.alloc(8, 1), randomB: Buffer.alloc(8, 2), clientCryptogram: Buffer.alloc(16, 3) },
  RMAC_I: { rmac: Buffer.alloc(16, 4) },
  BUSY: {},
  FTSTAT: { action: 1, delayMs: 500, status: -3, maxMessageBytes: 256 },
  PIVDATAR: { totalBytes: 4, offset: 0, data: hex('00020041') },
  GENAUTHR: { totalBytes: 4, offset: 0, data: hex('00020041') },
  CRAUTHR: { totalBytes: 4, offset: 0, data: hex('00020041') },
  MFGSTATR: { data: hex('01') },
  MFGERRR: { data: hex('02') },
  MFGREP: { oui: hex('1A9021'), data: hex('E2') },
  XRD: { mode: 1, reply: 1, data: hex('009000') },
};

describe('the tables', () => {
  for (const [name, fields] of Object.entries(COMMAND_SAMPLES)) {
    it(`command ${name} is read back as it was written`, () => {
      const written = command(name as CommandName, fields);
      expect(decodeCommand(written.code, written.data)).toEqual({ name, fields });
      expect(commandName(COMMANDS[name as CommandName].code)).toBe(name);
    });
  }
  for (const [name, fields] of Object.entries(REPLY_SAMPLES)) {
    it(`reply ${name} is read back as it was written`, () => {
      const written = reply(name as ReplyName, fields);
      expect(decodeReply(written.code, written.data)).toEqual({ name, fields });
      expect(replyName(REPLIES[name as ReplyName].code)).toBe(name);
    });
  }

  it('a command with the wrong length is malformed, one nobody knows is unknown', () => {
    expect(decodeCommand(0x69, Buffer.alloc(13))).toBe('malformed');
    expect(decodeCommand(0x68, Buffer.alloc(0))).toBe('malformed');
    expect(decodeCommand(0x6e, Buffer.alloc(4))).toBe('malformed');
    expect(decodeCommand(0x99, Buffer.alloc(0))).toBe('unknown');
    expect(decodeReply(0x99, Buffer.alloc(0))).toBe('unknown');
  });

  it('a card whose bit count and byte count disagree is read by its bit count', () => {
    const surplus = decodeReply(0x50, hex('00011A00BDD937400000'));
    expect(surplus).toMatchObject({ name: 'RAW', fields: { widthBits: 26, bits: hex('BDD93740') } });
    expect(decodeReply(0x50, hex('00011A00BDD937'))).toBe('malformed');
  });

  it('formatted card text ends where the frame ends, whatever its length byte counts', () => {
    expect(decodeReply(0x51, Buffer.concat([hex('000107'), Buffer.from('12345')]))).toMatchObject({
      fields: { text: Buffer.from('12345') },
    });
  });

  it('an identity is told so that people recognise the device', () => {
    expect(describePdId(REPLY_SAMPLES.PDID)).toBe('OUI 11:22:33 model 68 serial 2575857510 version 85 firmware 1.2.10');
  });

  it('an extended identity is read tag by tag, unknown and truncated ones left out', () => {
    const tlv = (tag: number, text: string): Buffer =>
      Buffer.concat([Buffer.from([tag, text.length, 0]), Buffer.from(text)]);
    const content = Buffer.concat([
      tlv(0, 'Acme'),
      tlv(3, '1.2'),
      tlv(99, 'x'),
      tlv(3, '2.0'),
      tlv(1, 'cut').subarray(0, 5),
    ]);
    expect(decodeExtendedId(content)).toEqual({ manufacturer: ['Acme'], firmware: ['1.2', '2.0'] });
  });
});

describe('capabilities', () => {
  it('are read from records in any order, repeated or unknown', () => {
    const capabilities = readCapabilities([
      { function: 200, compliance: 9, number: 9 },
      { function: CAP.receiveBuffer, compliance: 0x00, number: 0x01 },
      { function: CAP.contactStatus, compliance: 1, number: 2 },
      { function: CAP.led, compliance: 4, number: 1 },
      { function: CAP.contactStatus, compliance: 1, number: 9 },
    ]);
    expect(capabilities).toMatchObject({ inputs: 2, outputs: 0, leds: 1, receiveBufferBytes: 256, crc: false });
  });

  it('a reader takes 128 bytes even when it says less', () => {
    expect(readCapabilities([{ function: CAP.receiveBuffer, compliance: 16, number: 0 }]).receiveBufferBytes).toBe(128);
  });
});

describe('messages in several parts', () => {
  it('come out whole, whatever the fragment size', () => {
    const content = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 0xff));
    for (const size of [1, 7, 128, 300, 1000]) {
      const assembler = new MultipartAssembler(1000);
      const steps = fragmentsOf(content, size).map((fragment) => assembler.accept(fragment));
      expect(steps.slice(0, -1).every((step) => step.step === 'more')).toBe(true);
      expect(steps.at(-1)).toEqual({ step: 'complete', content });
    }
  });

  it('are thrown away at a gap, at an abort and when they would be too long', () => {
    const assembler = new MultipartAssembler(10);
    const part = (totalBytes: number, offset: number, length: number) =>
      assembler.accept({ totalBytes, offset, data: Buffer.alloc(length) });
    expect(part(8, 0, 4)).toEqual({ step: 'more' });
    expect(part(8, 5, 3)).toEqual({ step: 'broken', reason: 'gap' });
    expect(part(8, 0, 4)).toEqual({ step: 'more' });
    expect(part(8, 8, 0)).toEqual({ step: 'broken', reason: 'aborted' });
    expect(part(11, 0, 4)).toEqual({ step: 'broken', reason: 'too_long' });
    expect(part(8, 0, 9)).toEqual({ step: 'broken', reason: 'too_long' });
  });

  it('begin anew at offset 0', () => {
    const assembler = new MultipartAssembler(10);
    assembler.accept({ totalBytes: 4, offset: 0, data: hex('0000') });
    assembler.accept({ totalBytes: 4, offset: 0, data: hex('0102') });
    expect(assembler.accept({ totalBytes: 4, offset: 2, data: hex('0304') })).toEqual({
      step: 'complete',
      content: hex('01020304'),
    });
  });
});
