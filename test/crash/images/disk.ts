// A disk that keeps what was synced and may lose, tear or reorder the rest. It goes along with a recorded run; at any
// moment it tells what could stand on it if the power were cut there.
//
// What is believed of it: a write is durable once its file was synced after it; a name made, changed or taken away once
// its folder was synced, and names of one folder become so in order (a journal of the file system does that); a sector
// of 512 bytes is written or not. A length may become durable before what fills it, which is zeros then.

import { dirname } from 'node:path';
import type { Op } from './trace.ts';

export const SECTOR = 512;

/** By number, as a file system has them: a name is another matter. */
type Write = { file: number; offset: number; data: Buffer } | { file: number; size: number };
/** A rename is one: no file system knows half of it. */
type Naming = { folder: string; changes: readonly (readonly [path: string, file: number | null])[] };
/** Which of the unsynced writes are there, and of each which sectors; null: all of them. */
export type Kept = ReadonlyMap<number, ((sector: number) => boolean) | null>;
export type Image = ReadonlyMap<string, Buffer>;

export class Disk {
  readonly #folder: string;
  /** What was synced. */
  readonly #durable = new Map<number, Buffer>();
  /** What the system shows now. */
  readonly #live = new Map<string, number>();
  readonly #lengths = new Map<number, number>();
  readonly #names = new Map<string, number>();
  #count = 0;
  /** Not synced, in order. */
  #writes: Write[] = [];
  #namings: Naming[] = [];

  constructor(folder: string, before: Image) {
    this.#folder = folder;
    for (const [path, bytes] of before) {
      const file = this.#count++;
      this.#durable.set(file, bytes);
      this.#lengths.set(file, bytes.length);
      this.#live.set(path, file);
      this.#names.set(path, file);
    }
  }

  get writes(): readonly Write[] {
    return this.#writes;
  }

  get namings(): number {
    return this.#namings.length;
  }

  /** Whether anything may be different on it from now on. */
  take(op: Op): boolean {
    switch (op.kind) {
      case 'sent':
      case 'folder':
        return false;
      case 'create': {
        const known = this.#live.get(op.path);
        if (known === undefined) this.#create(op.path);
        else if (op.isEmptied && (this.#lengths.get(known) ?? 0) > 0) this.#resize(known, 0);
        else return false;
        return true;
      }
      case 'write': {
        const file = this.#live.get(op.path);
        if (file === undefined) return false;
        const length = this.#lengths.get(file) ?? 0;
        const offset = op.offset ?? length;
        this.#writes.push({ file, offset, data: op.data });
        this.#lengths.set(file, Math.max(length, offset + op.data.length));
        return true;
      }
      case 'truncate': {
        const file = this.#live.get(op.path);
        if (file === undefined || this.#lengths.get(file) === op.size) return false;
        this.#resize(file, op.size);
        return true;
      }
      case 'sync':
        this.#sync(op.path);
        return true;
      case 'unlink': {
        if (!this.#live.delete(op.path)) return false;
        this.#namings.push({ folder: dirname(op.path), changes: [[op.path, null]] });
        return true;
      }
      case 'rename': {
        const file = this.#live.get(op.from);
        if (file === undefined) return false;
        this.#live.delete(op.from);
        this.#live.set(op.to, file);
        this.#namings.push({ folder: dirname(op.to), changes: [[op.from, null], [op.to, file]] }); // prettier-ignore
        return true;
      }
    }
  }

  #create(path: string): void {
    const file = this.#count++;
    this.#durable.set(file, Buffer.alloc(0));
    this.#lengths.set(file, 0);
    this.#live.set(path, file);
    this.#namings.push({ folder: dirname(path), changes: [[path, file]] });
  }

  #resize(file: number, size: number): void {
    this.#writes.push({ file, size });
    this.#lengths.set(file, size);
  }

  #sync(path: string): void {
    const file = this.#live.get(path);
    if (file === undefined) {
      // A folder.
      this.#namings = this.#namings.filter((naming) => {
        if (naming.folder !== path) return true;
        applyNaming(this.#names, naming);
        return false;
      });
      return;
    }
    const own = this.#writes.filter((write) => write.file === file);
    if (own.length === 0) return;
    this.#durable.set(
      file,
      written(this.#durable.get(file) ?? Buffer.alloc(0), own, () => null),
    );
    this.#writes = this.#writes.filter((write) => write.file !== file);
  }

  /**
   * What stands on it after a cut: of the unsynced writes those of `kept` (by their place in `writes`), and the first so
   * many namings. `areLengthsKept`: files are as long as they were to be, with zeros where nothing was written.
   */
  image(kept: Kept, namings: number, areLengthsKept = false): Image {
    const names = new Map(this.#names);
    for (const naming of this.#namings.slice(0, namings)) applyNaming(names, naming);
    const image = new Map<string, Buffer>();
    for (const [path, file] of names) {
      const own = this.#writes.flatMap((write, at) => (write.file === file && kept.has(at) ? [{ write, at }] : []));
      const bytes = written(this.#durable.get(file) ?? Buffer.alloc(0), own.map(({ write }) => write), (i) => kept.get(own[i]?.at ?? -1) ?? null); // prettier-ignore
      const length = this.#lengths.get(file) ?? 0;
      image.set(path.slice(this.#folder.length + 1), areLengthsKept && length > bytes.length ? Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]) : bytes); // prettier-ignore
    }
    return image;
  }
}

function applyNaming(names: Map<string, number>, { changes }: Naming): void {
  for (const [path, file] of changes) {
    if (file === null) names.delete(path);
    else names.set(path, file);
  }
}

function written(
  bytes: Buffer,
  writes: readonly Write[],
  sectorsOf: (at: number) => ((sector: number) => boolean) | null,
): Buffer {
  if (writes.length === 0) return bytes;
  let length = bytes.length;
  let most = length;
  for (const write of writes) {
    length = 'size' in write ? write.size : Math.max(length, write.offset + write.data.length);
    most = Math.max(most, length);
  }
  const result = Buffer.alloc(most);
  bytes.copy(result);
  length = bytes.length;
  writes.forEach((write, at) => {
    if ('size' in write) {
      result.fill(0, Math.min(write.size, length), most);
      length = write.size;
      return;
    }
    const sectors = sectorsOf(at);
    const { offset, data } = write;
    for (let from = 0; from < data.length;) {
      // Sectors of the disk, whatever the write's own beginning.
      const upTo = Math.min(data.length, (Math.floor((offset + from) / SECTOR) + 1) * SECTOR - offset);
      if (sectors === null || sectors(Math.floor((offset + from) / SECTOR) - Math.floor(offset / SECTOR))) {
        data.copy(result, offset + from, from, upTo);
        length = Math.max(length, offset + upTo);
      }
      from = upTo;
    }
  });
  return result.subarray(0, length);
}
