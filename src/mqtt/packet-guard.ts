// Lets the bytes of an MQTT connection through and counts packets by their own headers: a parser behind it gathers a
// whole packet before it looks at it, and MQTT allows 256 MiB.

import { Transform, type TransformCallback } from 'node:stream';

/** MQTT 3.1.1, 2.2.3: the length has at most four bytes of seven bits. */
const MOST_LENGTH_BYTES = 4;

export class PacketGuard extends Transform {
  readonly #mostBytes: number;
  /** Bytes of the current packet that are still to come; null while its length is being read. */
  #left: number | null = null;
  #length = 0;
  /** Bytes of the header read so far: the type, then the length. */
  #headerBytes = 0;

  constructor(mostBytes: number) {
    super();
    this.#mostBytes = mostBytes;
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left === null) {
        if (!this.#readHeader(bytes.readUInt8(at))) {
          done(new Error(`a packet of more than ${this.#mostBytes} bytes`));
          return;
        }
        at += 1;
      } else {
        const step = Math.min(this.#left, bytes.length - at);
        this.#left -= step;
        at += step;
      }
      if (this.#left === 0) this.#left = null;
    }
    done(null, bytes);
  }

  /** False when the packet is longer than it may be, or its length is none. */
  #readHeader(byte: number): boolean {
    this.#headerBytes += 1;
    if (this.#headerBytes === 1) return true;
    this.#length += (byte & 0x7f) * 128 ** (this.#headerBytes - 2);
    if (this.#length > this.#mostBytes || (byte & 0x80 && this.#headerBytes > MOST_LENGTH_BYTES)) return false;
    if ((byte & 0x80) === 0) {
      this.#left = this.#length;
      this.#length = 0;
      this.#headerBytes = 0;
    }
    return true;
  }
}
