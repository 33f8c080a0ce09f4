// Whether the database that is here is the one that was here: not empty where there was a building, not an older copy,
// not another building's, not without its seals. What it is compared with lies beside it (generation.ts). Whoever means
// it says so with a command.

import type Database from 'better-sqlite3';
import { randomBytes } from 'node:crypto';
import type { OperatingError } from '../domain/errors.ts';
import { GenerationFile, hasGeneration, isBeginning, type GenerationRecord } from './generation.ts';
import { Sealer } from './seal.ts';
import type { Migration } from './migrations.ts';
import { planted, uproot } from './planted.ts';
import { sealAll, type LedgerRow } from './sealing.ts';
import type { Secrets } from './secrets.ts';

type Db = Database.Database;

/** What an operator has said: this older copy is meant; these rows are right as they stand. */
export type Acceptance = 'copy' | 'rows';

export type Past = {
  sealer: Sealer;
  file: GenerationFile;
  storeId: Buffer;
  /** What the outside remembered; the sequence tells whether the newest events are gone. */
  record: GenerationRecord;
  /** How many rows were taken as they stand, at this start; null: none had to be. */
  sealedRows: number | null;
};

export type PastOptions = {
  db: Db;
  path: string;
  secrets: Secrets;
  isFirstStart: boolean;
  acceptance: Acceptance | null;
  migrations: readonly Migration[];
  /** A refusal that names the newest backup. */
  refuse: (what: string, alternative: string) => OperatingError;
};

const ALL = `SELECT * FROM ledger WHERE name = 'all'`;
const STORE_ID = 'store_id';
export const ACCEPT = 'lintel store accept --config FILE';
export const RESEND =
  'Then every revocation since that copy was made must be sent again: compare the digest with the sender (lintel facility digest).';
export const MEANT_COPY = `If this copy is meant: stop Lintel, run ${ACCEPT} as its user, start Lintel. ${RESEND}`;
export const MEANT_NEW = 'To start empty on purpose: stop Lintel, run lintel store new --config FILE, start Lintel.';
const MEANT_ROWS =
  'If all of its rows are right as they stand: stop Lintel, run lintel store accept --rows --config FILE, start Lintel.';

export function openPast(options: PastOptions): Past {
  const { db, path, secrets, isFirstStart, acceptance } = options;
  checkPrograms(options);
  const all = db.prepare<[], LedgerRow>(ALL).get();
  const storeId = storeIdOf(db);
  const sealer = new Sealer(secrets.rowKey(storeId));
  const file = new GenerationFile(path, storeId, sealer);
  const record = file.read();
  const opened = (known: GenerationRecord, sealedRows: number | null): Past => {
    const ledger = db.prepare<[], LedgerRow>(ALL).get();
    const generation = Math.max(known.generation, ledger?.generation ?? 0);
    const now = { isSealed: true, generation, sequence: known.sequence };
    if (record === null || !record.isSealed) file.begin(now);
    else if (record.generation !== generation) tryWrite(file, now);
    return { sealer, file, storeId, record: now, sealedRows };
  };
  if (acceptance !== null) return opened(...accept(options, all, sealer, file, record));
  if (all === undefined) {
    checkUnsealed(options, record);
    const known = { isSealed: false, generation: 0, sequence: record?.sequence ?? 0 };
    // Before the ledger is there: a power cut from here on leaves a start that goes on where this one ended.
    if (!isFirstStart) file.begin(known);
    return opened(known, sealAll(db, sealer, 0));
  }
  checkLedger(options, all, sealer);
  // The first start of all was cut short when only this was still to come.
  if (record === null && isFirstStart && all.row_count === 0)
    return opened({ isSealed: false, generation: 0, sequence: 0 }, null);
  if (record === null) throw missing(options);
  if (all.generation < record.generation) {
    throw options.refuse(
      `is an older copy: since it was made access was taken from somebody ${record.generation - all.generation} time(s), and it would be given back`,
      MEANT_COPY,
    );
  }
  return opened(record, null);
}

function checkPrograms({ db, acceptance, migrations, refuse }: PastOptions): void {
  const [first] = planted(db, migrations);
  if (first === undefined) return;
  if (acceptance !== 'rows')
    throw refuse(
      `was changed behind the back of Lintel: the ${first.type} ${first.name} is not as Lintel made it`,
      MEANT_ROWS,
    );
  uproot(db, migrations);
}

/** A disk that takes nothing now keeps no building shut: it is written with the next revocation. */
function tryWrite(file: GenerationFile, record: GenerationRecord): void {
  try {
    file.write(record);
  } catch {
    // Told when it is needed (generation-keeper.ts).
  }
}

/** The rows of a database that never had seals are taken as they are, once. */
function checkUnsealed({ db, path, isFirstStart, refuse }: PastOptions, record: GenerationRecord | null): void {
  if (record?.isSealed === true || (record === null && hasGeneration(path) && !isBeginning(path)))
    throw refuse('is a copy from before its rows were sealed', MEANT_COPY);
  const used = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM credentials').get();
  if (isFirstStart && record === null && used?.count !== 0)
    throw refuse('holds credentials, and this is a first start', MEANT_COPY);
}

function checkLedger({ refuse }: PastOptions, all: LedgerRow, sealer: Sealer): void {
  if (isSound(all, sealer)) return;
  throw refuse('was changed behind the back of Lintel: the seal over its rows does not fit', MEANT_ROWS);
}

export const isSound = (row: LedgerRow, sealer: Sealer): boolean =>
  sealer.holds('ledger', [row.name, row.row_count, row.sum, row.generation], row.seal);

function missing({ path, refuse }: PastOptions): OperatingError {
  return hasGeneration(path) && !isBeginning(path)
    ? refuse('belongs to another building, or to this one before it was begun anew', MEANT_COPY)
    : refuse('has lost the file beside it that tells an older copy from itself', MEANT_COPY);
}

/** Ahead of everything that was: no copy made before today passes for this one. */
function accept(
  { db, acceptance, refuse }: PastOptions,
  all: LedgerRow | undefined,
  sealer: Sealer,
  file: GenerationFile,
  record: GenerationRecord | null,
): [GenerationRecord, number | null] {
  const generation = Math.max(record?.generation ?? 0, all?.generation ?? 0) + 1;
  const known = { isSealed: false, generation, sequence: record?.sequence ?? 0 };
  if (acceptance === 'rows' || all === undefined) {
    file.begin({ ...known, generation: 0 });
    return [known, sealAll(db, sealer, generation)];
  }
  if (!isSound(all, sealer)) throw refuse('was changed behind the back of Lintel as well', MEANT_ROWS);
  db.prepare(`UPDATE ledger SET generation = ?, seal = ? WHERE name = 'all'`).run(
    generation,
    sealer.seal('ledger', [all.name, all.row_count, all.sum, generation]),
  );
  return [known, null];
}

/** Made with the database, and another one for each: rows of two databases under one master key are not exchanged. */
function storeIdOf(db: Db): Buffer {
  const row = db.prepare<[string], { value: unknown }>('SELECT value FROM meta WHERE key = ?').get(STORE_ID);
  if (Buffer.isBuffer(row?.value)) return row.value;
  const made = randomBytes(16);
  db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(STORE_ID, made);
  return made;
}
