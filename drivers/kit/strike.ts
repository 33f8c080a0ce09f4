// A strike opens for somebody who stands at the door now. Past its deadline it is neither sent nor repeated; and one
// that was sent and never acknowledged may still be on its way, where a network lies between.

import { parseConverter } from '../../src/domain/line.ts';

/** A state that was set, not pulsed, has no deadline of its own: it is tried for so long. */
export const SET_WITHIN_MS = 2_000;

export const CALLED_BACK = 'nothing comes through: a strike that could arrive late was called back';

/**
 * Could a strike that went at this instant, and was given up, still arrive? Where a converter has sent anything since,
 * it has also received the strike. Where the network has stood still since, it would deliver the strike when it moves
 * again, and open the door behind the back of whoever waited there: the connection must go, with what is in it.
 */
export const mayStillArrive = (path: string, sentAtMs: number, lastByteAtMs: number): boolean =>
  lastByteAtMs < sentAtMs && parseConverter(path) !== null;
