// The commands of OSDP 2.2, controller to reader, as one table in the specification's words (fact sheet section 3). All
// integers are little-endian unless said; "units" are 100 ms. A row encodes fields and decodes data (the simulator's
// half); `decode` gives null for data that the command cannot have.

import { decodeFragment, encodeFragment } from './multipart.ts';
import type { Fragment } from './multipart.ts';

export type OutRecord = { output: number; control: number; timerUnits: number };
export type LedRecord = { reader: number; led: number; temporary: LedTemporary; permanent: LedPermanent };
export type LedTemporary = LedPermanent & { timerUnits: number };
export type LedPermanent = { control: number; onUnits: number; offUnits: number; onColor: number; offColor: number };
export type BuzRecord = { reader: number; tone: number; onUnits: number; offUnits: number; count: number };
type Empty = Readonly<Record<string, never>>;
type Opaque = { data: Buffer };

export type CommandFields = {
  POLL: Empty;
  ID: { extended: boolean };
  CAP: Empty;
  DIAG: Opaque;
  LSTAT: Empty;
  ISTAT: Empty;
  OSTAT: Empty;
  RSTAT: Empty;
  OUT: { records: readonly OutRecord[] };
  LED: { records: readonly LedRecord[] };
  BUZ: { records: readonly BuzRecord[] };
  TEXT: { reader: number; mode: number; seconds: number; row: number; column: number; text: string };
  RMODE: Opaque;
  TDSET: Opaque;
  COMSET: { address: number; baud: number };
  DATA: Opaque;
  BIOREAD: { reader: number; type: number; format: number; quality: number };
  BIOMATCH: { reader: number; type: number; format: number; threshold: number; template: Buffer };
  KEYSET: { keyType: number; key: Buffer };
  CHLNG: { randomA: Buffer };
  SCRYPT: { serverCryptogram: Buffer };
  ACURXSIZE: { sizeBytes: number };
  FILETRANSFER: { type: number; totalBytes: number; offset: number; data: Buffer };
  MFG: { oui: Buffer; data: Buffer };
  XWR: { mode: number; command: number; data: Buffer };
  ABORT: Empty;
  PIVDATA: { objectId: Buffer; element: number; offset: Buffer };
  GENAUTH: Fragment;
  CRAUTH: Fragment;
  KEEPACTIVE: { timeMs: number };
};
export type CommandName = keyof CommandFields;

type Row<Fields> = { code: number; encode(fields: Fields): Buffer; decode(data: Buffer): Fields | null };

export const OUT_CONTROL = {
  nop: 0,
  permanentOffAbortTimed: 1,
  permanentOnAbortTimed: 2,
  permanentOff: 3,
  permanentOn: 4,
  temporaryOn: 5,
  temporaryOff: 6,
} as const;
export const LED_TEMPORARY = { nop: 0, cancel: 1, set: 2 } as const;
export const LED_PERMANENT = { nop: 0, set: 1 } as const;
export const COLORS = { off: 0, red: 1, green: 2, amber: 3, blue: 4, magenta: 5, cyan: 6, white: 7 } as const;
export type Color = keyof typeof COLORS;
export const TONE = { none: 0, off: 1, default: 2 } as const;
export const TEXT_MODE = { permanent: 1, permanentWrap: 2, temporary: 3, temporaryWrap: 4 } as const;
export const KEY_TYPE_SCBK = 1;
export const BAUDS = [9600, 19200, 38400, 57600, 115200, 230400] as const;

const NOTHING = Buffer.alloc(0);
const empty: Row<Empty>['encode'] = () => NOTHING;
const isEmpty = (data: Buffer): Empty | null => (data.length === 0 ? {} : null);
const bare = (code: number): Row<Empty> => ({ code, encode: empty, decode: isEmpty });
const opaque = (code: number): Row<Opaque> => ({ code, encode: ({ data }) => data, decode: (data) => ({ data }) });
const multipart = (code: number): Row<Fragment> => ({ code, encode: encodeFragment, decode: decodeFragment });

/** Cuts `data` into records of `size` bytes; null when it is empty or does not come out even. */
function records<T>(data: Buffer, size: number, read: (record: Buffer) => T): T[] | null {
  if (data.length === 0 || data.length % size !== 0) return null;
  return Array.from({ length: data.length / size }, (_, i) => read(data.subarray(i * size, (i + 1) * size)));
}

const encodeOut = (record: OutRecord): Buffer => {
  const out = Buffer.from([record.output, record.control, 0, 0]);
  out.writeUInt16LE(record.timerUnits, 2);
  return out;
};

const encodeLed = ({ reader, led, temporary, permanent }: LedRecord): Buffer => {
  const { control, onUnits, offUnits, onColor, offColor } = temporary;
  const out = Buffer.from([reader, led, control, onUnits, offUnits, onColor, offColor, 0, 0, ...ledBytes(permanent)]);
  out.writeUInt16LE(temporary.timerUnits, 7);
  return out;
};
const ledBytes = (led: LedPermanent): number[] => [led.control, led.onUnits, led.offUnits, led.onColor, led.offColor];
const readLed = (record: Buffer, at: number): LedPermanent => ({
  control: record.readUInt8(at),
  onUnits: record.readUInt8(at + 1),
  offUnits: record.readUInt8(at + 2),
  onColor: record.readUInt8(at + 3),
  offColor: record.readUInt8(at + 4),
});
const decodeLed = (record: Buffer): LedRecord => ({
  reader: record.readUInt8(0),
  led: record.readUInt8(1),
  temporary: { ...readLed(record, 2), timerUnits: record.readUInt16LE(7) },
  permanent: readLed(record, 9),
});

export const COMMANDS: { readonly [Name in CommandName]: Row<CommandFields[Name]> } = {
  POLL: bare(0x60),
  ID: {
    code: 0x61,
    encode: ({ extended }) => Buffer.from([extended ? 1 : 0]),
    decode: (data) => (data.length === 1 ? { extended: data[0] === 1 } : null),
  },
  CAP: { code: 0x62, encode: () => Buffer.from([0]), decode: (data) => (data.length === 1 ? {} : null) },
  DIAG: opaque(0x63), // obsolete
  LSTAT: bare(0x64),
  ISTAT: bare(0x65),
  OSTAT: bare(0x66),
  RSTAT: bare(0x67),
  OUT: {
    code: 0x68,
    encode: ({ records: list }) => Buffer.concat(list.map(encodeOut)),
    decode(data) {
      const list = records(data, 4, (r) => ({
        output: r.readUInt8(0),
        control: r.readUInt8(1),
        timerUnits: r.readUInt16LE(2),
      }));
      return list === null ? null : { records: list };
    },
  },
  LED: {
    code: 0x69,
    encode: ({ records: list }) => Buffer.concat(list.map(encodeLed)),
    decode(data) {
      const list = records(data, 14, decodeLed);
      return list === null ? null : { records: list };
    },
  },
  BUZ: {
    code: 0x6a,
    encode: ({ records: list }) => Buffer.from(list.flatMap((r) => [r.reader, r.tone, r.onUnits, r.offUnits, r.count])),
    decode(data) {
      const list = records(data, 5, (r) => ({
        reader: r.readUInt8(0),
        tone: r.readUInt8(1),
        onUnits: r.readUInt8(2),
        offUnits: r.readUInt8(3),
        count: r.readUInt8(4),
      }));
      return list === null ? null : { records: list };
    },
  },
  TEXT: {
    code: 0x6b,
    encode({ reader, mode, seconds, row, column, text }) {
      const ascii = Buffer.from(text, 'latin1');
      return Buffer.concat([Buffer.from([reader, mode, seconds, row, column, ascii.length]), ascii]);
    },
    decode(data) {
      if (data.length < 6 || data.length !== 6 + data.readUInt8(5)) return null;
      const [reader = 0, mode = 0, seconds = 0, row = 0, column = 0] = data;
      return { reader, mode, seconds, row, column, text: data.toString('latin1', 6) };
    },
  },
  RMODE: opaque(0x6c), // withdrawn
  TDSET: opaque(0x6d), // withdrawn
  COMSET: {
    code: 0x6e,
    encode({ address, baud }) {
      const out = Buffer.from([address, 0, 0, 0, 0]);
      out.writeUInt32LE(baud, 1);
      return out;
    },
    decode: (data) => (data.length === 5 ? { address: data.readUInt8(0), baud: data.readUInt32LE(1) } : null),
  },
  DATA: opaque(0x6f), // obsolete
  BIOREAD: {
    code: 0x73,
    encode: ({ reader, type, format, quality }) => Buffer.from([reader, type, format, quality]),
    decode(data) {
      if (data.length !== 4) return null;
      const [reader = 0, type = 0, format = 0, quality = 0] = data;
      return { reader, type, format, quality };
    },
  },
  BIOMATCH: {
    code: 0x74,
    encode({ reader, type, format, threshold, template }) {
      const head = Buffer.from([reader, type, format, threshold, 0, 0]);
      head.writeUInt16LE(template.length, 4);
      return Buffer.concat([head, template]);
    },
    decode(data) {
      if (data.length < 6 || data.length < 6 + data.readUInt16LE(4)) return null;
      const [reader = 0, type = 0, format = 0, threshold = 0] = data;
      return { reader, type, format, threshold, template: data.subarray(6, 6 + data.readUInt16LE(4)) };
    },
  },
  KEYSET: {
    code: 0x75,
    encode: ({ keyType, key }) => Buffer.concat([Buffer.from([keyType, key.length]), key]),
    decode: (data) =>
      data.length >= 2 && data.length === 2 + data.readUInt8(1)
        ? { keyType: data.readUInt8(0), key: data.subarray(2) }
        : null,
  },
  CHLNG: {
    code: 0x76,
    encode: ({ randomA }) => randomA,
    decode: (data) => (data.length === 8 ? { randomA: data } : null),
  },
  SCRYPT: {
    code: 0x77,
    encode: ({ serverCryptogram }) => serverCryptogram,
    decode: (data) => (data.length === 16 ? { serverCryptogram: data } : null),
  },
  ACURXSIZE: {
    code: 0x7b,
    encode({ sizeBytes }) {
      const out = Buffer.alloc(2);
      out.writeUInt16LE(sizeBytes);
      return out;
    },
    decode: (data) => (data.length === 2 ? { sizeBytes: data.readUInt16LE(0) } : null),
  },
  FILETRANSFER: {
    code: 0x7c,
    encode({ type, totalBytes, offset, data }) {
      const head = Buffer.alloc(11);
      head.writeUInt8(type, 0);
      head.writeUInt32LE(totalBytes, 1);
      head.writeUInt32LE(offset, 5);
      head.writeUInt16LE(data.length, 9);
      return Buffer.concat([head, data]);
    },
    decode(data) {
      if (data.length < 11 || data.length < 11 + data.readUInt16LE(9)) return null;
      return {
        type: data.readUInt8(0),
        totalBytes: data.readUInt32LE(1),
        offset: data.readUInt32LE(5),
        data: data.subarray(11, 11 + data.readUInt16LE(9)),
      };
    },
  },
  MFG: {
    code: 0x80,
    encode: ({ oui, data }) => Buffer.concat([oui, data]),
    decode: (data) => (data.length >= 3 ? { oui: data.subarray(0, 3), data: data.subarray(3) } : null),
  },
  XWR: {
    code: 0xa1,
    encode: ({ mode, command: code, data }) => Buffer.concat([Buffer.from([mode, code]), data]),
    decode: (data) =>
      data.length >= 2 ? { mode: data.readUInt8(0), command: data.readUInt8(1), data: data.subarray(2) } : null,
  },
  ABORT: bare(0xa2),
  PIVDATA: {
    code: 0xa3,
    encode: ({ objectId, element, offset }) => Buffer.concat([objectId, Buffer.from([element]), offset]),
    // The offset has one byte in older readers and two in newer ones.
    decode: (data) =>
      data.length === 5 || data.length === 6
        ? { objectId: data.subarray(0, 3), element: data.readUInt8(3), offset: data.subarray(4) }
        : null,
  },
  GENAUTH: multipart(0xa4),
  CRAUTH: multipart(0xa5),
  KEEPACTIVE: {
    code: 0xa7,
    encode({ timeMs }) {
      const out = Buffer.alloc(2);
      out.writeUInt16LE(timeMs);
      return out;
    },
    decode: (data) => (data.length === 2 ? { timeMs: data.readUInt16LE(0) } : null),
  },
};

/** A command ready for a frame. */
export type WireCommand = { name: CommandName; code: number; data: Buffer };

export function command<Name extends CommandName>(name: Name, fields: CommandFields[Name]): WireCommand {
  return { name, code: COMMANDS[name].code, data: COMMANDS[name].encode(fields) };
}

export type DecodedCommand<Name extends CommandName = CommandName> = {
  [N in Name]: { name: N; fields: CommandFields[N] };
}[Name];

const NAMES = new Map(Object.entries(COMMANDS).map(([name, row]) => [row.code, name as CommandName]));

export const commandName = (code: number): CommandName | null => NAMES.get(code) ?? null;

/** What a command's code and data say; `unknown` and `malformed` are what a reader answers with NAK 03 and NAK 02. */
export function decodeCommand(code: number, data: Buffer): DecodedCommand | 'unknown' | 'malformed' {
  const name = NAMES.get(code);
  if (name === undefined) return 'unknown';
  const fields = COMMANDS[name].decode(data);
  // The row and its fields belong together by the table's type; the compiler cannot follow that through a run-time
  // name.
  return fields === null ? 'malformed' : ({ name, fields } as DecodedCommand);
}
