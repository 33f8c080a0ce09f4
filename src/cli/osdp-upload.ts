// A file on its way to the agent, in pieces that the control socket takes.

import { OperatingError } from '../domain/errors.ts';
import type { LocalChannel } from './local-channel.ts';
import type { Fields } from '../domain/fields.ts';

export type Asking = Pick<LocalChannel, 'request' | 'close'>;

/** In base64 well below the longest line that the control socket takes. */
const PIECE_BYTES = 256 * 1024;

/** Gives the name under which the agent keeps it. */
export async function sendPieces(channel: Asking, content: Buffer, timeoutMs: number): Promise<string> {
  let upload: string | null = null;
  for (let offset = 0; offset < content.length; offset += PIECE_BYTES) {
    const data = content.subarray(offset, offset + PIECE_BYTES).toString('base64');
    const fields: Fields = { action: 'upload', offset, data, ...(upload === null ? {} : { upload }) };
    const answer: Fields = await channel.request('osdp', fields, timeoutMs);
    upload = String(answer['upload']);
  }
  if (upload === null) throw new OperatingError('internal', 'nothing was sent');
  return upload;
}
