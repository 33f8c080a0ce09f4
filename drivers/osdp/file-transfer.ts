// Sending a file to a reader (fact sheet section 3.6): fragment by fragment, as fast and as large as the reader allows,
// and alone with it where it asks for that.

import type { Clock } from '../driver.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { command } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { SMALLEST_BUFFER_BYTES } from './pdcap.ts';
import type { PdCapabilities } from './pdcap.ts';
import { FTSTAT_ACTION, FTSTAT_STATUS } from './replies.ts';
import type { DecodedReply, ReplyFields } from './replies.ts';
import type { Station } from './station.ts';

export type FileProgress = { sentBytes: number; totalBytes: number; state: 'sending' | 'finishing' };

/** Header, security block, code, transfer header, padding, MAC and CRC around a fragment. */
const OVERHEAD_BYTES = 5 + 2 + 1 + 11 + 16 + 4 + 2;
const LARGEST_FRAGMENT_BYTES = 1024;
/** A reader whose session or link fell while it stored a piece gets that piece again, so often. */
const TAKEN_UP_AGAIN = 3;
/** A reader that writes its flash may say "finishing" for this many times its own delay. */
const FINISHING_ROUNDS = 600;
const FINISHING_DELAY_MS = 200;

/**
 * It takes other commands meanwhile, or has something to say at a poll. That it would have its file outside Secure
 * Channel is not done: a keyed reader is not spoken to in the clear.
 */
const MAY_BE_POLLED = FTSTAT_ACTION.interleave | FTSTAT_ACTION.pollResponse;

const STATUS_TEXT: Readonly<Record<number, string>> = {
  [FTSTAT_STATUS.aborted]: 'it gave the transfer up',
  [FTSTAT_STATUS.unrecognized]: 'it does not know this kind of file',
  [FTSTAT_STATUS.malformed]: 'it calls the file malformed',
};

/** The reader that it is for. */
export type FileTaker = {
  readonly name: string;
  readonly pdCapabilities: PdCapabilities | null;
  readonly station: Pick<Station, 'hold'>;
  request(wire: WireCommand): Promise<DecodedReply>;
};

/**
 * Rejects with an `OperatingError` when the reader goes, refuses, or takes too long. A reader that restarts to take the
 * file in has taken it.
 */
export async function transferFile(
  reader: FileTaker,
  clock: Clock,
  file: { type: number; content: Buffer },
  progress: (progress: FileProgress) => void,
  signal: AbortSignal | null,
): Promise<void> {
  const { content, type } = file;
  if (content.length === 0) throw new OperatingError('invalid_input', 'the file is empty');
  let offset = 0;
  let fragmentBytes = fragmentFor(reader.pdCapabilities?.receiveBufferBytes ?? SMALLEST_BUFFER_BYTES);
  let finishing = 0;
  try {
    for (;;) {
      if (signal?.aborted === true) {
        await reader.request(command('ABORT', {}));
        throw new OperatingError('interrupted', 'the transfer was cancelled');
      }
      const data = content.subarray(offset, offset + fragmentBytes);
      const status = await sendFragment(reader, type, content.length, offset, data);
      offset += data.length;
      if (status.status < 0) throw refused(reader, status.status);
      const done = offset >= content.length;
      progress({ sentBytes: offset, totalBytes: content.length, state: done ? 'finishing' : 'sending' });
      const isFinishing = status.status === FTSTAT_STATUS.finishing;
      if (isFinishing && done && ++finishing > FINISHING_ROUNDS)
        throw new OperatingError('timed_out', `${reader.name} does not finish taking the file in`);
      if (status.maxMessageBytes > 0) fragmentBytes = fragmentFor(status.maxMessageBytes);
      reader.station.hold((status.action & MAY_BE_POLLED) === 0);
      // The reader's own time, also behind the last piece.
      await rest(clock, done && isFinishing ? Math.max(FINISHING_DELAY_MS, status.delayMs) : status.delayMs);
      if (done && !isFinishing) return;
    }
  } finally {
    reader.station.hold(false);
  }
}

const fragmentFor = (messageBytes: number): number =>
  Math.max(16, Math.min(messageBytes - OVERHEAD_BYTES, LARGEST_FRAGMENT_BYTES));

async function sendFragment(
  reader: FileTaker,
  type: number,
  totalBytes: number,
  offset: number,
  data: Buffer,
): Promise<ReplyFields['FTSTAT']> {
  const wire = command('FILETRANSFER', { type, totalBytes, offset, data });
  for (let tries = 1; ; tries++) {
    try {
      const answer = await reader.request(wire);
      if (answer.name === 'FTSTAT') return answer.fields;
      throw new OperatingError('not_supported', `${reader.name} answered the file with ${answer.name}`);
    } catch (error) {
      // A session may end over a long pause that the reader itself asked for.
      const mayGoOn = error instanceof OperatingError && error.type === 'interrupted' && tries < TAKEN_UP_AGAIN;
      if (!mayGoOn) throw error;
    }
  }
}

const refused = (reader: FileTaker, status: number): OperatingError =>
  new OperatingError('not_supported', `${reader.name} refused the file: ${STATUS_TEXT[status] ?? `status ${status}`}`);

async function rest(clock: Clock, delayMs: number): Promise<void> {
  if (delayMs > 0) await new Promise<void>((resolve) => void clock.after(delayMs, resolve));
}
