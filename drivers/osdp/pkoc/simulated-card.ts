// A PKOC card or phone that is simulated: it answers the commands of a reader as the public texts have it, with a key of
// its own. For the simulator and for tests.

import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { TOKEN_AID, TOKEN_OBJECT } from './handed-over.ts';
import { readTlvs, onlyValue, writeTlv } from './tlv.ts';

export type SimulatedCardSetup = {
  /** Of P-256; left out, it makes one. */
  privateKey?: KeyObject;
  /** Newest first; 0200 is told only through the profile object. */
  versions?: readonly number[];
  /** A PKOC-CVC, for version 2. */
  certificate?: Buffer | null;
  /** What an issuer has signed for its key; null: it carries nothing. */
  token?: Buffer | null;
  /** So many bytes of an answer at a time; the rest by GET RESPONSE. */
  pieceBytes?: number;
};

const status = (sw: number): Buffer => Buffer.from([sw >> 8, sw & 0xff]);

export class SimulatedCard {
  readonly point: Buffer;
  readonly #privateKey: KeyObject;
  readonly #versions: readonly number[];
  readonly #certificate: Buffer | null;
  /** What an issuer has signed for its key; null: it carries nothing. */
  token: Buffer | null;
  readonly #pieceBytes: number;
  #selected: 'pkoc' | 'token' | null = null;
  #rest = Buffer.alloc(0);

  constructor({
    privateKey,
    versions = [0x0100],
    certificate = null,
    token = null,
    pieceBytes = 255,
  }: SimulatedCardSetup = {}) {
    this.#privateKey = privateKey ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { x = '', y = '' } = createPublicKey(this.#privateKey).export({ format: 'jwk' });
    this.point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
    this.#versions = versions;
    this.#certificate = certificate;
    this.token = token;
    this.#pieceBytes = pieceBytes;
  }

  /** What it answers to one command, status word included. */
  answer(command: Buffer): Buffer {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0, length = 0] = command;
    const data = command.length > 5 ? command.subarray(5, 5 + length) : Buffer.alloc(0);
    if (cla === 0x00 && ins === 0xc0) return this.#give(this.#rest);
    if (cla === 0x00 && ins === 0xa4) return this.#select(data);
    if (this.#selected === null) return status(0x6985);
    if (this.#selected === 'token') return this.#tellToken(ins, (p1 << 8) | p2);
    if (cla === 0x80 && ins === 0x80) return p1 === 0 && p2 === 1 ? this.#authenticate(data) : status(0x6b00);
    if (cla === 0x00 && ins === 0xca) return this.#tell((p1 << 8) | p2);
    if (cla === 0x00 && ins === 0x88 && this.#isVersion2) return this.#give(this.#signed(data));
    return status(0x6d00);
  }

  get #isVersion2(): boolean {
    return this.#versions.includes(0x0200);
  }

  #select(aid: Buffer): Buffer {
    const name = aid.toString('hex');
    const hasToken = this.token !== null && name === TOKEN_AID.toString('hex');
    this.#selected = hasToken ? 'token' : name === 'a000000898000001' ? 'pkoc' : null;
    if (this.#selected === null) return status(0x6a82);
    if (this.#selected === 'token') return status(0x9000);
    const told = this.#versions.filter((version) => version !== 0x0200);
    return this.#give(writeTlv(0x5c, Buffer.concat((told.length === 0 ? [0x0200] : told).map(status))));
  }

  #authenticate(data: Buffer): Buffer {
    const tlvs = readTlvs(data);
    if (tlvs === null || data.length !== 0x38) return status(0x6700);
    const version = onlyValue(tlvs, 0x5c)?.readUInt16BE(0) ?? 0;
    const id = onlyValue(tlvs, 0x4c);
    if (id === null || !this.#versions.includes(version)) return status(0x6985);
    return this.#give(Buffer.concat([writeTlv(0x5a, this.point), this.#signed(id)]));
  }

  #tellToken(ins: number, object: number): Buffer {
    return ins === 0xca && object === TOKEN_OBJECT ? this.#give(this.token ?? Buffer.alloc(0)) : status(0x6a88);
  }

  #tell(object: number): Buffer {
    if (!this.#isVersion2) return status(0x6a88);
    if (object === 0x7f63) return this.#give(writeTlv(0x7f63, writeTlv(0x5c, status(0x0200))));
    if (object === 0x7f21 && this.#certificate !== null) return this.#give(this.#certificate);
    return status(0x6a88);
  }

  readonly #signed = (message: Buffer): Buffer =>
    writeTlv(0x9e, sign('sha256', message, { key: this.#privateKey, dsaEncoding: 'ieee-p1363' }));

  #give(whole: Buffer): Buffer {
    const piece = whole.subarray(0, this.#pieceBytes);
    this.#rest = Buffer.from(whole.subarray(this.#pieceBytes));
    const left = Math.min(this.#rest.length, 255);
    return Buffer.concat([piece, left === 0 ? status(0x9000) : status(0x6100 | left)]);
  }
}
