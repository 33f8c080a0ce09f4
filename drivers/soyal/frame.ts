// SOYAL frames on a byte stream: `7E LEN DEST payload XOR SUM`, LEN counting DEST to SUM. There is no byte stuffing, so
// 7E may stand anywhere inside a frame; the parser aligns on a head, believes a frame only when both checksums fit, and
// otherwise looks again one byte further.

import { assert } from '../../src/domain/errors.ts';

const HEAD = 0x7e;
/** Every reply is addressed to the host. */
export const HOST_ADDRESS = 0x00;
/** Destination, command and both checksums: nothing shorter is a frame. */
const MIN_LENGTH = 4;
const MAX_LENGTH = 0xff;
/** Head and length, destination, and both checksums stand around a payload. */
export const FRAME_OVERHEAD_BYTES = 5;
const MAX_PAYLOAD_BYTES = MAX_LENGTH - 3;

/**
 * A reader that was cut in mid frame waits for the missing bytes, 256 at most (a length and that many bytes), and hears
 * nothing else until they have come; an idle one ignores zeros. So this many zeros free any reader on the bus, and
 * disturb none.
 */
export const FREEING_ZEROS = Buffer.alloc(257);

/** `payload` is command (or function) and data. */
export type Frame = { destination: number; payload: Buffer };

/** The bytes of one frame. `payload` holds 1 to 252 bytes. */
export function encodeFrame(destination: number, payload: Uint8Array): Buffer {
  assert(payload.length >= 1 && payload.length <= MAX_PAYLOAD_BYTES, 'a frame carries 1 to 252 bytes');
  const frame = Buffer.alloc(payload.length + FRAME_OVERHEAD_BYTES);
  frame.set([HEAD, payload.length + 3, destination]);
  frame.set(payload, 3);
  const { xor, sum } = checksums(frame.subarray(2, -2));
  frame.set([xor, sum], frame.length - 2);
  return frame;
}

/** XOR over FF and every byte from DEST to the last of the payload; SUM of the same bytes and the XOR, modulo 256. */
function checksums(body: Uint8Array): { xor: number; sum: number } {
  let xor = 0xff;
  let sum = 0;
  for (const byte of body) {
    xor ^= byte;
    sum += byte;
  }
  return { xor, sum: (sum + xor) & 0xff };
}

/**
 * Takes bytes as they come and gives back whole frames with right checksums. Noise that looks like a head can hold back
 * the frames behind it until as many bytes have come as it seems to announce: whoever owns the line calls `expire` once
 * it has been silent.
 */
export class FrameParser {
  #pending = Buffer.alloc(0);
  #checksumErrors = 0;

  /** How many complete frames had a wrong checksum (noise that looks like one included). */
  get checksumErrors(): number {
    return this.#checksumErrors;
  }

  /** Bytes of an unfinished frame wait. */
  get unfinished(): boolean {
    return this.#pending.length > 0;
  }

  push(bytes: Uint8Array): Frame[] {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) frames.push(frame);
    return frames;
  }

  /**
   * The line is silent, so the head that waits was noise or the rest of its frame is lost: gives the frames found
   * behind it and forgets the rest.
   */
  expire(): Frame[] {
    const frames: Frame[] = [];
    while (this.#pending.length > 0) {
      this.#pending = this.#pending.subarray(1);
      frames.push(...this.push(Buffer.alloc(0)));
    }
    return frames;
  }

  reset(): void {
    this.#pending = Buffer.alloc(0);
  }

  /** Takes one frame off the front, with the noise before it; null when more bytes are needed. */
  #next(): Frame | null {
    for (;;) {
      const head = this.#pending.indexOf(HEAD);
      this.#pending = head === -1 ? Buffer.alloc(0) : this.#pending.subarray(head);
      const length = this.#pending[1];
      if (length === undefined) return null;
      if (length >= MIN_LENGTH) {
        if (this.#pending.length < length + 2) return null;
        const body = this.#pending.subarray(2, length);
        const { xor, sum } = checksums(body);
        if (this.#pending[length] === xor && this.#pending[length + 1] === sum) {
          this.#pending = this.#pending.subarray(length + 2);
          return { destination: body.readUInt8(0), payload: Buffer.from(body.subarray(1)) };
        }
        this.#checksumErrors++;
      }
      this.#pending = this.#pending.subarray(1);
    }
  }
}
