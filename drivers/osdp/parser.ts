// From a stream of bytes to frames. Marks and noise between frames are skipped. A false SOM in noise must not swallow
// the frame behind it, so whatever turns out bad costs one byte and the same bytes are looked at again; a frame that
// stops in the middle is given up only when the line has been silent (`stalled`), never earlier: the data of a long
// frame may hold what looks like a frame of its own.

import { HEADER_BYTES, MAX_FRAME_BYTES, SOM, decodeFrame, plausibleLength } from './frame.ts';
import type { Frame } from './frame.ts';

const NOTHING = Buffer.alloc(0);

export class FrameParser {
  /** Frames whose header was plausible and whose check characters or security block were not. */
  badFrames = 0;
  #held: Buffer = NOTHING;
  readonly #maxBytes: number;

  constructor(maxBytes: number = MAX_FRAME_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** True while the beginning of a frame waits for its rest. */
  get pending(): boolean {
    return this.#held.length > 0;
  }

  /** Takes what has arrived and gives the frames that it completed. */
  push(bytes: Buffer): Frame[] {
    return this.#scan(this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]));
  }

  /** The line has been silent inside a frame: its first byte was no beginning. Gives the frames found behind it. */
  stalled(): Frame[] {
    const frames: Frame[] = [];
    while (this.#held.length > 0) frames.push(...this.#scan(this.#held.subarray(1)));
    return frames;
  }

  clear(): void {
    this.#held = NOTHING;
  }

  #scan(bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = bytes.indexOf(SOM);
    while (at >= 0 && bytes.length - at >= HEADER_BYTES) {
      const length = plausibleLength(bytes, at, this.#maxBytes);
      if (length !== null && bytes.length - at < length) break;
      const frame = length === null ? 'bad_length' : decodeFrame(bytes.subarray(at, at + length), this.#maxBytes);
      if (typeof frame === 'string') {
        if (length !== null) this.badFrames++;
        at = bytes.indexOf(SOM, at + 1);
      } else {
        frames.push(frame);
        at = bytes.indexOf(SOM, at + frame.bytes.length);
      }
    }
    // A copy, for the rest of a frame must not keep a large chunk alive.
    this.#held = at < 0 ? NOTHING : Buffer.from(bytes.subarray(at));
    return frames;
  }
}
