// Transparent smart card mode (XWR and XRD): what is said to the reader, and what its answers mean. Readers of the field
// do not agree on the codes of an answer, so that each is told by its length as well; what no reader says is null.

import { command } from './commands.ts';
import type { WireCommand } from './commands.ts';
import type { ReplyFields } from './replies.ts';

/** Heads are numbered from 0; transparent mode is for the first. */
const READER = 0x00;

const xwr = (mode: number, code: number, data: readonly number[] | Buffer = []): WireCommand =>
  command('XWR', { mode, command: code, data: Buffer.from(data) });

export const SMART_CARD = {
  tellMode: xwr(0, 1),
  /** Cards are read by the reader itself again. Harmless where it is so already. */
  normal: xwr(0, 2, [0x00, 0x00]),
  transparent: xwr(0, 2, [0x01, 0x00]),
  /** Looks once whether a card is there. Not known to every reader. */
  scan: xwr(1, 4, [READER]),
  /** Nothing more is wanted of the card. */
  done: xwr(1, 2, [READER]),
  apdu: (bytes: Buffer): WireCommand => xwr(1, 1, Buffer.concat([Buffer.from([READER]), bytes])),
  /** The person types a PIN at the reader, which puts it into `apdu` and shows that to the card, and nobody else. */
  enterPin: (entry: PinEntry): WireCommand => xwr(1, 3, Buffer.concat([Buffer.from([READER]), encodePinEntry(entry)])),
} as const;

const PIN_FORMS = { binary: 0, bcd: 1, ascii: 2 } as const;
export type PinForm = keyof typeof PIN_FORMS;

/** How a PIN is typed and where it goes: in whole bytes of what the command carries, from its first one on. */
export type PinEntry = {
  firstKeySeconds: number;
  nextKeySeconds: number;
  form: PinForm;
  blockBytes: number;
  offsetBytes: number;
  minDigits: number;
  maxDigits: number;
  apdu: Buffer;
};

const OFFSET_IN_BYTES = 0x80;
/** It ends with the reader's own key for that, or with the last digit that there may be. */
const ENDS = 0x01 | 0x02;
const PIN_HEAD_BYTES = 17;

/** The positions are those of the field's own structure for it; the length of the command goes high byte first. */
export function encodePinEntry(entry: PinEntry): Buffer {
  const head = Buffer.alloc(PIN_HEAD_BYTES);
  const where = OFFSET_IN_BYTES | (entry.offsetBytes << 3) | PIN_FORMS[entry.form];
  // No place for how many digits it had, no messages, no prologue.
  head.set([entry.firstKeySeconds, entry.nextKeySeconds, where, entry.blockBytes, 0]);
  head.set([entry.minDigits, entry.maxDigits, ENDS], 5);
  head.writeUInt16BE(entry.apdu.length, PIN_HEAD_BYTES - 2);
  return Buffer.concat([head, entry.apdu]);
}

/** Null: it is none, or asks for what is not done here. */
export function decodePinEntry(data: Buffer): PinEntry | null {
  if (data.length < PIN_HEAD_BYTES) return null;
  const where = data.readUInt8(2);
  const form = (Object.keys(PIN_FORMS) as PinForm[]).find((name) => PIN_FORMS[name] === (where & 3));
  const apdu = data.subarray(PIN_HEAD_BYTES);
  if (form === undefined || (where & OFFSET_IN_BYTES) === 0 || apdu.length !== data.readUInt16BE(PIN_HEAD_BYTES - 2))
    return null;
  const [firstKeySeconds = 0, nextKeySeconds = 0, , block = 0, , minDigits = 0, maxDigits = 0] = data;
  const [offsetBytes, blockBytes] = [(where >> 3) & 0x0f, block & 0x0f];
  return { firstKeySeconds, nextKeySeconds, form, blockBytes, offsetBytes, minDigits, maxDigits, apdu };
}

export type CardAnswer =
  | { kind: 'mode'; isTransparent: boolean }
  /** A card is in the field. `status` null: the reader does not say of which kind. */
  | { kind: 'present'; status: number | null }
  | { kind: 'absent' }
  | { kind: 'answer'; apdu: Buffer }
  /** A PIN was typed, or was not: what the reader's own status means is in its manual. */
  | { kind: 'pin'; status: number; tries: number }
  | { kind: 'error'; code: number }
  | { kind: 'ended' };

const SHORTEST_APDU = 2;

export function readSmartCard({ mode, reply, data }: ReplyFields['XRD']): CardAnswer | null {
  if (mode === 0) return ofMode(reply, data);
  if (mode !== 1) return null;
  switch (reply) {
    case 0:
      // One byte is an error; with the number of the reader before it some mean a card.
      if (data.length === 1) return { kind: 'error', code: data.readUInt8(0) };
      return data.length === 2 ? presence(data) : null;
    case 1:
      // Some give the answer of a card here, and not behind a status.
      if (data.length >= 1 + SHORTEST_APDU) return { kind: 'answer', apdu: Buffer.from(data.subarray(1)) };
      return data.length === 0 ? null : presence(data);
    case 2:
      if (data.length >= 2 + SHORTEST_APDU) return { kind: 'answer', apdu: Buffer.from(data.subarray(2)) };
      return data.length === 1 ? { kind: 'ended' } : null;
    case 3:
      return data.length < 3 ? null : { kind: 'pin', status: data.readUInt8(1), tries: data.readUInt8(2) };
    default:
      return null;
  }
}

function ofMode(reply: number, data: Buffer): CardAnswer | null {
  if (reply === 0) return data.length === 0 ? null : { kind: 'error', code: data.readUInt8(0) };
  if (reply === 1) return data.length === 0 ? null : { kind: 'mode', isTransparent: data.readUInt8(0) === 1 };
  return null;
}

/** A status of 0 says that there is none, where it was asked for; one that comes by itself does not. */
function presence(data: Buffer): CardAnswer {
  const status = data.length < 2 ? null : data.readUInt8(1);
  return status === 0 ? { kind: 'absent' } : { kind: 'present', status };
}
