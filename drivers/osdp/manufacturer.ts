// What a vendor's own command is answered with, at once or with a later poll: his message, a status, or an error.

import { OperatingError } from '../../src/domain/errors.ts';
import type { DecodedReply, ReplyFields, ReplyName } from './replies.ts';

export type ManufacturerAnswer =
  { answer: 'ack' } | { answer: 'reply'; oui: Buffer; data: Buffer } | { answer: 'status'; data: Buffer };

export const MANUFACTURER_REPLIES = ['MFGREP', 'MFGSTATR', 'MFGERRR'] as const;

export const asReply = <Name extends ReplyName>(name: Name, fields: ReplyFields[Name]): DecodedReply =>
  // A row and its fields belong together by the table's type; the compiler cannot follow that through a generic name.
  ({ name, fields }) as DecodedReply;

/** An error is told as one, and so is an answer of somebody else's. */
export function readManufacturer(device: string, oui: Buffer, reply: DecodedReply): ManufacturerAnswer {
  if (reply.name === 'MFGREP' && reply.fields.oui.equals(oui))
    return { answer: 'reply', oui: Buffer.from(reply.fields.oui), data: Buffer.from(reply.fields.data) };
  if (reply.name === 'MFGSTATR') return { answer: 'status', data: Buffer.from(reply.fields.data) };
  const what =
    reply.name === 'MFGREP'
      ? `for another vendor (${reply.fields.oui.toString('hex')})`
      : reply.name === 'MFGERRR'
        ? `with an error of its vendor (${reply.fields.data.toString('hex') || 'no code'})`
        : `with ${reply.name}`;
  throw new OperatingError('device_error', `${device} answered the vendor’s command ${what}`);
}
