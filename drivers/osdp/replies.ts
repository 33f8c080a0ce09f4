// The replies of OSDP 2.2, reader to controller, as one table in the specification's words (fact sheet section 4).
// Decoders take what real readers send: surplus bytes are ignored where a length says where the data end, and null
// means that the data cannot be this reply.

import { decodeFragment, encodeFragment } from './multipart.ts';
import type { Fragment } from './multipart.ts';

export type PdId = {
  oui: Buffer;
  model: number;
  version: number;
  serial: number;
  firmware: readonly [major: number, minor: number, build: number];
};
export type CapRecord = { function: number; compliance: number; number: number };
type Empty = Readonly<Record<string, never>>;

export type ReplyFields = {
  ACK: Empty;
  NAK: { error: number; details: Buffer };
  PDID: PdId;
  PDCAP: { records: readonly CapRecord[] };
  LSTATR: { tamper: boolean; powerFailed: boolean };
  ISTATR: { inputs: readonly number[] };
  OSTATR: { outputs: readonly number[] };
  RSTATR: { readers: readonly number[] };
  RAW: { reader: number; format: number; widthBits: number; bits: Buffer };
  FMT: { reader: number; direction: number; text: Buffer };
  KEYPAD: { reader: number; keys: Buffer };
  COM: { address: number; baud: number };
  BIOREADR: { reader: number; status: number; type: number; quality: number; template: Buffer };
  BIOMATCHR: { reader: number; status: number; score: number };
  EXT_PDID: Fragment;
  CCRYPT: { cuid: Buffer; randomB: Buffer; clientCryptogram: Buffer };
  RMAC_I: { rmac: Buffer };
  BUSY: Empty;
  FTSTAT: { action: number; delayMs: number; status: number; maxMessageBytes: number };
  PIVDATAR: Fragment;
  GENAUTHR: Fragment;
  CRAUTHR: Fragment;
  MFGSTATR: { data: Buffer };
  MFGERRR: { data: Buffer };
  MFGREP: { oui: Buffer; data: Buffer };
  XRD: { mode: number; reply: number; data: Buffer };
};
export type ReplyName = keyof ReplyFields;

type Row<Fields> = { code: number; encode(fields: Fields): Buffer; decode(data: Buffer): Fields | null };

export const NAK = {
  badCheck: 0x01,
  badLength: 0x02,
  unknownCommand: 0x03,
  badSequence: 0x04,
  securityBlock: 0x05,
  encryptionRequired: 0x06,
  bioType: 0x07,
  bioFormat: 0x08,
  record: 0x09,
} as const;

/** What a NAK code says, for people. */
export function describeNak(error: number): string {
  return NAK_TEXT[error] ?? `NAK 0x${error.toString(16).padStart(2, '0')}`;
}
const NAK_TEXT: Readonly<Record<number, string>> = {
  0x01: 'bad check characters',
  0x02: 'wrong command length',
  0x03: 'unknown command',
  0x04: 'unexpected sequence number',
  0x05: 'security block not accepted',
  0x06: 'encryption required',
  0x07: 'biometric type not supported',
  0x08: 'biometric format not supported',
  0x09: 'record not accepted',
};

export const INPUT_STATE = { inactive: 0, active: 1, short: 2, open: 3, fault: 4, unknown: 5 } as const;
export const RAW_FORMAT = { unspecified: 0, wiegand: 1, uid: 2, ossSid: 3 } as const;
export const READER_STATE = { normal: 0, notConnected: 1, tamper: 2 } as const;
export const FTSTAT_ACTION = { interleave: 1, leaveSecureChannel: 2, pollResponse: 4 } as const;
export const FTSTAT_STATUS = {
  ok: 0,
  processed: 1,
  rebooting: 2,
  finishing: 3,
  aborted: -1,
  unrecognized: -2,
  malformed: -3,
} as const;

const NOTHING = Buffer.alloc(0);
const bare = (code: number): Row<Empty> => ({ code, encode: () => NOTHING, decode: () => ({}) });
const multipart = (code: number): Row<Fragment> => ({ code, encode: encodeFragment, decode: decodeFragment });
const opaque = (code: number): Row<{ data: Buffer }> => ({
  code,
  encode: ({ data }) => data,
  decode: (data) => ({ data }),
});

export const REPLIES: { readonly [Name in ReplyName]: Row<ReplyFields[Name]> } = {
  ACK: bare(0x40),
  NAK: {
    code: 0x41,
    encode: ({ error, details }) => Buffer.concat([Buffer.from([error]), details]),
    decode: (data) => (data.length >= 1 ? { error: data.readUInt8(0), details: data.subarray(1) } : null),
  },
  PDID: {
    code: 0x45,
    encode({ oui, model, version, serial, firmware }) {
      const out = Buffer.concat([oui, Buffer.from([model, version, 0, 0, 0, 0, ...firmware])]);
      out.writeUInt32LE(serial, 5);
      return out;
    },
    decode(data) {
      if (data.length < 12) return null;
      return {
        oui: data.subarray(0, 3),
        model: data.readUInt8(3),
        version: data.readUInt8(4),
        serial: data.readUInt32LE(5),
        firmware: [data.readUInt8(9), data.readUInt8(10), data.readUInt8(11)],
      };
    },
  },
  PDCAP: {
    code: 0x46,
    encode: ({ records }) => Buffer.from(records.flatMap((r) => [r.function, r.compliance, r.number])),
    decode(data) {
      const records = Array.from({ length: Math.floor(data.length / 3) }, (_, i) => ({
        function: data.readUInt8(3 * i),
        compliance: data.readUInt8(3 * i + 1),
        number: data.readUInt8(3 * i + 2),
      }));
      return { records };
    },
  },
  LSTATR: {
    code: 0x48,
    encode: ({ tamper, powerFailed }) => Buffer.from([tamper ? 1 : 0, powerFailed ? 1 : 0]),
    decode: (data) => (data.length >= 2 ? { tamper: data[0] !== 0, powerFailed: data[1] !== 0 } : null),
  },
  ISTATR: {
    code: 0x49,
    encode: ({ inputs }) => Buffer.from(inputs),
    decode: (data) => ({ inputs: [...data] }),
  },
  OSTATR: {
    code: 0x4a,
    encode: ({ outputs }) => Buffer.from(outputs),
    decode: (data) => ({ outputs: [...data] }),
  },
  RSTATR: {
    code: 0x4b,
    encode: ({ readers }) => Buffer.from(readers),
    decode: (data) => ({ readers: [...data] }),
  },
  RAW: {
    code: 0x50,
    encode({ reader, format, widthBits, bits }) {
      const head = Buffer.from([reader, format, 0, 0]);
      head.writeUInt16LE(widthBits, 2);
      return Buffer.concat([head, bits]);
    },
    // The bit count decides: enough bytes for it must be there, more are ignored.
    decode(data) {
      if (data.length < 4) return null;
      const widthBits = data.readUInt16LE(2);
      const bytes = Math.ceil(widthBits / 8);
      if (widthBits === 0 || data.length < 4 + bytes) return null;
      return { reader: data.readUInt8(0), format: data.readUInt8(1), widthBits, bits: data.subarray(4, 4 + bytes) };
    },
  },
  FMT: {
    code: 0x51,
    encode: ({ reader, direction, text }) => Buffer.concat([Buffer.from([reader, direction, text.length]), text]),
    // Some readers count their sentinels in the length: what the frame really holds is the text.
    decode: (data) =>
      data.length > 3 ? { reader: data.readUInt8(0), direction: data.readUInt8(1), text: data.subarray(3) } : null,
  },
  KEYPAD: {
    code: 0x53,
    encode: ({ reader, keys }) => Buffer.concat([Buffer.from([reader, keys.length]), keys]),
    decode: (data) =>
      data.length >= 2 && data.length >= 2 + data.readUInt8(1)
        ? { reader: data.readUInt8(0), keys: data.subarray(2, 2 + data.readUInt8(1)) }
        : null,
  },
  COM: {
    code: 0x54,
    encode({ address, baud }) {
      const out = Buffer.from([address, 0, 0, 0, 0]);
      out.writeUInt32LE(baud, 1);
      return out;
    },
    decode: (data) => (data.length >= 5 ? { address: data.readUInt8(0), baud: data.readUInt32LE(1) } : null),
  },
  BIOREADR: {
    code: 0x57,
    encode({ reader, status, type, quality, template }) {
      const head = Buffer.from([reader, status, type, quality, 0, 0]);
      head.writeUInt16LE(template.length, 4);
      return Buffer.concat([head, template]);
    },
    decode(data) {
      if (data.length < 6 || data.length < 6 + data.readUInt16LE(4)) return null;
      const [reader = 0, status = 0, type = 0, quality = 0] = data;
      return { reader, status, type, quality, template: data.subarray(6, 6 + data.readUInt16LE(4)) };
    },
  },
  BIOMATCHR: {
    code: 0x58,
    encode: ({ reader, status, score }) => Buffer.from([reader, status, score]),
    decode(data) {
      if (data.length < 3) return null;
      const [reader = 0, status = 0, score = 0] = data;
      return { reader, status, score };
    },
  },
  EXT_PDID: multipart(0x59),
  CCRYPT: {
    code: 0x76,
    encode: ({ cuid, randomB, clientCryptogram }) => Buffer.concat([cuid, randomB, clientCryptogram]),
    decode: (data) =>
      data.length === 32
        ? { cuid: data.subarray(0, 8), randomB: data.subarray(8, 16), clientCryptogram: data.subarray(16) }
        : null,
  },
  RMAC_I: {
    code: 0x78,
    encode: ({ rmac }) => rmac,
    // Empty when the server cryptogram was refused.
    decode: (data) => (data.length === 16 || data.length === 0 ? { rmac: data } : null),
  },
  BUSY: bare(0x79),
  FTSTAT: {
    code: 0x7a,
    encode({ action, delayMs, status, maxMessageBytes }) {
      const out = Buffer.alloc(7);
      out.writeUInt8(action, 0);
      out.writeUInt16LE(delayMs, 1);
      out.writeInt16LE(status, 3);
      out.writeUInt16LE(maxMessageBytes, 5);
      return out;
    },
    decode(data) {
      if (data.length < 7) return null;
      return {
        action: data.readUInt8(0),
        delayMs: data.readUInt16LE(1),
        status: data.readInt16LE(3),
        maxMessageBytes: data.readUInt16LE(5),
      };
    },
  },
  PIVDATAR: multipart(0x80),
  GENAUTHR: multipart(0x81),
  CRAUTHR: multipart(0x82),
  MFGSTATR: opaque(0x83), // deprecated
  MFGERRR: opaque(0x84), // deprecated
  MFGREP: {
    code: 0x90,
    encode: ({ oui, data }) => Buffer.concat([oui, data]),
    decode: (data) => (data.length >= 3 ? { oui: data.subarray(0, 3), data: data.subarray(3) } : null),
  },
  XRD: {
    code: 0xb1,
    encode: ({ mode, reply: code, data }) => Buffer.concat([Buffer.from([mode, code]), data]),
    decode: (data) =>
      data.length >= 2 ? { mode: data.readUInt8(0), reply: data.readUInt8(1), data: data.subarray(2) } : null,
  },
};

/** A reply ready for a frame. */
export type WireReply = { name: ReplyName; code: number; data: Buffer };

export function reply<Name extends ReplyName>(name: Name, fields: ReplyFields[Name]): WireReply {
  return { name, code: REPLIES[name].code, data: REPLIES[name].encode(fields) };
}

export type DecodedReply<Name extends ReplyName = ReplyName> = {
  [N in Name]: { name: N; fields: ReplyFields[N] };
}[Name];

const NAMES = new Map(Object.entries(REPLIES).map(([name, row]) => [row.code, name as ReplyName]));

export const replyName = (code: number): ReplyName | null => NAMES.get(code) ?? null;

/** For the log, where a field named `code` is left out as a PIN would be. */
export const replyLabel = (code: number): string =>
  replyName(code) ?? `0x${code.toString(16).toUpperCase().padStart(2, '0')}`;

export function decodeReply(code: number, data: Buffer): DecodedReply | 'unknown' | 'malformed' {
  const name = NAMES.get(code);
  if (name === undefined) return 'unknown';
  const fields = REPLIES[name].decode(data);
  // The row and its fields belong together by the table's type; the compiler cannot follow that through a run-time
  // name.
  return fields === null ? 'malformed' : ({ name, fields } as DecodedReply);
}

const EXTENDED_ID_TAGS = ['manufacturer', 'product', 'serial', 'firmware', 'hardware', 'url', 'config'] as const;
export type ExtendedId = Partial<Record<(typeof EXTENDED_ID_TAGS)[number], string[]>>;

/** The TLVs of a whole EXT_PDID: tag(1) length(2) UTF-8. Unknown tags are skipped; a truncated end is left out. */
export function decodeExtendedId(content: Buffer): ExtendedId {
  const found: ExtendedId = {};
  for (let at = 0; at + 3 <= content.length;) {
    const tag = EXTENDED_ID_TAGS[content.readUInt8(at)];
    const end = at + 3 + content.readUInt16LE(at + 1);
    if (end > content.length) break;
    if (tag !== undefined) (found[tag] ??= []).push(content.toString('utf8', at + 3, end));
    at = end;
  }
  return found;
}

/** `OUI 11:22:33 model 68 version 85 serial 2574743398 firmware 1.2.10` */
export const describePdId = (id: PdId): string =>
  `${describeUnit(id)} version ${id.version} firmware ${id.firmware.join('.')}`;

/** What stays the same over a firmware update: by this a reader is recognised. */
export const describeUnit = (id: PdId): string =>
  `OUI ${[...id.oui].map((byte) => byte.toString(16).padStart(2, '0')).join(':')} model ${id.model} serial ${id.serial}`;
