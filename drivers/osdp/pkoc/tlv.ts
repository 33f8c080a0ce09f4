// BER-TLV as cards of PKOC send it (ISO 7816-4, annex E): tags of one or two bytes, lengths of up to two bytes. What does
// not fit its bounds is refused as a whole, for nothing of it can be told from noise.

export type Tlv = { tag: number; value: Buffer };

/** The objects that `bytes` hold one after another; null where they are not exactly that. */
export function readTlvs(bytes: Buffer): Tlv[] | null {
  const found: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = tagAt(bytes, at);
    if (tag === null) return null;
    const length = lengthAt(bytes, at + tag.size);
    if (length === null) return null;
    const from = at + tag.size + length.size;
    if (from + length.value > bytes.length) return null;
    found.push({ tag: tag.value, value: bytes.subarray(from, from + length.value) });
    at = from + length.value;
  }
  return found;
}

/** The value of the only object with this tag; null where there is none, or more than one. */
export function onlyValue(tlvs: readonly Tlv[], tag: number): Buffer | null {
  const [first, ...more] = tlvs.filter((tlv) => tlv.tag === tag);
  return first === undefined || more.length > 0 ? null : first.value;
}

export function writeTlv(tag: number, value: Uint8Array): Buffer {
  const head = tag > 0xff ? [tag >> 8, tag & 0xff] : [tag];
  const { length } = value;
  const size = length < 0x80 ? [length] : length <= 0xff ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([...head, ...size]), value]);
}

type Read = { value: number; size: number };

/** Low five bits set: a second byte follows, and of more than two nobody here speaks. */
function tagAt(bytes: Buffer, at: number): Read | null {
  const first = bytes[at];
  if (first === undefined) return null;
  if ((first & 0x1f) !== 0x1f) return { value: first, size: 1 };
  const second = bytes[at + 1];
  return second === undefined || second > 0x7f ? null : { value: (first << 8) | second, size: 2 };
}

function lengthAt(bytes: Buffer, at: number): Read | null {
  const first = bytes[at];
  if (first === undefined) return null;
  if (first < 0x80) return { value: first, size: 1 };
  const size = first & 0x7f;
  if (size === 0 || size > 2 || at + size >= bytes.length) return null;
  return { value: bytes.readUIntBE(at + 1, size), size: 1 + size };
}
