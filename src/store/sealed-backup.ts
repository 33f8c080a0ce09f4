// A backup that may lie anywhere: the database, its master key and the facility file in one archive, sealed to the
// site's recovery key in the age format (age-encryption.org/v1), which any age program opens as well. Whoever has the
// gateway, or the medium that the backups lie on, cannot open one; whoever has the recovery key needs nothing else.

import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import Database from 'better-sqlite3';
import { createHash, createPublicKey, hash, verify } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline as chained } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip, type Gunzip, type Gzip } from 'node:zlib';
import { z } from 'zod';
import { OperatingError } from '../domain/errors.ts';
import { quoted } from '../domain/outside-text.ts';
import { MOST_FILE_BYTES, packed, unpack, type ArchiveFile } from './archive.ts';
import { diskSpace } from './disk-space.ts';
import { putInPlace } from './durable.ts';
import { CheckpointKey } from './event-chain.ts';
import { MIGRATIONS } from './migrations.ts';
import { copyInto, OURS_ALONE } from './open.ts';
import { Secrets } from './secrets.ts';

/** In the archive. */
const MANIFEST = 'manifest.json';
const SIGNATURE = 'signature.json';
const MASTER_KEY = 'master.key';
const DATABASE = 'lintel.db';
const facilityFileOf = (facility: string): string => `${facility}.yaml`;
const ENDING = '.tar.gz.age';
/** A facility file has at most 1 MiB; everything else but the database is a few lines. */
const MOST_SMALL_BYTES = 1024 * 1024;
/** So much stays free of the disk onto which one is opened. */
const ROOM_LEFT_BYTES = 32 * 2 ** 20;

const manifestSchema = z.object({
  format: z.literal(1),
  lintel: z.string(),
  facility: z.string(),
  acs_system_id: z.string(),
  created_at: z.iso.datetime({ offset: true }),
  /** The newest event in it. */
  sequence: z.int().min(0),
  database: z.object({ bytes: z.int().min(0), sha256: z.string() }),
});
export type Manifest = z.infer<typeof manifestSchema>;

const signatureSchema = z.object({ public_key: z.string().length(43), signature: z.string().length(86) });

export type SealOrder = {
  /** The database, which may be in use. */
  path: string;
  /** 32 bytes. */
  masterKey: Buffer;
  facilityFile: string;
  facility: string;
  acsSystemId: string;
  version: string;
  nowMs: number;
  /** `age1…`: who can open it. */
  recipient: string;
  folder: string;
  /** How many stay in the folder, this one among them. */
  keep: number;
};

export type Sealed = { file: string; bytes: number; sequence: number };

/**
 * Makes one, opens it again to see that all of it is there and sound, and only then forgets the oldest. Throws
 * OperatingErrors with the remedy; nothing is left of one that failed.
 */
export async function sealBackup(order: SealOrder): Promise<Sealed> {
  const { folder, nowMs, facility, keep } = order;
  if (folder === ownFolder(order.path)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(folder))
    throw new OperatingError(
      'invalid_input',
      `the folder ${folder} for backups is not there. Remedy: make it and give it to Lintel's user; on a medium of its own: mount that (a folder on the medium, not the mount point, tells the two apart)`,
    );
  const target = join(folder, `${facility}-${stampOf(nowMs)}${ENDING}`);
  const copy = `${target}.db.part`;
  const unfinished = `${target}.part`;
  const trial = `${target}.trial`;
  try {
    rmSync(copy, { force: true });
    const sequence = copyOf(order.path, copy);
    // A key for this one file, which nobody keeps: by it the file is opened as it will be on the day that it is needed.
    const ours = await generateX25519Identity();
    await seal(order, copy, unfinished, sequence, [order.recipient, await identityToRecipient(ours)]);
    rmSync(copy);
    await openBackup(unfinished, [ours], trial);
    putInPlace(unfinished, target);
    for (const old of sealedBackups(folder, facility).slice(keep)) rmSync(old, { force: true });
    return { file: target, bytes: statSync(target).size, sequence };
  } catch (error) {
    throw explained(error, folder);
  } finally {
    for (const file of [copy, unfinished]) rmSync(file, { force: true });
    rmSync(trial, { recursive: true, force: true });
  }
}

/** Where they go when nothing else is said; made where it is not there. */
export const ownFolder = (path: string): string => join(dirname(path), 'sealed');

/** Newest first: the name has the instant. */
export function sealedBackups(folder: string, facility: string): string[] {
  const isOurs = new RegExp(`^${facility}-\\d{8}T\\d{6}Z\\${ENDING}$`);
  return readdirSync(folder)
    .filter((name) => isOurs.test(name))
    .sort()
    .reverse()
    .map((name) => join(folder, name));
}

const stampOf = (nowMs: number): string =>
  new Date(nowMs)
    .toISOString()
    .replaceAll(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');

function copyOf(path: string, copy: string): number {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    copyInto(db, copy);
  } finally {
    db.close();
  }
  return inspect(copy).sequence;
}

async function seal(
  order: SealOrder,
  copy: string,
  target: string,
  sequence: number,
  recipients: readonly string[],
): Promise<void> {
  const { size } = statSync(copy);
  if (size > MOST_FILE_BYTES)
    throw new OperatingError(
      'internal',
      'the database has more than 8 GiB, and an archive holds no more. Remedy: keep fewer events (store.events.keep, max_bytes)',
    );
  const manifest: Manifest = {
    format: 1,
    lintel: order.version,
    facility: order.facility,
    acs_system_id: order.acsSystemId,
    created_at: new Date(order.nowMs).toISOString(),
    sequence,
    database: { bytes: size, sha256: await hashOf(copy) },
  };
  const whole = (name: string, bytes: Buffer): ArchiveFile => ({ name, size: bytes.length, content: [bytes] });
  const manifestBytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  const facilityBytes = readFileSync(order.facilityFile);
  const keyBytes = Buffer.from(`${order.masterKey.toString('hex')}\n`);
  const key = new CheckpointKey(new Secrets(order.masterKey).checkpointSeed());
  const signature = key.signText(signedText(manifest, [manifestBytes, facilityBytes, keyBytes]));
  const files = [
    // First: by it everything behind it is measured.
    whole(MANIFEST, manifestBytes),
    whole(SIGNATURE, Buffer.from(`${JSON.stringify({ public_key: key.publicKey, signature })}\n`)),
    whole(facilityFileOf(order.facility), facilityBytes),
    whole(MASTER_KEY, keyBytes),
    { name: DATABASE, size, content: createReadStream(copy) },
  ];
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  const zipped = zippedBy(Readable.from(packed(files)), createGzip());
  const sealed = await encrypter.encrypt(Readable.toWeb(zipped) as ReadableStream<Uint8Array>);
  await pipeline(
    Readable.fromWeb(sealed as Parameters<typeof Readable.fromWeb>[0]),
    createWriteStream(target, { flags: 'w', mode: OURS_ALONE, flush: true }),
  );
}

/** What goes wrong before it ends it with that error. */
function zippedBy<Z extends Gzip | Gunzip>(source: Readable, zip: Z): Z {
  chained(source, zip, () => undefined);
  return zip;
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}

/** What a gateway signs: whose backup it is, and the hash of each file in it. */
const signedText = ({ facility, database }: Manifest, small: readonly Buffer[]): string =>
  `lintel backup v1\n${[facility, ...small.map((bytes) => hash('sha256', bytes)), database.sha256].join('\n')}\n`;

export type OpenedBackup = {
  manifest: Manifest;
  facilityText: string;
  masterKey: string;
  database: string;
  /** The key of the gateway that made it, as under state/audit; null: it is of a version that signed none. */
  signer: string | null;
};

/**
 * Opens one into a new folder that is its owner's alone, and looks whether it is whole and sound. Throws
 * `invalid_input` with what is wrong. Nothing is believed of the sizes in it: whoever has the public key, which is no
 * secret, may have sealed anything. `expectedKey`: nobody else may have signed it.
 */
export async function openBackup(
  file: string,
  identities: readonly string[],
  folder: string,
  expectedKey: string | null = null,
): Promise<OpenedBackup> {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new OperatingError('invalid_input', `${quoted(file, 200)} is no file`);
  mkdirSync(folder, { mode: 0o700 });
  const small = new Map<string, Buffer>();
  const database = join(folder, DATABASE);
  await unpack(await unsealed(file, identities), async (name, size, content) => {
    if (name === DATABASE) {
      measure(file, size, small.get(MANIFEST), folder);
      await pipeline(content, createWriteStream(database, { flags: 'wx', mode: OURS_ALONE, flush: true }));
      return;
    }
    const isOurs = [MANIFEST, SIGNATURE, MASTER_KEY].includes(name) || name.endsWith('.yaml');
    if (!isOurs || size > MOST_SMALL_BYTES || small.has(name) || small.size >= MOST_SMALL)
      throw new OperatingError('invalid_input', `${file} holds a strange file, ${quoted(name)}`);
    const parts: Buffer[] = [];
    for await (const part of content) parts.push(part);
    small.set(name, Buffer.concat(parts));
  });
  const manifest = manifestIn(file, small.get(MANIFEST));
  const [facilityText, masterKey] = [small.get(facilityFileOf(manifest.facility)), small.get(MASTER_KEY)];
  if (facilityText === undefined || masterKey === undefined || !existsSync(database)) throw noBackup(file);
  if ((await hashOf(database)) !== manifest.database.sha256)
    throw new OperatingError('invalid_input', `the database in ${file} is not the one that was put there`);
  const signer = signerOf(file, signedText(manifest, [small.get(MANIFEST) ?? masterKey, facilityText, masterKey]), small.get(SIGNATURE)); // prettier-ignore
  if (expectedKey !== null && signer !== expectedKey)
    throw new OperatingError(
      'invalid_input',
      `${file} is not of the gateway that --expect-key names: ${signer === null ? 'nobody has signed it' : `it is signed with the key ${signer}`}`,
    );
  const { isSound, version } = inspected(database);
  if (version > NEWEST_VERSION) throw newer(file, manifest.lintel);
  if (!isSound || !/^[0-9a-f]{64}$/i.test(masterKey.toString('latin1').trim()))
    throw new OperatingError('invalid_input', `the database in ${file} is damaged. Remedy: take an older backup`);
  return { manifest, facilityText: facilityText.toString('utf8'), masterKey: masterKey.toString('latin1'), database, signer }; // prettier-ignore
}

const MOST_SMALL = 4;
const NEWEST_VERSION = Math.max(...MIGRATIONS.map(({ version }) => version));

const noBackup = (file: string): OperatingError =>
  new OperatingError('invalid_input', `${file} is no backup of Lintel`);
const newer = (file: string, lintel: string): OperatingError =>
  new OperatingError(
    'invalid_input',
    `${file} was made by lintel ${quoted(lintel)}, which is newer than this one. Remedy: install that version or a later one`,
  );

function manifestIn(file: string, bytes: Buffer | undefined): Manifest {
  const read = parsed(bytes?.toString('utf8'));
  const manifest = manifestSchema.safeParse(read);
  if (manifest.success) return manifest.data;
  const other = z.object({ format: z.int().min(2), lintel: z.string() }).safeParse(read);
  throw other.success ? newer(file, other.data.lintel) : noBackup(file);
}

/** Before a byte of the database is on the disk. */
function measure(file: string, size: number, manifestBytes: Buffer | undefined, folder: string): void {
  const { database } = manifestIn(file, manifestBytes);
  if (size !== database.bytes) throw new OperatingError('invalid_input', `the database in ${file} is not as large as its manifest says`); // prettier-ignore
  const { free } = diskSpace(folder);
  const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
  if (size + ROOM_LEFT_BYTES > free)
    throw new OperatingError(
      'invalid_input',
      `${file} needs ${mib(size + ROOM_LEFT_BYTES)} MiB to be opened, and ${dirname(folder)} has ${mib(free)} MiB free. Remedy: make room there`,
    );
}

/** Null: nobody has signed it. */
function signerOf(file: string, text: string, bytes: Buffer | undefined): string | null {
  if (bytes === undefined) return null;
  const read = signatureSchema.safeParse(parsed(bytes.toString('utf8')));
  if (read.success && isSignedBy(read.data.public_key, text, read.data.signature)) return read.data.public_key;
  throw new OperatingError('invalid_input', `the signature in ${file} does not fit what is in it. Remedy: take another backup, and find out who changed this one`); // prettier-ignore
}

function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
    return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'));
  } catch {
    return false;
  }
}

/** As `inspect`, of what may be no database at all. */
function inspected(database: string): ReturnType<typeof inspect> {
  try {
    return inspect(database);
  } catch {
    return { isSound: false, sequence: 0, version: 0 };
  }
}

async function unsealed(file: string, identities: readonly string[]): Promise<AsyncIterable<Uint8Array>> {
  const decrypter = new Decrypter();
  try {
    for (const identity of identities) decrypter.addIdentity(identity);
  } catch {
    throw new OperatingError(
      'invalid_input',
      'what was given as identity is none. Remedy: the file that lintel backup new-key or age-keygen has written, with a line AGE-SECRET-KEY-1…',
    );
  }
  const source = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
  try {
    const plain = await decrypter.decrypt(source);
    return readable(zippedBy(Readable.fromWeb(plain as Parameters<typeof Readable.fromWeb>[0]), createGunzip()), file);
  } catch (error) {
    throw unopened(file, error);
  }
}

async function* readable(source: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    throw unopened(file, error);
  }
}

const unopened = (file: string, error: unknown): OperatingError =>
  new OperatingError(
    'invalid_input',
    `${file} cannot be opened (${error instanceof Error ? error.message : String(error)}). Remedy: give the identity that belongs to store.backup.recovery_key, and a whole file`,
  );

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return null;
  }
}

function inspect(file: string): { isSound: boolean; sequence: number; version: number } {
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    const rows = db.pragma('quick_check(1)') as { quick_check: string }[];
    const last = db.prepare<[], { last: number | null }>('SELECT max(sequence) AS last FROM events').get();
    const version = db.pragma('user_version', { simple: true }) as number;
    return { isSound: rows.every((row) => row.quick_check === 'ok'), sequence: last?.last ?? 0, version };
  } finally {
    db.close();
  }
}

/** What the disk said, with the place. */
function explained(error: unknown, folder: string): Error {
  if (error instanceof OperatingError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new OperatingError(
    'internal',
    `no backup could be made in ${folder} (${why}). Remedy: see that it has room, belongs to Lintel's user and, under systemd, is one that the unit may write to (ReadWritePaths=)`,
  );
}

/** A new recovery key: `identity` is kept by people, `recipient` stands in the facility file. */
export async function newRecoveryKey(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** Lines of an identity file, as age has them: comments and blank lines beside one key or more. */
export const identitiesIn = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

/** Beside the database that is to come, so that it can be moved there in one step. */
export const restoringFolder = (path: string): string => join(dirname(path), `${basename(path)}.restoring`);
