// What one command to a reader may hold: a frame has an end, and so has the reader's buffer. Refused at the border, for
// on the line a frame that is too long is never answered, and the reader would be taken for one that is gone.

import { OperatingError } from '../../src/domain/errors.ts';
import type { WireCommand } from './commands.ts';
import { MAX_FRAME_BYTES, mostDataBytes } from './frame.ts';
import { CAP, type PdCapabilities } from './pdcap.ts';

/** Throws `invalid_input` with the limit. `pd`: what the reader has said of itself; null: nothing yet. */
export function refuseTooLong(reader: string, wire: WireCommand, pd: PdCapabilities | null, isSecured: boolean): void {
  const most = mostOf(wire, pd, isSecured);
  if (wire.data.length <= most) return;
  throw new OperatingError(
    'invalid_input',
    `${reader} takes at most ${most} bytes in one ${wire.name}, its own header counted; this one has ${wire.data.length}`,
  );
}

/** Whether one frame holds it, and the reader takes such a frame. */
export const fitsFrame = (wire: WireCommand, pd: PdCapabilities | null, isSecured: boolean): boolean =>
  wire.data.length <= mostOf(wire, pd, isSecured);

const mostOf = (wire: WireCommand, pd: PdCapabilities | null, isSecured: boolean): number =>
  mostDataBytes(Math.min(MAX_FRAME_BYTES, largestTaken(wire, pd)), isSecured);

/**
 * A reader that has not told its buffer is believed to take any frame. Of a file it says itself, piece by piece, how
 * much it takes.
 */
function largestTaken(wire: WireCommand, pd: PdCapabilities | null): number {
  const hasTold = pd?.records.some((record) => record.function === CAP.receiveBuffer) === true;
  return hasTold && wire.name !== 'FILETRANSFER' ? pd.receiveBufferBytes : MAX_FRAME_BYTES;
}
