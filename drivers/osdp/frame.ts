// One OSDP frame, bytes <-> fields (fact sheet section 2). Framing only: what the data mean is commands.ts and
// replies.ts, what the security block means is secure-channel.ts. The mark (0xFF before the frame) belongs to the line
// and is in neither.

import { assert } from '../../src/domain/errors.ts';
import { checksum8, crc16 } from './crc.ts';

export const SOM = 0x53;
export const MARK = 0xff;
/**
 * Every reader takes it, whatever its own address is, and answers as 0x7F: so it is for a line with one reader only.
 */
export const BROADCAST_ADDRESS = 0x7f;
export const MAX_FRAME_BYTES = 1440;
export const HEADER_BYTES = 5;

const REPLY_BIT = 0x80;
const SEQUENCE_BITS = 0x03;
const CRC_BIT = 0x04;
const BLOCK_BIT = 0x08;
const RESERVED_BITS = 0xf0;
const MAC_BYTES = 4;

/** Security block types, named as in the specification. */
export const SCS = { _11: 0x11, _12: 0x12, _13: 0x13, _14: 0x14, _15: 0x15, _16: 0x16, _17: 0x17, _18: 0x18 } as const;

export type SecurityBlock = { type: number; data: Buffer };

export type FrameFields = {
  /** 0..0x7F, without the direction bit. */
  address: number;
  /** True from reader to controller. */
  reply: boolean;
  sequence: number; // 0..3
  crc: boolean;
  block: SecurityBlock | null;
  /** Command or reply code; never encrypted. */
  code: number;
  /** As on the wire: still encrypted under SCS_17 and SCS_18. */
  data: Buffer;
};

export type Frame = FrameFields & {
  mac: Buffer | null;
  /** The whole frame from SOM to the last check character. */
  bytes: Buffer;
};

export type FrameError = 'too_short' | 'bad_som' | 'bad_control' | 'bad_length' | 'bad_block' | 'bad_check';

const carriesMac = (block: SecurityBlock | null): boolean =>
  block !== null && block.type >= SCS._15 && block.type <= SCS._18;

/** Bytes of a frame on the wire, the mark not counted. */
export const frameLength = (fields: FrameFields): number =>
  HEADER_BYTES +
  (fields.block === null ? 0 : 2 + fields.block.data.length) +
  1 +
  fields.data.length +
  (carriesMac(fields.block) ? MAC_BYTES : 0) +
  (fields.crc ? 2 : 1);

/**
 * What fits into one frame of so many bytes, with a CRC; under Secure Channel data are padded to whole blocks, and a
 * MAC follows.
 */
export const mostDataBytes = (frameBytes: number, isSecured: boolean): number =>
  isSecured
    ? Math.floor((frameBytes - HEADER_BYTES - 2 - 1 - MAC_BYTES - 2) / CIPHER_BLOCK_BYTES) * CIPHER_BLOCK_BYTES - 1
    : frameBytes - HEADER_BYTES - 1 - 2;

const CIPHER_BLOCK_BYTES = 16;

/**
 * The bytes of a frame. `mac` is asked for SCS_15..18 with everything before the MAC (LEN being final already) and
 * gives the full MAC, of which the first four bytes are sent. `markBytes` marks are put in front.
 */
export function encodeFrame(fields: FrameFields, mac?: (signed: Buffer) => Buffer, markBytes = 0): Buffer {
  const length = frameLength(fields);
  assert(length <= MAX_FRAME_BYTES, `an OSDP frame has at most ${MAX_FRAME_BYTES} bytes, not ${length}`);
  const out = Buffer.alloc(markBytes + length);
  out.fill(MARK, 0, markBytes);
  const frame = out.subarray(markBytes);
  frame[0] = SOM;
  frame[1] = (fields.address & 0x7f) | (fields.reply ? REPLY_BIT : 0);
  frame.writeUInt16LE(length, 2);
  frame[4] = (fields.sequence & SEQUENCE_BITS) | (fields.crc ? CRC_BIT : 0) | (fields.block === null ? 0 : BLOCK_BIT);
  let at = HEADER_BYTES;
  if (fields.block !== null) {
    frame[at] = 2 + fields.block.data.length;
    frame[at + 1] = fields.block.type;
    at += 2 + fields.block.data.copy(frame, at + 2);
  }
  frame[at] = fields.code;
  at += 1 + fields.data.copy(frame, at + 1);
  if (carriesMac(fields.block)) {
    assert(mac !== undefined, 'a frame under SCS_15..18 needs its MAC');
    at += mac(frame.subarray(0, at)).copy(frame, at, 0, MAC_BYTES);
  }
  if (fields.crc) frame.writeUInt16LE(crc16(frame, at), at);
  else frame[at] = checksum8(frame, at);
  return out;
}

/**
 * LEN of a header, or null when these five bytes cannot begin a frame: wrong SOM, reserved bits set, a length that no
 * frame has.
 */
export function plausibleLength(bytes: Uint8Array, at: number, maxBytes: number): number | null {
  const control = bytes[at + 4] ?? RESERVED_BITS;
  if (bytes[at] !== SOM || (control & RESERVED_BITS) !== 0) return null;
  const length = (bytes[at + 2] ?? 0) | ((bytes[at + 3] ?? 0) << 8);
  const shortest = HEADER_BYTES + 1 + (control & CRC_BIT ? 2 : 1) + (control & BLOCK_BIT ? 2 : 0);
  return length < shortest || length > maxBytes ? null : length;
}

/** Reads exactly one frame; `bytes` is kept. Any bytes are survived: what is not a frame is named, not thrown. */
export function decodeFrame(bytes: Buffer, maxBytes = MAX_FRAME_BYTES): Frame | FrameError {
  if (bytes.length < HEADER_BYTES + 2) return 'too_short';
  if (bytes[0] !== SOM) return 'bad_som';
  const control = bytes.readUInt8(4);
  if ((control & RESERVED_BITS) !== 0) return 'bad_control';
  if (plausibleLength(bytes, 0, maxBytes) !== bytes.length) return 'bad_length';
  const crc = (control & CRC_BIT) !== 0;
  const checkAt = bytes.length - (crc ? 2 : 1);
  const good = crc
    ? crc16(bytes, checkAt) === bytes.readUInt16LE(checkAt)
    : checksum8(bytes, checkAt) === bytes.readUInt8(checkAt);
  if (!good) return 'bad_check';
  const block = (control & BLOCK_BIT) === 0 ? null : readBlock(bytes, checkAt);
  if (block === 'bad_block') return 'bad_block';
  const codeAt = HEADER_BYTES + (block === null ? 0 : 2 + block.data.length);
  const macAt = checkAt - (carriesMac(block) ? MAC_BYTES : 0);
  if (macAt <= codeAt) return 'bad_block';
  return {
    address: bytes.readUInt8(1) & 0x7f,
    reply: (bytes.readUInt8(1) & REPLY_BIT) !== 0,
    sequence: control & SEQUENCE_BITS,
    crc,
    block,
    code: bytes.readUInt8(codeAt),
    data: bytes.subarray(codeAt + 1, macAt),
    mac: macAt === checkAt ? null : bytes.subarray(macAt, checkAt),
    bytes,
  };
}

/** What the MAC of a frame covers: everything before it. */
export function signedPart(frame: Frame): Buffer {
  return frame.bytes.subarray(0, frame.bytes.length - (frame.crc ? 2 : 1) - MAC_BYTES);
}

function readBlock(bytes: Buffer, checkAt: number): SecurityBlock | 'bad_block' {
  const length = bytes.readUInt8(HEADER_BYTES);
  if (length < 2 || HEADER_BYTES + length >= checkAt) return 'bad_block';
  return { type: bytes.readUInt8(HEADER_BYTES + 1), data: bytes.subarray(HEADER_BYTES + 2, HEADER_BYTES + length) };
}
