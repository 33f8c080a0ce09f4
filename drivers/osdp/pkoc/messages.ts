// PKOC by messages of a vendor (PSIA, OUI 1A9021; texts 1.50 and 1.63): the reader speaks to the card itself and hands over
// what that has signed. What is said to the reader, and what it says, bytes to values and back. Where the two texts, or
// readers, differ, whatever fits the bytes that are there is taken.

import { onlyValue, readTlvs, writeTlv, type Tlv } from './tlv.ts';

export const PSIA = Buffer.from('1A9021', 'hex');

const CODE = { present: 0xe0, request: 0xe1, response: 0xe2, next: 0xe3, refresh: 0xe4, error: 0xfe } as const;
const TAG = {
  versions: 0x5c, transaction: 0x4c, reader: 0x4d, key: 0x5a, signature: 0x9e, sequence: 0xfd, error: 0xfb, offered: 0xfc,
} as const; // prettier-ignore
const HEADER_BYTES = 6;
/** A key and a signature, with all that may stand beside them. */
const MOST_BYTES = 1_024;
/** ISO7816: two bytes of the card's own follow. */
const ERROR_OF_CARD = 0x01;

export type Fragment = { total: number; offset: number; data: Buffer };
export type ReaderMessage =
  /** A card is there. `sequence`: its number as it came, tag and all, to be said back; empty: it gave none. */
  | { kind: 'present'; versions: readonly number[]; hasOwnId: boolean; sequence: Buffer; isFailed: boolean }
  | { kind: 'response'; fragment: Fragment }
  /** It wants a transaction, or to be told that each comes with its card. */
  | { kind: 'refresh' }
  | { kind: 'failed' };

/** Null: it is none of these. */
export function readReaderMessage(message: Buffer): ReaderMessage | null {
  const [code] = message;
  const rest = message.subarray(1);
  if (code === CODE.refresh) return { kind: 'refresh' };
  if (code === CODE.error) return { kind: 'failed' };
  if (code === CODE.response) {
    const fragment = readFragment(rest);
    return fragment === null ? null : { kind: 'response', fragment };
  }
  return code === CODE.present ? presence(rest) : null;
}

/** The text has no header here, its drawing has one. */
function presence(rest: Buffer): ReaderMessage | null {
  const whole = rest[0] === TAG.offered ? rest : (readFragment(rest)?.data ?? null);
  const offered = whole === null ? null : readLoose(whole);
  const inner = offered === null ? null : onlyValue(offered, TAG.offered);
  const tlvs = inner === null ? null : readLoose(inner);
  const versions = tlvs === null ? null : onlyValue(tlvs, TAG.versions);
  if (tlvs === null || versions === null || versions.length === 0 || versions.length % 2 !== 0) return null;
  const sequence = tlvs.find(({ tag }) => tag === TAG.sequence);
  return {
    kind: 'present',
    versions: Array.from({ length: versions.length / 2 }, (_, i) => versions.readUInt16BE(2 * i)),
    hasOwnId: tlvs.some(({ tag, value }) => tag === TAG.reader && value.length === 0),
    sequence: sequence?.asSent ?? Buffer.alloc(0),
    isFailed: isFailure(tlvs),
  };
}

/** 00 and 02 in a presence say nothing against the card. */
const isFailure = (tlvs: readonly Tlv[]): boolean =>
  tlvs.some(({ tag, value }) => tag === TAG.error && value[0] === ERROR_OF_CARD);

/** `total, offset, length` or `offset, length, total`, little end first: whichever fits the bytes behind it. */
export function readFragment(bytes: Buffer): Fragment | null {
  if (bytes.length <= HEADER_BYTES) return null;
  const [first, second, third] = [bytes.readUInt16LE(0), bytes.readUInt16LE(2), bytes.readUInt16LE(4)];
  const data = Buffer.from(bytes.subarray(HEADER_BYTES));
  const fits = (total: number, offset: number, length: number): boolean =>
    length === data.length && offset + length <= total && total <= MOST_BYTES;
  if (fits(first, second, third)) return { total: first, offset: second, data };
  return fits(third, first, second) ? { total: third, offset: first, data } : null;
}

/** The parts of one answer, in whatever order, doubled or not; one that contradicts another ends it. */
export class Assembly {
  #total: number | null = null;
  readonly #parts = new Map<number, Buffer>();

  /** The whole; null: more is to come, `broken`: it will never be whole. */
  take({ total, offset, data }: Fragment): Buffer | 'broken' | null {
    const known = this.#parts.get(offset);
    if ((this.#total ?? total) !== total || known?.equals(data) === false) return 'broken';
    this.#total = total;
    this.#parts.set(offset, data);
    const parts = [...this.#parts].sort(([one], [other]) => one - other);
    let end = 0;
    for (const [at, part] of parts) {
      if (at < end) return 'broken';
      if (at > end) return null;
      end = at + part.length;
    }
    return end === total ? Buffer.concat(parts.map(([, part]) => part)) : null;
  }
}

/** What a card has signed, and with which key; null where it is none, or failed. */
export function readProof(whole: Buffer): { key: Buffer; signature: Buffer } | null {
  const tlvs = readLoose(whole);
  const key = tlvs === null ? null : onlyValue(tlvs, TAG.key);
  const signature = tlvs === null ? null : onlyValue(tlvs, TAG.signature);
  return key === null || signature === null ? null : { key: Buffer.from(key), signature: Buffer.from(signature) };
}

/** `readerId` null: the reader gives its own. */
export function requestMessage(
  version: number,
  transaction: Buffer,
  readerId: Buffer | null,
  sequence: Buffer,
): Buffer {
  return framed(
    CODE.request,
    Buffer.concat([
      Buffer.from([0x00, 0x01]),
      writeTlv(TAG.versions, Buffer.from([version >> 8, version & 0xff])),
      writeTlv(TAG.transaction, transaction),
      readerId === null ? Buffer.alloc(0) : writeTlv(TAG.reader, readerId),
      sequence,
    ]),
  );
}

/** Nothing is given beforehand: each transaction comes with its card. */
export const noTransactionAhead = (): Buffer => framed(CODE.next, Buffer.alloc(0));

function framed(code: number, content: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16LE(content.length, 0);
  header.writeUInt16LE(content.length, 4);
  return Buffer.concat([Buffer.from([code]), header, content]);
}

type LooseTlv = Tlv & { asSent: Buffer };

/** As TLVs, but that some send the number of a message, and its error, without a length: FD 03, FB 01 6A 82. */
const readLoose = (bytes: Buffer): LooseTlv[] | null => readAs(bytes, bareSize) ?? readAs(bytes, () => null);

function readAs(bytes: Buffer, sizeOf: (from: Buffer) => number | null): LooseTlv[] | null {
  const found: LooseTlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at);
    const size = sizeOf(bytes.subarray(at));
    const end = size === null ? endOf(bytes, at) : at + size;
    if (end === null || end > bytes.length || !KNOWN.has(tag)) return null;
    const asSent = Buffer.from(bytes.subarray(at, end));
    const exact = size === null ? readTlvs(asSent)?.[0] : undefined;
    found.push(exact === undefined ? { tag, value: asSent.subarray(1), asSent } : { ...exact, asSent });
    at = end;
  }
  return found;
}

/** Null: it is one with a length. */
function bareSize([tag, code]: Buffer): number | null {
  if (tag === TAG.sequence) return 2;
  if (tag !== TAG.error) return null;
  return code === ERROR_OF_CARD ? 4 : 2;
}
const KNOWN: ReadonlySet<number> = new Set(Object.values(TAG));

/** Where the TLV at this place ends. */
function endOf(bytes: Buffer, at: number): number | null {
  const length = bytes[at + 1];
  if (length === undefined) return null;
  if (length < 0x80) return at + 2 + length;
  const longer = length === 0x81 ? bytes[at + 2] : undefined;
  return longer === undefined ? null : at + 3 + longer;
}
