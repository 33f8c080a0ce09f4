// Messages that are longer than one frame: total(2) offset(2) length(2) and a fragment, in order, without gaps (fact
// sheet section 3). Offset 0 begins anew; an offset at or behind the end with no data is the sender giving up.

import { assert } from '../../src/domain/errors.ts';

export type Fragment = { totalBytes: number; offset: number; data: Buffer };

const HEADER = 6;

export function encodeFragment(fragment: Fragment): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUInt16LE(fragment.totalBytes, 0);
  head.writeUInt16LE(fragment.offset, 2);
  head.writeUInt16LE(fragment.data.length, 4);
  return Buffer.concat([head, fragment.data]);
}

/** Null when the bytes are fewer than the header says. Surplus bytes are ignored. */
export function decodeFragment(data: Buffer): Fragment | null {
  if (data.length < HEADER) return null;
  const length = data.readUInt16LE(4);
  if (data.length < HEADER + length) return null;
  return {
    totalBytes: data.readUInt16LE(0),
    offset: data.readUInt16LE(2),
    data: data.subarray(HEADER, HEADER + length),
  };
}

/** Cuts `content` into fragments of at most `maxBytes` of data each; an empty content is one empty fragment. */
export function fragmentsOf(content: Buffer, maxBytes: number): Fragment[] {
  assert(content.length <= 0xffff && maxBytes > 0, 'a multipart message has at most 65,535 bytes');
  const fragments: Fragment[] = [];
  for (let offset = 0; offset < content.length || offset === 0; offset += maxBytes) {
    fragments.push({ totalBytes: content.length, offset, data: content.subarray(offset, offset + maxBytes) });
  }
  return fragments;
}

export type AssemblyStep =
  | { step: 'more' }
  | { step: 'complete'; content: Buffer }
  /** The sender gave up, or a fragment did not follow the one before it: what was collected is thrown away. */
  | { step: 'broken'; reason: 'aborted' | 'gap' | 'too_long' };

/** Puts fragments together again, never holding more than `maxBytes`. */
export class MultipartAssembler {
  #parts: Buffer[] = [];
  #collected = 0;
  #total = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  accept(fragment: Fragment): AssemblyStep {
    if (fragment.offset === 0) this.#begin(fragment.totalBytes);
    if (fragment.offset >= fragment.totalBytes && fragment.data.length === 0 && fragment.totalBytes > 0)
      return this.#broken('aborted');
    if (fragment.totalBytes > this.#maxBytes) return this.#broken('too_long');
    if (fragment.offset !== this.#collected || fragment.totalBytes !== this.#total) return this.#broken('gap');
    if (this.#collected + fragment.data.length > this.#total) return this.#broken('too_long');
    this.#parts.push(Buffer.from(fragment.data));
    this.#collected += fragment.data.length;
    if (this.#collected < this.#total) return { step: 'more' };
    const content = Buffer.concat(this.#parts);
    this.#begin(0);
    return { step: 'complete', content };
  }

  #begin(totalBytes: number): void {
    this.#parts = [];
    this.#collected = 0;
    this.#total = totalBytes;
  }

  #broken(reason: 'aborted' | 'gap' | 'too_long'): AssemblyStep {
    this.#begin(0);
    return { step: 'broken', reason };
  }
}
