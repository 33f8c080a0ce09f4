// Sealing: PIN and card values are kept as a keyed hash (to look up) and as AES-256-GCM (to write to controllers). All
// keys come from one master key, which lives outside the database: a stolen file is not a list of PINs.

import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SecretSource } from '../domain/facility.ts';
import { OperatingError } from '../domain/errors.ts';
import { putInPlace } from './durable.ts';
import { KeyedHash } from './keyed-hash.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HASH_BYTES = 16;

export const MASTER_KEY_CREDENTIAL = 'lintel-master-key';

export class Secrets {
  readonly #lookup: KeyedHash;
  readonly #sealKey: KeyObject;
  readonly #journal: KeyedHash;
  readonly #image: KeyedHash;
  readonly #row: KeyedHash;
  readonly #checkpoint: Buffer;
  #nonces: Buffer = Buffer.alloc(0);
  /** Tells whether a database was written under this key, without telling the key. */
  readonly fingerprint: Buffer;

  constructor(masterKey: Buffer) {
    const derive = (purpose: string): Buffer =>
      Buffer.from(hkdfSync('sha256', masterKey, '', `lintel ${purpose} v1`, KEY_BYTES));
    this.#lookup = new KeyedHash(derive('lookup'));
    // As a key object: a raw buffer is made into one anew at every use.
    this.#sealKey = createSecretKey(derive('seal'));
    this.#journal = new KeyedHash(derive('journal'));
    this.#image = new KeyedHash(derive('image'));
    this.#row = new KeyedHash(derive('row'));
    this.#checkpoint = derive('checkpoint');
    this.fingerprint = derive('fingerprint').subarray(0, HASH_BYTES);
  }

  cardHash(canonical: string): Buffer {
    return this.#lookup.over(`card ${canonical}`, HASH_BYTES);
  }

  codeHash(code: string): Buffer {
    return this.#lookup.over(`code ${code}`, HASH_BYTES);
  }

  /** Of a public key, by its uncompressed point. */
  keyHash(point: Buffer): Buffer {
    return this.#lookup.over(`key ${point.toString('hex')}`, HASH_BYTES);
  }

  /** Of a command: topic and parameters in canonical JSON. */
  commandDigest(topic: string, params: string): Buffer {
    return this.#journal.over(`${topic}\n${params}`, HASH_BYTES);
  }

  /** The key under which the rows of one database are sealed (seal.ts). */
  rowKey(storeId: Uint8Array): Buffer {
    return this.#row.over(storeId);
  }

  /** The seed of the key that signs where the event log stands. */
  checkpointSeed(): Buffer {
    return this.#checkpoint;
  }

  /** Of a controller's record, or of a content in words, which holds a PIN and so must not be kept as it is. */
  imageHash(image: string | Uint8Array): Buffer {
    return this.#image.over(image, HASH_BYTES);
  }

  /** Seals `plain` for one place (`context`, e.g. `code <acs_credential_id>`): opened anywhere else it fails. */
  seal(plain: string, context: string): Buffer {
    const nonce = this.#nonce();
    const cipher = createCipheriv('aes-256-gcm', this.#sealKey, nonce);
    cipher.setAAD(Buffer.from(context));
    const sealed = cipher.update(plain, 'utf8');
    return Buffer.concat([nonce, sealed, cipher.final(), cipher.getAuthTag()]);
  }

  /** Never the same twice; drawn many at a time, for each drawing is a system call. */
  #nonce(): Buffer {
    if (this.#nonces.length < NONCE_BYTES) this.#nonces = randomBytes(NONCE_BYTES * 256);
    const nonce = this.#nonces.subarray(0, NONCE_BYTES);
    this.#nonces = this.#nonces.subarray(NONCE_BYTES);
    return nonce;
  }

  /** Throws `internal` when the blob was altered or belongs elsewhere. */
  open(sealed: Uint8Array, context: string): string {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const decipher = createDecipheriv('aes-256-gcm', this.#sealKey, bytes.subarray(0, NONCE_BYTES));
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    try {
      const plain = decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES));
      // Of this mode nothing comes at the end but the verdict.
      decipher.final();
      return plain.toString('utf8');
    } catch {
      throw new OperatingError('internal', `the sealed value of ${context} was altered or belongs to another record`);
    }
  }
}

/**
 * The master key: from the facility file's source, else from systemd's credential `lintel-master-key`, else from
 * `master.key` beside the database, which is made (mode 0400) when neither the database nor a backup of it exists yet.
 * Throws `internal` with the remedy.
 */
export function loadMasterKey(
  source: SecretSource | null,
  databasePath: string,
  isFirstStart: boolean,
  env: NodeJS.ProcessEnv,
): Buffer {
  const credentials = env['CREDENTIALS_DIRECTORY'];
  if (source !== null && 'credential' in source) {
    if (credentials === undefined) {
      throw new OperatingError(
        'internal',
        `store.master_key names the credential ${source.credential}, but $CREDENTIALS_DIRECTORY is not set. Remedy: start under systemd with LoadCredential=, or name a file`,
      );
    }
    return readKey(join(credentials, source.credential));
  }
  if (source !== null) return readKey(source.file);
  const credential = credentials === undefined ? null : join(credentials, MASTER_KEY_CREDENTIAL);
  if (credential !== null && existsSync(credential)) return readKey(credential);
  const beside = join(dirname(databasePath), 'master.key');
  if (!existsSync(beside)) {
    if (!isFirstStart) {
      throw new OperatingError(
        'internal',
        `the master key ${beside} is missing, and without it the database cannot be read. Remedy: put back the key that was saved with the backups`,
      );
    }
    makeKey(beside);
  }
  return readKey(beside);
}

/**
 * All of it or nothing: what is left of a key that a full disk cut short would look like the key of a building that had
 * credentials, and keep it from starting.
 */
function makeKey(path: string): void {
  const unfinished = `${path}.new`;
  try {
    rmSync(unfinished, { force: true });
    writeFileSync(unfinished, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { flag: 'wx', mode: 0o400, flush: true });
    putInPlace(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw new OperatingError(
      'internal',
      `the master key ${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'}). Remedy: see that the disk has room and the folder belongs to Lintel's user, then start again`,
    );
  }
}

function readKey(path: string): Buffer {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    throw new OperatingError(
      'internal',
      `the master key ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'}). Remedy: put the key of this building there, with mode 0400, and let it belong to Lintel's user`,
    );
  }
  if ((statSync(path).mode & 0o077) !== 0 && !path.startsWith('/run/credentials/')) {
    throw new OperatingError('internal', `the master key ${path} can be read by others. Remedy: chmod 0400 ${path}`);
  }
  const trimmed = text.toString('latin1').trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex');
  if (text.length === KEY_BYTES) return text;
  throw new OperatingError(
    'internal',
    `the master key ${path} is not 32 bytes, nor 64 hexadecimal digits. Remedy: put back the key as it was saved; a building that has none yet gets one by: openssl rand -hex 32`,
  );
}
