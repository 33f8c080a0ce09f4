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
 * and `key` as in NIST SP 800-78. From OSDP 2.2.2 on a challenge may name its key in more than one byte: it goes out as
 * it was given.
 */
export type AuthenticateRequest = {
  kind: 'general' | 'challenge';
  algorithm: number;
  key: number | Buffer;
  data: Buffer;
};
/** So much of a key's name is sent, in bytes. */
export const LONGEST_KEY_BYTES = 32;

export async function keepActive(reader: OsdpReader, timeMs: number): Promise<void> {
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > 0xffff)
    throw new OperatingError('invalid_input', 'a card is kept active for 0 to 65535 ms');
  await reader.request(command('KEEPACTIVE', { timeMs }));
}

export async function readPivData(reader: OsdpReader, request: PivRequest, timeoutMs: number): Promise<Buffer> {
  if (request.objectId.length !== 3) throw new OperatingError('invalid_input', 'the name of a PIV object has 3 bytes');
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
  const key = typeof request.key === 'number' ? Buffer.from([request.key]) : request.key;
  if (key.length !== 1) refuseExtendedKey(reader, request.kind, key);
  const content = Buffer.concat([Buffer.from([request.algorithm]), key, request.data]);
  return await askLong(reader, reply, timeoutMs, () => sendLong(reader, name, content));
}

/** A reader that says what it does with smart cards is believed. */
function refuseWhereUnknown(reader: OsdpReader, name: string): void {
  if (reader.pdCapabilities?.extendedPackets !== false) return;
  throw new OperatingError('not_supported', `${reader.name} says that it knows no extended packets, as ${name} is one`);
}

function refuseExtendedKey(reader: OsdpReader, kind: AuthenticateRequest['kind'], key: Buffer): void {
  if (kind === 'general')
    throw new OperatingError('invalid_input', 'only a challenge names its key in more than one byte');
  if (key.length === 0 || key.length > LONGEST_KEY_BYTES)
    throw new OperatingError('invalid_input', `the name of a key has 1 to ${LONGEST_KEY_BYTES} bytes`);
  if (reader.pdCapabilities?.isBeforeExtendedKeys !== true) return;
  const { version } = reader.pdCapabilities;
  throw new OperatingError(
    'not_supported',
    `${reader.name} says that it follows ${version}, which knows keys of one byte only: give \`key\` instead`,
  );
}
