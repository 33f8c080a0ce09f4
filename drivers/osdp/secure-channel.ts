// Secure Channel (fact sheet section 5): session keys, cryptograms, and the two chains of MACs that tie every frame to
// the one before it. A session commits a new link of the chain only when the frame that carries it was verified, so a
// frame that is sent again moves nothing.

import { createCipheriv, createDecipheriv, timingSafeEqual } from 'node:crypto';
import { assert } from '../../src/domain/errors.ts';
import { SCS, encodeFrame, signedPart } from './frame.ts';
import type { Frame } from './frame.ts';

export const KEY_BYTES = 16;
export const RANDOM_BYTES = 8;
const BLOCK = 16;

/**
 * The key every reader has in install mode. Public: it protects nothing, and is used only inside a window that an
 * operator opened.
 */
export const SCBK_DEFAULT: Buffer = Buffer.from('303132333435363738393A3B3C3D3E3F', 'hex');
export const KEY_SELECTOR = { scbkDefault: 0, scbk: 1 } as const;

export type SessionKeys = { enc: Buffer; mac1: Buffer; mac2: Buffer };

type BlockCipher = (block: Buffer) => Buffer;

/**
 * AES-128 of single blocks: without padding every block comes out at once, so one cipher object serves a whole session.
 */
function blockEncryptor(key: Buffer): BlockCipher {
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  return (block) => cipher.update(block);
}

export function deriveKeys(scbk: Buffer, randomA: Buffer): SessionKeys {
  assert(scbk.length === KEY_BYTES && randomA.length === RANDOM_BYTES, 'a key has 16 bytes, a random 8');
  const encrypt = blockEncryptor(scbk);
  const derive = (kind: number): Buffer => {
    const block = Buffer.alloc(BLOCK);
    block[0] = 0x01;
    block[1] = kind;
    randomA.copy(block, 2, 0, 6);
    return encrypt(block);
  };
  return { enc: derive(0x82), mac1: derive(0x01), mac2: derive(0x02) };
}

/** Proves to the controller that the reader has the key. */
export const clientCryptogram = (keys: SessionKeys, randomA: Buffer, randomB: Buffer): Buffer =>
  cryptogram(keys, randomA, randomB);

/** Proves to the reader that the controller has the key. */
export const serverCryptogram = (keys: SessionKeys, randomA: Buffer, randomB: Buffer): Buffer =>
  cryptogram(keys, randomB, randomA);

function cryptogram(keys: SessionKeys, first: Buffer, second: Buffer): Buffer {
  // The cryptograms are two blocks of AES in ECB: the randoms have 8 bytes each, so it is one block.
  return blockEncryptor(keys.enc)(Buffer.concat([first, second]));
}

/** The R-MAC that both chains begin with. */
export const initialRmac = (keys: SessionKeys, server: Buffer): Buffer =>
  blockEncryptor(keys.mac2)(blockEncryptor(keys.mac1)(server));

/**
 * SCBK = E(MK, cUID || NOT cUID): how some sites make a reader's key from one master key. `cuid` as the reader sent it.
 */
export const diversifyKey = (masterKey: Buffer, cuid: Buffer): Buffer =>
  blockEncryptor(masterKey)(Buffer.concat([cuid, invert(cuid)]));

/** Compares in constant time; lengths are no secret. */
export const equalBytes = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

const invert = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => ~byte & 0xff));

function xorInto(target: Buffer, bytes: Buffer, at: number): void {
  for (let i = 0; i < BLOCK; i++) target[i] = (target[i] ?? 0) ^ (bytes[at + i] ?? 0);
}

/** What goes into SCS_17/18: always padded, with 80 and zeros, to whole blocks. */
function pad(data: Buffer): Buffer {
  const padded = Buffer.alloc((Math.floor(data.length / BLOCK) + 1) * BLOCK);
  data.copy(padded);
  padded[data.length] = 0x80;
  return padded;
}

function unpad(data: Buffer): Buffer | null {
  let end = data.length - 1;
  while (end >= 0 && data[end] === 0) end--;
  return end >= 0 && data[end] === 0x80 ? data.subarray(0, end) : null;
}

export type Opened =
  { ok: true; data: Buffer; mac: Buffer } | { ok: false; reason: 'not_secured' | 'bad_mac' | 'bad_padding' };

/** The fields of a frame whose security block the session chooses. */
export type PlainFields = { address: number; sequence: number; crc: boolean; code: number; data: Buffer };

/**
 * One established session, from RMAC_I to the first thing that goes wrong. The same class serves both ends of the line.
 */
export class SecureSession {
  /** The last R-MAC that both ends agree on: start value of the next command's MAC and, inverted, of its encryption. */
  #rmac: Buffer;
  readonly #keys: SessionKeys;
  readonly #mac1: BlockCipher;
  readonly #mac2: BlockCipher;

  constructor(keys: SessionKeys, rmac: Buffer) {
    this.#keys = keys;
    this.#rmac = rmac;
    this.#mac1 = blockEncryptor(keys.mac1);
    this.#mac2 = blockEncryptor(keys.mac2);
  }

  /**
   * Controller: the bytes of a command and its whole C-MAC, which `openReply` needs. Moves nothing: seal once, send as
   * often as it takes.
   */
  sealCommand(fields: PlainFields, markBytes = 0): { bytes: Buffer; cmac: Buffer } {
    const type = fields.data.length > 0 ? SCS._17 : SCS._15;
    const sealed = this.#seal(fields, false, this.#rmac, type, markBytes);
    return { bytes: sealed.bytes, cmac: sealed.mac };
  }

  /** Controller: checks and decrypts the reply to the command with this C-MAC; only then the chain moves on. */
  openReply(frame: Frame, cmac: Buffer): Opened {
    const opened = this.#open(frame, cmac);
    if (opened.ok) this.#rmac = opened.mac;
    return opened;
  }

  /** Reader: checks and decrypts a command; gives its C-MAC, which `sealReply` needs. Moves nothing. */
  openCommand(frame: Frame): Opened {
    return this.#open(frame, this.#rmac);
  }

  /**
   * Reader: the bytes of the reply to the command with this C-MAC; the chain moves on. `type`: another block type than
   * the specification's, as some send.
   */
  sealReply(fields: PlainFields, cmac: Buffer, markBytes = 0, type: number = replyBlock(fields)): Buffer {
    const sealed = this.#seal(fields, true, cmac, type, markBytes);
    this.#rmac = sealed.mac;
    return sealed.bytes;
  }

  #seal(
    fields: PlainFields,
    isReply: boolean,
    chain: Buffer,
    type: number,
    markBytes: number,
  ): { bytes: Buffer; mac: Buffer } {
    const encrypted = type === SCS._17 || type === SCS._18;
    const data = encrypted ? this.#encrypt(fields.data, chain) : fields.data;
    let mac = chain;
    const bytes = encodeFrame(
      { ...fields, reply: isReply, block: { type, data: EMPTY }, data },
      (signed) => (mac = this.#mac(signed, chain)),
      markBytes,
    );
    return { bytes, mac };
  }

  /**
   * The block type tells whether the data are encrypted. Its direction is not looked at: some readers send status
   * replies under SCS_15, and the chain of MACs tells the directions apart in any case.
   */
  #open(frame: Frame, chain: Buffer): Opened {
    const type = frame.block?.type;
    const macOnly = type === SCS._15 || type === SCS._16;
    if (frame.mac === null) return { ok: false, reason: 'not_secured' };
    const mac = this.#mac(signedPart(frame), chain);
    if (!equalBytes(mac.subarray(0, frame.mac.length), frame.mac)) return { ok: false, reason: 'bad_mac' };
    if (macOnly || frame.data.length === 0) return { ok: true, data: frame.data, mac };
    const data = frame.data.length % BLOCK === 0 ? unpad(this.#decrypt(frame.data, chain)) : null;
    return data === null ? { ok: false, reason: 'bad_padding' } : { ok: true, data, mac };
  }

  /**
   * CBC with every block but the last under S-MAC1 and the last under S-MAC2, started with the other direction's last
   * MAC.
   */
  #mac(signed: Buffer, chain: Buffer): Buffer {
    const whole = signed.length % BLOCK === 0 ? signed : pad(signed);
    let value: Buffer = Buffer.from(chain);
    for (let at = 0; at < whole.length; at += BLOCK) {
      xorInto(value, whole, at);
      value = at + BLOCK < whole.length ? this.#mac1(value) : this.#mac2(value);
    }
    return value;
  }

  #encrypt(data: Buffer, chain: Buffer): Buffer {
    const cipher = createCipheriv('aes-128-cbc', this.#keys.enc, invert(chain)).setAutoPadding(false);
    return cipher.update(pad(data));
  }

  #decrypt(data: Buffer, chain: Buffer): Buffer {
    const decipher = createDecipheriv('aes-128-cbc', this.#keys.enc, invert(chain)).setAutoPadding(false);
    return decipher.update(data);
  }
}

const EMPTY = Buffer.alloc(0);
const replyBlock = (fields: PlainFields): number => (fields.data.length > 0 ? SCS._18 : SCS._16);
