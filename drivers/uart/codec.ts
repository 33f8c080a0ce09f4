// Frames of 125 kHz readers that push a tag number over a UART and can be told nothing: `02`, ten ASCII hex digits
// (version and tag), two of checksum, `03`. The start byte occurs nowhere else in a frame, so the parser finds its feet
// again at the next one, whatever the wire did to those before.

/**
 * `rdm6300` sends 14 bytes and repeats them while the tag is held; `id-12la` (ID-2, ID-12, ID-20 in ASCII mode) puts CR
 * LF before the end: 16 bytes, once.
 */
export const FRAMES = ['rdm6300', 'id-12la'] as const;
export type FrameName = (typeof FRAMES)[number];

const START = 0x02;
const END = 0x03;
const BEFORE_END: Readonly<Record<FrameName, readonly number[]>> = { rdm6300: [], 'id-12la': [0x0d, 0x0a] };
/** Whether the reader says a tag again and again while it is held. */
export const REPEATS: Readonly<Record<FrameName, boolean>> = { rdm6300: true, 'id-12la': false };

/** Version byte and four bytes of tag number, most significant first. */
export const UID_BYTES = 5;
const HEX_DIGITS = 2 * (UID_BYTES + 1);

export const frameLength = (frame: FrameName): number => 1 + HEX_DIGITS + BEFORE_END[frame].length + 1;

const checksum = (uid: Uint8Array): number => uid.reduce((sum, byte) => sum ^ byte, 0);

/** The frame that a reader sends for a tag of five bytes. */
export function encodeTag(frame: FrameName, uid: Uint8Array): Buffer {
  const digits = Buffer.from([...uid, checksum(uid)])
    .toString('hex')
    .toUpperCase();
  return Buffer.from([START, ...Buffer.from(digits, 'latin1'), ...BEFORE_END[frame], END]);
}

/**
 * What some bytes held. Every byte is accounted for: in a tag, in a frame with a wrong checksum, in noise, or still
 * waiting for the rest of its frame.
 */
export type Reading = { uids: Buffer[]; wrongChecksums: number; noiseBytes: number };

/** A frame takes 15 ms at 9600 baud: one whose bytes are further apart than this has lost some in between. */
const LONGEST_GAP_MS = 1_000;

/**
 * Finds tags in a stream that may begin anywhere, lose bytes, flip bits and come in pieces. Holds less than one frame.
 */
export class TagParser {
  readonly #frame: FrameName;
  readonly #length: number;
  #partial: number[] = [];
  #lastAtMs = 0;

  constructor(frame: FrameName) {
    this.#frame = frame;
    this.#length = frameLength(frame);
  }

  /** `atMs` is when the bytes arrived, in milliseconds that never go back. */
  push(bytes: Uint8Array, atMs: number): Reading {
    const reading: Reading = { uids: [], wrongChecksums: 0, noiseBytes: 0 };
    if (atMs - this.#lastAtMs > LONGEST_GAP_MS) this.#drop(reading);
    this.#lastAtMs = atMs;
    for (const byte of bytes) this.#take(byte, reading);
    return reading;
  }

  /** Forgets a frame that has begun, e.g. because the line is a new one. */
  reset(): void {
    this.#partial = [];
  }

  #take(byte: number, reading: Reading): void {
    if (byte === START) {
      this.#drop(reading);
      this.#partial = [byte];
      return;
    }
    if (this.#partial.length === 0 || !this.#fits(byte)) {
      this.#drop(reading);
      reading.noiseBytes++;
      return;
    }
    this.#partial.push(byte);
    if (this.#partial.length === this.#length) this.#finish(reading);
  }

  #fits(byte: number): boolean {
    const position = this.#partial.length - 1;
    if (position < HEX_DIGITS) return isHexDigit(byte);
    return byte === [...BEFORE_END[this.#frame], END][position - HEX_DIGITS];
  }

  #finish(reading: Reading): void {
    const digits = Buffer.from(this.#partial.slice(1, 1 + HEX_DIGITS)).toString('latin1');
    const bytes = Buffer.from(digits, 'hex');
    const uid = bytes.subarray(0, UID_BYTES);
    if (checksum(uid) === bytes[UID_BYTES]) reading.uids.push(uid);
    else reading.wrongChecksums++;
    this.#partial = [];
  }

  #drop(reading: Reading): void {
    reading.noiseBytes += this.#partial.length;
    this.#partial = [];
  }
}

const isHexDigit = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
