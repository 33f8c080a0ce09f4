// Modbus protocol data units as pure functions: a request to bytes, a reply checked against its request, the exceptions
// as a table. Limits and layouts follow the Modbus Application Protocol 1.1b3, chapters 6 and 7; everything that goes
// over RTU or TCP passes here, so a reply is trusted only when it answers the request.

import { assert } from '../../src/domain/errors.ts';

export type ReadBits = { fc: 1 | 2; address: number; count: number };
export type ReadRegisters = { fc: 3 | 4; address: number; count: number };
/**
 * `value` is the raw value field: 0xff00 on, 0x0000 off, and whatever a device means by others (a pulse length, say).
 */
export type WriteCoil = { fc: 5; address: number; value: number };
export type WriteRegister = { fc: 6; address: number; value: number };
export type WriteCoils = { fc: 15; address: number; bits: readonly boolean[] };
export type WriteRegisters = { fc: 16; address: number; registers: readonly number[] };
/** The register becomes `(register AND andMask) OR (orMask AND NOT andMask)`. */
export type MaskWrite = { fc: 22; address: number; andMask: number; orMask: number };
/** Writes first, then reads, in one transaction. */
export type ReadWriteRegisters = {
  fc: 23;
  address: number;
  count: number;
  writeAddress: number;
  registers: readonly number[];
};

export type Request =
  ReadBits | ReadRegisters | WriteCoil | WriteRegister | WriteCoils | WriteRegisters | MaskWrite | ReadWriteRegisters;

export type FunctionCode = Request['fc'];
export const FUNCTION_CODES = [1, 2, 3, 4, 5, 6, 15, 16, 22, 23] as const;

export type Reply =
  { kind: 'bits'; bits: boolean[] } | { kind: 'registers'; registers: number[] } | { kind: 'written' };

/** Most elements in one request (application protocol 6.x); FC23 has a limit of its own for what it writes. */
export const PDU_LIMITS = {
  readBits: 2000,
  readRegisters: 125,
  writeCoils: 1968,
  writeRegisters: 123,
  readWriteRegisters: 121,
} as const;

export const COIL_ON = 0xff00;
export const COIL_OFF = 0x0000;

export const isReadOnly = (request: Request): boolean => request.fc <= 4;

const WORD_MAX = 0xffff;
const isWord = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= WORD_MAX;

/**
 * The bytes of a request. Asserts the limits of the protocol: whoever plans transfers keeps them, and no device is ever
 * asked to refuse.
 */
export function encodeRequest(request: Request): Buffer {
  switch (request.fc) {
    case 1:
    case 2:
      return head(request.fc, request.address, spanned(request.address, request.count, PDU_LIMITS.readBits));
    case 3:
    case 4:
      return head(request.fc, request.address, spanned(request.address, request.count, PDU_LIMITS.readRegisters));
    case 5:
    case 6:
      assert(isWord(request.address) && isWord(request.value), `FC0${request.fc} address and value are 16 bits`);
      return head(request.fc, request.address, request.value);
    case 15: {
      const count = spanned(request.address, request.bits.length, PDU_LIMITS.writeCoils);
      const data = packBits(request.bits);
      return Buffer.concat([head(15, request.address, count), Buffer.of(data.length), data]);
    }
    case 16: {
      const count = spanned(request.address, request.registers.length, PDU_LIMITS.writeRegisters);
      return Buffer.concat([head(16, request.address, count), counted(request.registers)]);
    }
    case 22:
      assert(
        isWord(request.address) && isWord(request.andMask) && isWord(request.orMask),
        'FC22 address and masks are 16 bits',
      );
      return Buffer.concat([head(22, request.address, request.andMask), words([request.orMask])]);
    case 23: {
      const count = spanned(request.address, request.count, PDU_LIMITS.readRegisters);
      const writeCount = spanned(request.writeAddress, request.registers.length, PDU_LIMITS.readWriteRegisters);
      return Buffer.concat([
        head(23, request.address, count),
        words([request.writeAddress, writeCount]),
        counted(request.registers),
      ]);
    }
  }
}

const head = (fc: number, first: number, second: number): Buffer =>
  Buffer.of(fc, first >> 8, first & 0xff, second >> 8, second & 0xff);

function spanned(address: number, count: number, limit: number): number {
  assert(isWord(address), `Modbus address ${address} is outside 0 to 65535`);
  assert(Number.isInteger(count) && count >= 1 && count <= limit, `${count} elements in one request, 1 to ${limit}`);
  assert(address + count - 1 <= WORD_MAX, `elements ${address} to ${address + count - 1} end past 65535`);
  return count;
}

const counted = (registers: readonly number[]): Buffer =>
  Buffer.concat([Buffer.of(registers.length * 2), words(registers)]);

/** Registers as bytes, high byte first. */
export function words(registers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(registers.length * 2);
  let at = 0;
  for (const value of registers) {
    assert(isWord(value), 'a register holds 16 bits');
    bytes[at++] = value >> 8;
    bytes[at++] = value & 0xff;
  }
  return bytes;
}

/** Bytes as registers, high byte first. */
export function toRegisters(bytes: Buffer): number[] {
  const registers: number[] = [];
  for (let at = 1; at < bytes.length; at += 2) registers.push(((bytes[at - 1] ?? 0) << 8) | (bytes[at] ?? 0));
  return registers;
}

/** Coils as bytes: the first in the lowest bit of the first byte. */
export function packBits(bits: readonly boolean[]): Buffer {
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    if (bit) bytes.writeUInt8(bytes.readUInt8(i >> 3) | (1 << (i & 7)), i >> 3);
  });
  return bytes;
}

export const unpackBits = (bytes: Buffer, count: number): boolean[] =>
  Array.from({ length: count }, (_, i) => ((bytes.readUInt8(i >> 3) >> (i & 7)) & 1) === 1);

/** Bytes of the reply's PDU when the device does what was asked; an exception has two. */
export function replyLength(request: Request): number {
  switch (request.fc) {
    case 1:
    case 2:
      return 2 + Math.ceil(request.count / 8);
    case 3:
    case 4:
    case 23:
      return 2 + request.count * 2;
    case 22:
      return 7;
    default:
      return 5;
  }
}

export type Decoded =
  | { outcome: 'reply'; reply: Reply }
  | { outcome: 'exception'; code: number }
  /** Well formed, perhaps, but no answer to this request. */
  | { outcome: 'mismatch'; why: string };

/**
 * Reads a reply's PDU as the answer to `request`: function, length, and the address, count or value that a write must
 * echo.
 */
export function decodeReply(request: Request, pdu: Buffer): Decoded {
  const fc = pdu[0];
  if (fc === (request.fc | 0x80)) {
    const code = pdu[1];
    return code === undefined || pdu.length !== 2
      ? mismatch('an exception without its code')
      : { outcome: 'exception', code };
  }
  if (fc !== request.fc) return mismatch(`function ${fc ?? 'none'} where ${request.fc} was asked`);
  const length = replyLength(request);
  if (pdu.length !== length) return mismatch(`${pdu.length} bytes where ${length} answer the request`);
  switch (request.fc) {
    case 1:
    case 2:
      if (pdu[1] !== length - 2) return mismatch('a byte count that does not fit');
      return { outcome: 'reply', reply: { kind: 'bits', bits: unpackBits(pdu.subarray(2), request.count) } };
    case 3:
    case 4:
    case 23:
      if (pdu[1] !== length - 2) return mismatch('a byte count that does not fit');
      return { outcome: 'reply', reply: { kind: 'registers', registers: toRegisters(pdu.subarray(2)) } };
    default:
      // A write is echoed: wholly (FC05, 06, 22), or its address and count (FC15, 16).
      return pdu.equals(encodeRequest(request).subarray(0, length))
        ? { outcome: 'reply', reply: { kind: 'written' } }
        : mismatch('an acknowledgement of another address, count or value');
  }
}

const mismatch = (why: string): Decoded => ({ outcome: 'mismatch', why });

/**
 * What an exception asks of the master (application protocol chapter 7; 15 is a vendor's own, as a Bolid S2000-PP
 * answers while it fetches). `busy`: not done, ask again. `pending`: taken on, the result comes later. `path`: a
 * gateway speaks, the device itself was not reached. `final`: no.
 */
export type ExceptionKind = 'busy' | 'pending' | 'path' | 'final';

export const EXCEPTIONS: Readonly<Record<number, { kind: ExceptionKind; meaning: string }>> = {
  1: { kind: 'final', meaning: 'the device does not know this function code' },
  2: { kind: 'final', meaning: 'the device has no such address' },
  3: { kind: 'final', meaning: 'the device does not take this value or count' },
  4: { kind: 'final', meaning: 'the device failed while doing it' },
  5: { kind: 'pending', meaning: 'the device has taken it on and needs longer' },
  6: { kind: 'busy', meaning: 'the device is busy' },
  8: { kind: 'final', meaning: 'the device found a parity error in its memory' },
  10: { kind: 'path', meaning: 'the gateway has no path to the device' },
  11: { kind: 'path', meaning: 'the gateway got no answer from the device' },
  15: { kind: 'pending', meaning: 'the device is still fetching the result' },
};

export const exceptionKind = (code: number): ExceptionKind => EXCEPTIONS[code]?.kind ?? 'final';

export const describeException = (code: number): string =>
  `Modbus exception ${code}: ${EXCEPTIONS[code]?.meaning ?? 'a code outside the standard'}`;
