import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  COIL_ON,
  decodeReply,
  describeException,
  encodeRequest,
  EXCEPTIONS,
  exceptionKind,
  FUNCTION_CODES,
  isReadOnly,
  packBits,
  replyLength,
  toRegisters,
  unpackBits,
  type Request,
} from '../../../drivers/modbus/codec.ts';
import { crc16, findReply, frame, lineTimes, requestFrame, transactionMs } from '../../../drivers/modbus/rtu.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('requests and replies', () => {
  // The examples of the application protocol 1.1b3, chapter 6.
  const examples: [string, Request, string, string, unknown][] = [
    ['read coils', { fc: 1, address: 19, count: 19 }, '01 0013 0013', '01 03 CD6B05', 'bits'],
    ['read discrete inputs', { fc: 2, address: 196, count: 22 }, '02 00C4 0016', '02 03 ACDB35', 'bits'],
    [
      'read holding registers',
      { fc: 3, address: 107, count: 3 },
      '03 006B 0003',
      '03 06 022B 0000 0064',
      [555, 0, 100],
    ],
    ['read input registers', { fc: 4, address: 8, count: 1 }, '04 0008 0001', '04 02 000A', [10]],
    ['write one coil', { fc: 5, address: 172, value: COIL_ON }, '05 00AC FF00', '05 00AC FF00', 'written'],
    ['write one register', { fc: 6, address: 1, value: 3 }, '06 0001 0003', '06 0001 0003', 'written'],
    [
      'write coils',
      { fc: 15, address: 19, bits: [1, 0, 1, 1, 0, 0, 1, 1, 1, 0].map((bit) => bit === 1) },
      '0F 0013 000A 02 CD01',
      '0F 0013 000A',
      'written',
    ],
    [
      'write registers',
      { fc: 16, address: 1, registers: [10, 258] },
      '10 0001 0002 04 000A 0102',
      '10 0001 0002',
      'written',
    ],
    [
      'mask a register',
      { fc: 22, address: 4, andMask: 0xf2, orMask: 0x25 },
      '16 0004 00F2 0025',
      '16 0004 00F2 0025',
      'written',
    ],
    [
      'write and read registers',
      { fc: 23, address: 3, count: 6, writeAddress: 14, registers: [255, 255, 255] },
      '17 0003 0006 000E 0003 06 00FF 00FF 00FF',
      '17 0C 00FE 0ACD 0001 0003 000D 00FF',
      [254, 2765, 1, 3, 13, 255],
    ],
  ];

  it.each(examples)('%s as the standard writes it', (_, request, requestPdu, replyPdu, expected) => {
    expect(hex(encodeRequest(request))).toBe(hex(bytes(requestPdu)));
    expect(replyLength(request)).toBe(bytes(replyPdu).length);
    const decoded = decodeReply(request, bytes(replyPdu));
    expect(decoded.outcome).toBe('reply');
    if (decoded.outcome !== 'reply') return;
    if (typeof expected === 'string') expect(decoded.reply.kind).toBe(expected);
    else expect(decoded.reply).toEqual({ kind: 'registers', registers: expected });
  });

  it('know no function but these', () => {
    expect(examples.map(([, { fc }]) => fc)).toEqual([...FUNCTION_CODES]);
  });

  it('reads bits from the lowest upwards and only as many as were asked', () => {
    const decoded = decodeReply({ fc: 1, address: 0, count: 3 }, bytes('01 01 FD'));
    expect(decoded).toEqual({ outcome: 'reply', reply: { kind: 'bits', bits: [true, false, true] } });
  });

  it('packs bits from the lowest upwards, eight to a byte, and takes them apart again', () => {
    const bits = [true, false, false, false, false, false, false, true, false, true];
    expect(hex(packBits(bits))).toBe('8102');
    expect(unpackBits(bytes('81 02'), 10)).toEqual(bits);
    expect(hex(packBits([]))).toBe('');
    const all = fc.array(fc.boolean(), { maxLength: 40 });
    fc.assert(
      fc.property(all, (some) => {
        expect(unpackBits(packBits(some), some.length)).toEqual(some);
      }),
    );
  });

  it('takes two bytes for a register, high byte first, and nothing for half of one', () => {
    expect(toRegisters(bytes('0102 FFFE'))).toEqual([0x0102, 0xfffe]);
    expect(toRegisters(bytes('0102 FF'))).toEqual([0x0102]);
    expect(toRegisters(bytes(''))).toEqual([]);
  });

  it.each(examples)('%s is a read if nothing changes by it', (what, request) => {
    expect(isReadOnly(request)).toBe(what.startsWith('read'));
  });

  it.each<[string, Request, string]>([
    ['2000 coils to read', { fc: 1, address: 0, count: 2000 }, '01 0000 07D0'],
    ['125 registers to read', { fc: 4, address: 0, count: 125 }, '04 0000 007D'],
    ['one bit at the last address', { fc: 2, address: 65_535, count: 1 }, '02 FFFF 0001'],
    ['two registers up to the last address', { fc: 3, address: 65_534, count: 2 }, '03 FFFE 0002'],
    ['the highest value of a register', { fc: 6, address: 65_535, value: 65_535 }, '06 FFFF FFFF'],
    ['the lowest', { fc: 6, address: 0, value: 0 }, '06 0000 0000'],
    ['masks of all bits', { fc: 22, address: 65_535, andMask: 65_535, orMask: 65_535 }, '16 FFFF FFFF FFFF'],
  ])('sends %s', (_, request, pdu) => {
    expect(hex(encodeRequest(request))).toBe(hex(bytes(pdu)));
  });

  it.each<[string, Request, number]>([
    ['123 registers to write', { fc: 16, address: 0, registers: Array.from({ length: 123 }, () => 0xffff) }, 252],
    ['1968 coils to write', { fc: 15, address: 0, bits: Array.from({ length: 1968 }, () => true) }, 252],
    [
      '121 registers to write and 125 to read',
      { fc: 23, address: 0, count: 125, writeAddress: 0, registers: Array.from({ length: 121 }, () => 0) },
      252,
    ],
  ])('sends %s', (_, request, length) => {
    expect(encodeRequest(request)).toHaveLength(length);
  });

  it('sends whatever value a device means in function 5', () => {
    expect(hex(encodeRequest({ fc: 5, address: 0x0200, value: 7 }))).toBe('0502000007');
    expect(decodeReply({ fc: 5, address: 0x0200, value: 7 }, bytes('05 0200 0007')).outcome).toBe('reply');
  });

  it.each([
    ['another function', '04 02 0001'],
    ['another length', '03 04 0001 0002'],
    ['a byte count that lies', '03 03 0001'],
    ['nothing', ''],
    ['an exception without its code', '83'],
    ['an exception with more than its code', '83 02 00'],
    ['the exception of another function', '84 02'],
  ])('does not take %s for its reply', (_, pdu) => {
    expect(decodeReply({ fc: 3, address: 0, count: 1 }, bytes(pdu)).outcome).toBe('mismatch');
  });

  it('does not take bits whose byte count lies', () => {
    expect(decodeReply({ fc: 1, address: 0, count: 8 }, bytes('01 02 FF')).outcome).toBe('mismatch');
  });

  it('does not take the acknowledgement of another write for its own', () => {
    const write: Request = { fc: 16, address: 100, registers: [1, 2] };
    expect(decodeReply(write, bytes('10 0065 0002')).outcome).toBe('mismatch');
    expect(decodeReply(write, bytes('10 0064 0003')).outcome).toBe('mismatch');
    expect(decodeReply({ fc: 6, address: 1, value: 3 }, bytes('06 0001 0004')).outcome).toBe('mismatch');
  });

  it('knows which exceptions are worth another try', () => {
    expect(decodeReply({ fc: 16, address: 0, registers: [1] }, bytes('90 06'))).toEqual({
      outcome: 'exception',
      code: 6,
    });
    expect([1, 2, 3, 4, 5, 6, 8, 10, 11, 15].map(exceptionKind)).toEqual([
      ...['final', 'final', 'final', 'final', 'pending', 'busy', 'final', 'path', 'path', 'pending'],
    ]);
    expect(exceptionKind(200)).toBe('final');
    expect(describeException(2)).toBe('Modbus exception 2: the device has no such address');
    expect(Object.keys(EXCEPTIONS).map(Number)).toEqual([1, 2, 3, 4, 5, 6, 8, 10, 11, 15]);
    expect(describeException(4)).toBe('Modbus exception 4: the device failed while doing it');
    expect(describeException(200)).toBe('Modbus exception 200: a code outside the standard');
  });

  it.each<[string, Request]>([
    ['126 registers to read', { fc: 3, address: 0, count: 126 }],
    ['124 registers to write', { fc: 16, address: 0, registers: Array.from({ length: 124 }, () => 0) }],
    [
      '122 registers to write and read',
      { fc: 23, address: 0, count: 1, writeAddress: 0, registers: Array.from({ length: 122 }, () => 0) },
    ],
    ['1969 coils to write', { fc: 15, address: 0, bits: Array.from({ length: 1969 }, () => false) }],
    ['2001 bits to read', { fc: 2, address: 0, count: 2001 }],
    ['nothing to read', { fc: 4, address: 0, count: 0 }],
    ['registers past the last address', { fc: 3, address: 65_535, count: 2 }],
    ['half a register to read', { fc: 3, address: 0, count: 1.5 }],
    ['a negative address', { fc: 3, address: -1, count: 2 }],
    ['an address of more than 16 bits', { fc: 5, address: 65_536, value: 0 }],
    ['a value of more than 16 bits', { fc: 6, address: 0, value: 65_536 }],
    ['a negative value', { fc: 6, address: 0, value: -1 }],
    ['half a value', { fc: 6, address: 0, value: 0.5 }],
    ['a register of more than 16 bits among others', { fc: 16, address: 0, registers: [1, 65_536] }],
    ['a mask at no address', { fc: 22, address: 65_536, andMask: 0, orMask: 0 }],
    ['a mask of more than 16 bits', { fc: 22, address: 0, andMask: 65_536, orMask: 0 }],
    ['a mask of bits to set of more than 16', { fc: 22, address: 0, andMask: 0, orMask: 65_536 }],
  ])('never sends %s', (_, request) => {
    expect(() => encodeRequest(request)).toThrow('assertion failed');
  });
});

describe('RTU frames', () => {
  it('carry the CRC of the serial line guide, low byte first', () => {
    expect(crc16(bytes('02 07'))).toBe(0x1241);
    expect(hex(requestFrame(1, { fc: 3, address: 0, count: 1 }))).toBe('010300000001840a');
    expect(crc16(Buffer.from('123456789'))).toBe(0x4b37);
  });

  const request: Request = { fc: 3, address: 100, count: 2 };
  const reply = frame(1, bytes('03 04 0064 0065'));

  it('are found behind noise and behind frames of others', () => {
    const foreign = frame(7, bytes('03 04 0001 0002'));
    const search = findReply(1, request, Buffer.concat([Buffer.of(0xff, 0x00), foreign, reply, Buffer.of(0)]));
    expect(search.found && search.decoded).toEqual({
      outcome: 'reply',
      reply: { kind: 'registers', registers: [100, 101] },
    });
    expect(search.found && search.end).toBe(2 + foreign.length + reply.length);
  });

  it('are found however they are cut, and not before they are whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), fc.integer({ min: 0, max: reply.length }), (noise, cut) => {
        const clean = noise.map((byte) => (byte === 1 ? 9 : byte)); // 1 is the unit: noise that starts a frame is another test
        const search = findReply(1, request, Buffer.concat([clean, reply.subarray(0, cut)]));
        expect(search.found).toBe(cut === reply.length);
      }),
    );
  });

  it('are damaged when the CRC is wrong, and then worth nothing', () => {
    const wrong = Buffer.from(reply);
    wrong.writeUInt8(wrong.readUInt8(4) ^ 0x10, 4);
    expect(findReply(1, request, wrong)).toMatchObject({ found: false, damaged: true });
  });

  it('take the time of their bits', () => {
    const times = lineTimes({ baud: 9600, parity: 'even', dataBits: 8, stopBits: 1 });
    expect(times.characterMs).toBeCloseTo(11 / 9.6, 6);
    expect(times.t35Ms).toBeCloseTo(4.01, 2);
    expect(lineTimes({ baud: 115_200, parity: 'none', dataBits: 8, stopBits: 1 }).t35Ms).toBe(1.75);
    // One FC16 of 123 registers at 9600: 255 + 8 bytes and two pauses.
    const write: Request = { fc: 16, address: 0, registers: Array.from({ length: 123 }, () => 0) };
    expect(transactionMs(times, write, 0)).toBeCloseTo(292.2 + 9.2 + 8.02, 0);
  });
});
