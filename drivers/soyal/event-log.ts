// The controller's event log as the house reads it: the oldest event at a time, removed only once it was stored.
// Removing takes whatever is the oldest by then, and a full log has meanwhile pushed the one we read out: so it is read
// again first, and left alone when it is another.

import { assert, OperatingError } from '../../src/domain/errors.ts';
import type { ControllerEvent, EventDevice } from '../driver.ts';
import { REQUESTS } from './codec.ts';
import { controllerEvent, decodeEvent, eventCursor, isCardZero } from './events.ts';
import { failure, type Talk } from './talk.ts';

/** How often the removing is tried anew when its answer is lost. */
const REMOVE_TRIES = 3;

type Known = { cursor: string; record: Buffer; repeat: number; removed: boolean };

/** `cardZeroOpened` is told when the controller has let in a card of number 0. */
export function eventDevice(talk: Talk, timeZone: string, cardZeroOpened: () => void): EventDevice {
  let known: Known | null = null;

  const oldest = async (): Promise<Buffer | null> => {
    const result = await talk(REQUESTS.oldestEvent(), { priority: 'write', retries: 1 });
    if (result.outcome !== 'answered') throw failure('reading the event log', result);
    return result.reply.kind === 'event' ? result.reply.record : null;
  };

  /** The same bytes are the same event until it was removed; after that they are another one of the same second. */
  const identify = (record: Buffer): Known => {
    if (known?.removed === false && known.record.equals(record)) return known;
    const event = decodeEvent(record);
    const alike = known !== null && known.cursor === eventCursor(event, record, known.repeat);
    const repeat = alike && known !== null ? known.repeat + 1 : 0;
    return { cursor: eventCursor(event, record, repeat), record, repeat, removed: false };
  };

  const readOldest = async (): Promise<ControllerEvent | null> => {
    const record = await oldest();
    if (record === null) return null;
    known = identify(record);
    const event = decodeEvent(record);
    if (isCardZero(event)) cardZeroOpened();
    return { cursor: known.cursor, ...controllerEvent(event, timeZone) };
  };

  return {
    async read(max) {
      assert(max >= 1, 'at least one event is asked for');
      const event = await readOldest();
      return { events: event === null ? [] : [event], lost: false };
    },
    async acknowledge(cursor) {
      // After a restart nothing is known yet: the oldest event is looked up first.
      if (known?.cursor !== cursor) await readOldest();
      for (let tries = 0; known?.cursor === cursor && !known.removed; tries++) {
        if (tries === REMOVE_TRIES) throw new OperatingError('timed_out', 'the event could not be removed');
        const target: Known = known;
        const record = await oldest();
        if (record === null || !target.record.equals(record)) {
          target.removed = true;
          return;
        }
        const result = await talk(REQUESTS.removeOldestEvent(), { priority: 'write' });
        if (result.outcome === 'answered') target.removed = true;
        else if (result.outcome !== 'unknown') throw failure('removing an event', result);
      }
    },
  };
}
