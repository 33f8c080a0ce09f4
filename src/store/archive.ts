// The archive inside a sealed backup: few files, one after the other, as POSIX tar (ustar) has them, so that people can
// open it with what every machine has. Written and read as a stream.

import { assert, OperatingError } from '../domain/errors.ts';

const BLOCK = 512;
const MOST_NAME = 100;
/** Eleven octal digits say no more. */
export const MOST_FILE_BYTES = 8 ** 11 - 1;
/** Programs that write tar fill it up with zeros; behind more than that something is hidden, or no end comes. */
const MOST_BEHIND = 64 * 1024;
/** Octal digits, and what fills the field. */
const SIZE_FORM = /^[0-7]{1,11}[\0 ]*$/;

export type ArchiveFile = { name: string; size: number; content: AsyncIterable<Uint8Array> | Iterable<Uint8Array> };

/** Every file belongs to root and is its owner's alone; no instant is kept. */
export async function* packed(files: readonly ArchiveFile[]): AsyncGenerator<Uint8Array> {
  for (const { name, size, content } of files) {
    yield header(name, size);
    let written = 0;
    for await (const bytes of content) {
      written += bytes.length;
      yield bytes;
    }
    assert(written === size, `${name} is as long as was said`);
    if (written % BLOCK !== 0) yield Buffer.alloc(BLOCK - (written % BLOCK));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function header(name: string, size: number): Buffer {
  assert(Buffer.byteLength(name) <= MOST_NAME && size <= MOST_FILE_BYTES, 'the name and the size fit');
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write('0000600\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257, 'latin1');
  block.write('root', 265);
  block.write('root', 297);
  block.write(`${sumOf(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** The checksum counts its own field as spaces. */
const sumOf = (block: Buffer): number => {
  let sum = 0;
  for (let i = 0; i < BLOCK; i += 1) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
  return sum;
};

/**
 * Hands every file to `take`, which must read its content to the end before it resolves, and says by throwing how many
 * there may be and how large. Throws `invalid_input` when it is no such archive, or is cut.
 */
export async function unpack(
  source: AsyncIterable<Uint8Array>,
  take: (name: string, size: number, content: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const reader = new BlockReader(source);
  for (;;) {
    const block = await reader.take(BLOCK);
    if (block.every((byte) => byte === 0)) break;
    const stated = parseInt(block.toString('latin1', 148, 156), 8);
    const size = block.toString('latin1', 124, 136);
    if (stated !== sumOf(block)) throw broken('a header does not fit its checksum');
    if (!SIZE_FORM.test(size)) throw broken('a header says no size');
    const bytes = parseInt(size, 8);
    await take(block.toString('utf8', 0, MOST_NAME).replace(/\0.*$/s, ''), bytes, reader.content(bytes));
    await reader.take((BLOCK - (bytes % BLOCK)) % BLOCK);
  }
  // Only at its end does a seal say that nothing was cut off.
  await reader.drain(MOST_BEHIND);
}

const broken = (why: string): OperatingError => new OperatingError('invalid_input', `the archive is damaged: ${why}`);

class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #left: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async take(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.content(bytes)) parts.push(part);
    return Buffer.concat(parts);
  }

  async *content(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0;) {
      if (this.#left.length === 0) await this.#more();
      const part = this.#left.subarray(0, left);
      this.#left = this.#left.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  async drain(most: number): Promise<void> {
    for (let left = most - this.#left.length; left >= 0;) {
      const next = await this.#source.next();
      if (next.done === true) return;
      left -= next.value.length;
    }
    throw broken('something stands behind its end');
  }

  async #more(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) throw broken('it ends in the middle');
    this.#left = Buffer.from(next.value);
  }
}
