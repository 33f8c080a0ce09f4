// What is remembered outside the database so that an older copy of it is told from itself: how often somebody lost
// access, sealed, in a small file beside it. The database is committed first and the file follows: after a power cut
// between the two the database is ahead, which is no reason to refuse it.

import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { putInPlace } from './durable.ts';
import { SEAL_BYTES, type Sealer } from './seal.ts';

export type GenerationRecord = {
  /** False from before the rows are sealed for the first time until they all are. */
  isSealed: boolean;
  /** Rises whenever access is taken from somebody. */
  generation: number;
  /** The newest event when this was written. */
  sequence: number;
};

/** Two places written in turn: one that a power cut tore leaves the other. In sectors of their own. */
const PLACE_BYTES = 512;
const ID_BYTES = 16;
const BODY_BYTES = 4 + 4 + ID_BYTES + 8 + 8;
const MAGIC = Buffer.from('LGN1');
/** A building that has never been served, and whose first start may have been cut short. */
const BEGINNING = 'beginning\n';

export const generationPath = (databasePath: string): string =>
  join(dirname(databasePath), `${basename(databasePath, '.db')}.generation`);

/**
 * Says that the next start is a first one. Durable when it returns: a power cut that left the name without its contents
 * would leave a building that is taken for one whose database was lost.
 */
export function markBeginning(databasePath: string): void {
  writeDurably(generationPath(databasePath), Buffer.from(BEGINNING));
}

export function isBeginning(databasePath: string): boolean {
  const path = generationPath(databasePath);
  try {
    return readFileSync(path, 'latin1') === BEGINNING;
  } catch {
    return false;
  }
}

export const hasGeneration = (databasePath: string): boolean => existsSync(generationPath(databasePath));

export class GenerationFile {
  readonly #path: string;
  readonly #storeId: Buffer;
  readonly #sealer: Sealer;
  #place = 0;

  constructor(databasePath: string, storeId: Buffer, sealer: Sealer) {
    this.#path = generationPath(databasePath);
    this.#storeId = storeId;
    this.#sealer = sealer;
  }

  /** The newest record of this database; null where there is none that is sealed under its key and its id. */
  read(): GenerationRecord | null {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path);
    } catch {
      return null;
    }
    const records = [0, 1].flatMap((place) => {
      const record = this.#parse(bytes.subarray(place * PLACE_BYTES, (place + 1) * PLACE_BYTES));
      return record === null ? [] : [{ place, record }];
    });
    const newest = records.reduce<(typeof records)[number] | null>(
      (best, one) => (best === null || isNewer(one.record, best.record) ? one : best),
      null,
    );
    this.#place = newest === null ? 0 : 1 - newest.place;
    return newest?.record ?? null;
  }

  /** Durable when it returns. */
  begin(record: GenerationRecord): void {
    const bytes = Buffer.alloc(2 * PLACE_BYTES);
    this.#format(record).copy(bytes);
    writeDurably(this.#path, bytes);
    this.#place = 1;
  }

  /**
   * Durable when it returns, with one flush; needs no room on a full disk. A file that was deleted meanwhile is made
   * anew.
   */
  write(record: GenerationRecord): void {
    if (!existsSync(this.#path)) {
      this.begin(record);
      return;
    }
    const handle = openSync(this.#path, 'r+');
    try {
      const bytes = this.#format(record);
      writeSync(handle, bytes, 0, bytes.length, this.#place * PLACE_BYTES);
      fdatasyncSync(handle);
      this.#place = 1 - this.#place;
    } finally {
      closeSync(handle);
    }
  }

  #format({ isSealed, generation, sequence }: GenerationRecord): Buffer {
    const body = Buffer.alloc(BODY_BYTES);
    MAGIC.copy(body);
    body.writeUInt32BE(isSealed ? 1 : 0, 4);
    this.#storeId.copy(body, 8);
    body.writeBigUInt64BE(BigInt(generation), 8 + ID_BYTES);
    body.writeBigUInt64BE(BigInt(sequence), 16 + ID_BYTES);
    return Buffer.concat([body, this.#sealer.seal('generation', [body])]);
  }

  #parse(bytes: Buffer): GenerationRecord | null {
    const body = bytes.subarray(0, BODY_BYTES);
    if (!body.subarray(0, 4).equals(MAGIC) || !body.subarray(8, 8 + ID_BYTES).equals(this.#storeId)) return null;
    if (!this.#sealer.holds('generation', [body], bytes.subarray(BODY_BYTES, BODY_BYTES + SEAL_BYTES))) return null;
    return {
      isSealed: body.readUInt32BE(4) === 1,
      generation: Number(body.readBigUInt64BE(8 + ID_BYTES)),
      sequence: Number(body.readBigUInt64BE(16 + ID_BYTES)),
    };
  }
}

const isNewer = (a: GenerationRecord, b: GenerationRecord): boolean =>
  a.generation !== b.generation
    ? a.generation > b.generation
    : a.isSealed !== b.isSealed
      ? a.isSealed
      : a.sequence > b.sequence;

function writeDurably(path: string, bytes: Buffer): void {
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, bytes, { flag: 'wx', mode: 0o600, flush: true });
  putInPlace(unfinished, path);
}
