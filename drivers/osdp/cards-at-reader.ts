// What a panel does with a smart card that lies at a reader: holds it in the field, reads its objects, has it sign. The
// parts of a long message go as the reader takes them.

import { OperatingError } from '../../src/domain/errors.ts';
import { command } from './commands.ts';
import { askLong, sendLong } from './long-messages.ts';
import type { OsdpReader } from './reader.ts';

/** `objectId`: three bytes, as in NIST SP 800-73, e.g. 5FC102. */
export type PivRequest = { objectId: Buffer; element: number; offset: number };
/**
 * `general`: GENERAL AUTHENTICATE with a template of the caller's own. `challenge`: the card signs `data`. `algorithm`
 * and `key` as in NIST SP 800-78.
 */
export type AuthenticateRequest = { kind: 'general' | 'challenge'; algorithm: number; key: number; data: Buffer };

export async function keepActive(reader: OsdpReader, timeMs: number): Promise<void> {
  await reader.request(command('KEEPACTIVE', { timeMs }));
}

export async function readPivData(reader: OsdpReader, request: PivRequest, timeoutMs: number): Promise<Buffer> {
  refuseWhereUnknown(reader, 'PIVDATA');
  const offset = Buffer.alloc(2);
  offset.writeUInt16LE(request.offset);
  const wire = command('PIVDATA', { objectId: request.objectId, element: request.element, offset });
  return await askLong(reader, 'PIVDATAR', timeoutMs, () => reader.request(wire));
}

/** The card's answer, without its status word. */
export async function authenticate(
  reader: OsdpReader,
  request: AuthenticateRequest,
  timeoutMs: number,
): Promise<Buffer> {
  const [name, reply] =
    request.kind === 'general' ? (['GENAUTH', 'GENAUTHR'] as const) : (['CRAUTH', 'CRAUTHR'] as const);
  refuseWhereUnknown(reader, name);
  const content = Buffer.concat([Buffer.from([request.algorithm, request.key]), request.data]);
  return await askLong(reader, reply, timeoutMs, () => sendLong(reader, name, content));
}

/** A reader that says what it does with smart cards is believed. */
function refuseWhereUnknown(reader: OsdpReader, name: string): void {
  if (reader.pdCapabilities?.extendedPackets !== false) return;
  throw new OperatingError('not_supported', `${reader.name} says that it knows no extended packets, as ${name} is one`);
}
