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
} as const;

export type CardAnswer =
  | { kind: 'mode'; isTransparent: boolean }
  /** A card is in the field. `status` null: the reader does not say of which kind. */
  | { kind: 'present'; status: number | null }
  | { kind: 'absent' }
  | { kind: 'answer'; apdu: Buffer }
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
