// Messages that are longer than one frame, on their way to a reader and back: cut into what the reader takes, put
// together out of what it sends with its answers and its next polls, and called off where it goes wrong.

import { OperatingError } from '../../src/domain/errors.ts';
import { command } from './commands.ts';
import { MAX_FRAME_BYTES, mostDataBytes } from './frame.ts';
import { fragmentsOf, MultipartAssembler } from './multipart.ts';
import type { AssemblyStep, Fragment } from './multipart.ts';
import { CAP } from './pdcap.ts';
import type { OsdpReader } from './reader.ts';
import type { DecodedReply } from './replies.ts';

export type LongCommand = 'GENAUTH' | 'CRAUTH';
export type LongReply = 'PIVDATAR' | 'GENAUTHR' | 'CRAUTHR';

const HEADER_BYTES = 6;
/** As long as its own header can say, and no reader has so much to say. */
const LONGEST_ANSWER_BYTES = 16 * 1024;
const LONGEST_MESSAGE_BYTES = 0xffff;

const BROKEN: Readonly<Record<(AssemblyStep & { step: 'broken' })['reason'], string>> = {
  aborted: 'the reader gave it up',
  gap: 'a part of it is missing',
  too_long: 'it is longer than it may be',
};

type Answer = AssemblyStep & { step: 'complete' | 'broken' };

/**
 * Does what asks for a long answer, and puts that together, whether its parts come at once or with later polls. Whatever
 * goes wrong, the reader is told to forget it.
 */
export async function askLong(
  reader: OsdpReader,
  name: LongReply,
  timeoutMs: number,
  ask: () => Promise<DecodedReply>,
): Promise<Buffer> {
  const assembler = new MultipartAssembler(LONGEST_ANSWER_BYTES);
  const take = (fragment: Fragment): Answer | null => {
    const step = assembler.accept(fragment);
    return step.step === 'more' ? null : step;
  };
  const over = new AbortController();
  const later = reader.awaitReport(name, timeoutMs, take, over.signal);
  later.catch(() => undefined);
  try {
    const first = await ask();
    const answer = (isPart(first, name) ? take(first.fields) : null) ?? (await later);
    if (answer.step === 'complete') return answer.content;
    throw new OperatingError('device_error', `${reader.name}: its ${name} is of no use: ${BROKEN[answer.reason]}`);
  } catch (error) {
    if (reader.online) await reader.ask(command('ABORT', {})).catch(() => undefined);
    throw error;
  } finally {
    over.abort();
  }
}

/** Sends `content` in parts that the reader takes. Gives the answer to the last one. */
export async function sendLong(reader: OsdpReader, name: LongCommand, content: Buffer): Promise<DecodedReply> {
  const pd = reader.pdCapabilities;
  const largest = pd?.largestMessageBytes ?? 0;
  const most = Math.min(LONGEST_MESSAGE_BYTES, largest === 0 ? LONGEST_MESSAGE_BYTES : largest);
  if (content.length > most)
    throw new OperatingError('invalid_input', `${reader.name} takes at most ${most} bytes in one ${name}`);
  const hasToldBuffer = pd?.records.some((record) => record.function === CAP.receiveBuffer) === true;
  const frameBytes = Math.min(MAX_FRAME_BYTES, hasToldBuffer ? pd.receiveBufferBytes : MAX_FRAME_BYTES);
  const partBytes = mostDataBytes(frameBytes, reader.settings.secure) - HEADER_BYTES;
  let answer: DecodedReply | null = null;
  for (const fragment of fragmentsOf(content, partBytes)) answer = await reader.request(command(name, fragment));
  if (answer === null) throw new OperatingError('internal', 'nothing was sent');
  return answer;
}

const isPart = (reply: DecodedReply, name: LongReply): reply is DecodedReply<LongReply> => reply.name === name;
