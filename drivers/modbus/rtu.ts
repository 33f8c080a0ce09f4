// The RTU frame and its times: address, PDU, CRC16, and how long bytes and pauses take at a baud rate. Frames are found
// by the length that the request leads one to expect and by their CRC; pauses cannot be seen through a USB adapter's
// buffer, so they are kept when sending and never used to cut what arrives. Source: MODBUS over Serial Line V1.02,
// chapters 2.5 and 6.2.2.

import { decodeReply, encodeRequest, replyLength, type Decoded, type Request } from './codec.ts';
import type { LineSettings } from '../../src/domain/ports.ts';

export const BROADCAST_UNIT = 0;

const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  return crc;
});

/** CRC-16/MODBUS: reflected 0x8005, start 0xffff; sent low byte first. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) crc = (crc >> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return crc;
}

export function frame(unit: number, pdu: Uint8Array): Buffer {
  const bytes = Buffer.alloc(pdu.length + 3);
  bytes.writeUInt8(unit, 0);
  bytes.set(pdu, 1);
  bytes.writeUInt16LE(crc16(bytes.subarray(0, -2)), bytes.length - 2);
  return bytes;
}

export const requestFrame = (unit: number, request: Request): Buffer => frame(unit, encodeRequest(request));

/** Address, function and CRC stand around the PDU. */
export const replyFrameLength = (request: Request): number => replyLength(request) + 3;

const EXCEPTION_FRAME_LENGTH = 5;

const hasGoodCrc = (bytes: Buffer): boolean => bytes.readUInt16LE(bytes.length - 2) === crc16(bytes.subarray(0, -2));

/** The units of whole frames that stand in bytes nobody asked for, questions and answers alike. */
export function framesIn(bytes: Buffer): number[] {
  const units: number[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const rest = bytes.subarray(at);
    const length = lengthsAt(rest).find((one) => one <= rest.length && hasGoodCrc(rest.subarray(0, one)));
    if (length !== undefined) units.push(rest[0] ?? 0);
    at += length ?? 1;
  }
  return units;
}

/** How long a frame may be that begins so: the fixed ones, an answer that counts its bytes, a write of many. */
function lengthsAt(bytes: Buffer): number[] {
  const fc = (bytes[1] ?? 0) & 0x7f;
  if (!COMMON_FUNCTIONS.has(fc)) return [];
  return bytes[1] === fc ? [8, 5 + (bytes[2] ?? 0), 9 + (bytes[6] ?? 0)] : [EXCEPTION_FRAME_LENGTH];
}

const COMMON_FUNCTIONS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 15, 16]);

export type Search =
  | { found: true; decoded: Decoded; /** Where the frame begins and ends. */ start: number; end: number }
  | {
      found: false;
      /** A frame with the right head and length, and a wrong CRC: the reply came, but damaged. */
      damaged: boolean;
      /** Nothing before this begins an answer, whatever follows. */
      next: number;
    };

/**
 * Looks through everything that has arrived for the answer to `request` from `unit`: noise before it (a driver
 * switching on), a foreign frame or a fragment of one is stepped over. `from`: where to begin, as the search before
 * said; so each place is looked at once, however the bytes come.
 */
export function findReply(unit: number, request: Request, received: Buffer, from = 0): Search {
  const full = replyFrameLength(request);
  let damaged = false;
  let next: number | null = null;
  for (let start = from; start + EXCEPTION_FRAME_LENGTH <= received.length; start++) {
    if (received[start] !== unit) continue;
    const fc = received[start + 1];
    const length = fc === request.fc ? full : fc === (request.fc | 0x80) ? EXCEPTION_FRAME_LENGTH : null;
    if (length === null) continue;
    if (start + length > received.length) {
      next ??= start;
      continue;
    }
    const candidate = received.subarray(start, start + length);
    if (hasGoodCrc(candidate)) {
      return { found: true, decoded: decodeReply(request, candidate.subarray(1, -2)), start, end: start + length };
    }
    damaged = true;
  }
  return { found: false, damaged, next: next ?? Math.max(from, received.length - EXCEPTION_FRAME_LENGTH + 1) };
}

/** Which other unit has answered this in place of the one that was asked; null: none has. */
export function whoAnswered(unit: number, request: Request, received: Buffer): number | null {
  for (let start = 0; start + EXCEPTION_FRAME_LENGTH <= received.length; start++) {
    const other = received.readUInt8(start);
    if (other === unit || other === BROADCAST_UNIT) continue;
    const search = findReply(other, request, received.subarray(start, start + replyFrameLength(request)));
    if (search.found && search.start === 0 && search.decoded.outcome !== 'mismatch') return other;
  }
  return null;
}

/** Start, data, parity and stop bits of one character. */
export const bitsPerCharacter = (line: Pick<LineSettings, 'dataBits' | 'parity' | 'stopBits'>): number =>
  1 + line.dataBits + (line.parity === 'none' ? 0 : 1) + line.stopBits;

export type LineTimes = {
  /** Time of one character on the wire. */
  characterMs: number;
  /** The pause that ends a frame: 3.5 characters of 11 bits, fixed at 1.75 ms above 19200 baud. */
  t35Ms: number;
};

export const lineTimes = (line: Pick<LineSettings, 'baud' | 'dataBits' | 'parity' | 'stopBits'>): LineTimes => ({
  characterMs: (bitsPerCharacter(line) * 1000) / line.baud,
  t35Ms: line.baud > 19_200 ? 1.75 : (3.5 * 11_000) / line.baud,
});

/** Turnaround of a good device, for judging what a bus can carry. */
export const USUAL_TURNAROUND_MS = 5;

/** How long a transaction occupies the line: both frames, the device's turnaround, and the pauses around. */
export const transactionMs = (times: LineTimes, request: Request, turnaroundMs: number): number =>
  (encodeRequest(request).length + 3 + replyFrameLength(request)) * times.characterMs + turnaroundMs + 2 * times.t35Ms;
