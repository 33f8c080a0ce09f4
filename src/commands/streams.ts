// Numbers from above: a sender may number its commands, and then what is missing is noticed and what is older than what
// the facility has is refused. A number is believed only when it is near the one before it, and what takes access away
// is never refused for its number.

import { newEvent } from '../domain/events.ts';
import type { ApiError } from '../domain/errors.ts';
import type { Store } from '../store/store.ts';
import { COMMANDS, type CommandName } from './contract.ts';
import type { Envelope } from './contract/envelope.ts';

/** More streams than senders a building has; beyond, numbers are not followed. */
const MOST_STREAMS = 64;
/** A number further ahead than this is no gap but a mistake, or made up: it is not believed. */
export const MOST_AHEAD_IN_STREAM = 1_000_000;

type Stream = NonNullable<Envelope['stream']>;
type Verdict = { kind: 'unfollowed' | 'first' | 'next' } | { kind: 'gap' | 'stale' | 'beyond'; last: number };

const streamKey = (id: string): string => `stream:${id}`;

/**
 * Takes the number of a command down, inside a transaction, and says why the command must not be carried out; null: it
 * may. Every command that came counts, also one that is refused for another reason. `mayRefuse` false: it reads, or
 * takes access away.
 */
export function followStream(
  store: Store,
  stream: Stream | undefined,
  mayRefuse: boolean,
  nowMs: number,
): ApiError | null {
  if (stream === undefined) return null;
  const { meta } = store;
  const verdict = judge(store, stream);
  switch (verdict.kind) {
    case 'unfollowed':
      return null;
    case 'first':
      meta.increment(COUNT);
      break;
    case 'next':
      break;
    case 'gap':
      noteMissing(store, stream, verdict.last, true, nowMs);
      break;
    case 'beyond':
      noteMissing(store, stream, verdict.last, false, nowMs);
      return mayRefuse ? beyond(stream, verdict.last) : null;
    case 'stale':
      return mayRefuse ? stale(stream, verdict.last) : null;
  }
  meta.set(streamKey(stream.id), stream.seq);
  return null;
}

/** What `followStream` would answer; changes nothing. */
export function streamRefusal(store: Store, stream: Stream | undefined): ApiError | null {
  if (stream === undefined) return null;
  const verdict = judge(store, stream);
  if (verdict.kind === 'stale') return stale(stream, verdict.last);
  return verdict.kind === 'beyond' ? beyond(stream, verdict.last) : null;
}

/** Forgets a stream: the next number that comes is believed. The number it stood at; null: there is no such stream. */
export function forgetStream(store: Store, id: string): number | null {
  const { meta } = store;
  const last = meta.number(streamKey(id));
  if (last === null) return null;
  meta.delete(streamKey(id));
  meta.set(COUNT, Math.max(0, (meta.number(COUNT) ?? 0) - 1));
  return last;
}

const COUNT = 'streams';

function judge({ meta }: Store, { id, seq }: Stream): Verdict {
  const last = meta.number(streamKey(id));
  if (last === null) return { kind: (meta.number(COUNT) ?? 0) >= MOST_STREAMS ? 'unfollowed' : 'first' };
  if (seq <= last) return { kind: 'stale', last };
  if (seq - last > MOST_AHEAD_IN_STREAM) return { kind: 'beyond', last };
  return seq === last + 1 ? { kind: 'next' } : { kind: 'gap', last };
}

function noteMissing({ events }: Store, { id, seq }: Stream, last: number, isBelieved: boolean, nowMs: number): void {
  const body = { stream_id: id, from_seq: last + 1, to_seq: seq - 1, is_believed: isBelieved };
  events.add(newEvent('agent.commands_missing', body), nowMs);
}

const stale = ({ seq }: Stream, last: number): ApiError => ({
  type: 'stale_revision',
  message: `stream.seq: ${seq} is not newer than ${last}, which this facility has. Remedy: a higher number, or facility/reset_stream where the sender has begun anew`,
  path: ['stream', 'seq'],
});

const beyond = ({ seq }: Stream, last: number): ApiError => ({
  type: 'invalid_input',
  message: `stream.seq: ${seq} is more than ${MOST_AHEAD_IN_STREAM} ahead of ${last}, which this facility has, and is not believed. Remedy: the number that follows, or facility/reset_stream where the sender has begun anew`,
  path: ['stream', 'seq'],
});

/** Whether a command may be refused for its number. */
export const streamMayRefuse = (name: CommandName): boolean => COMMANDS[name].kind !== 'reads' && !takesAccess(name);

export const takesAccess = (name: CommandName): boolean => {
  const spec: { revokes?: true } = COMMANDS[name];
  return spec.revokes === true;
};
