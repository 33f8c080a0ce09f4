// Why somebody was let in or not, then: told from the event of the decision alone. Nothing of today's rows is asked,
// for the credential, its user and its groups may be others now, or gone.

import { OperatingError, refused } from '../domain/errors.ts';
import { stepsOfKept } from '../domain/kept-steps.ts';
import { memberOf } from '../domain/named.ts';
import type { StoredEvent } from '../store/events.ts';
import { storedObject } from '../store/stored-json.ts';
import type { ParamsOf } from './contract.ts';
import type { ResultOf } from './contract/results.ts';
import type { Outcome, Room } from './room.ts';

type Explained = ResultOf<'entrances/explain_decision'>;
type Body = Readonly<Record<string, unknown>>;

const OLDER = 'it was decided by a version of Lintel that kept no gates';
const CUT = 'its event was too long, and not all of it was kept';

export function explainDecision(
  room: Room,
  params: ParamsOf<'entrances/explain_decision'>,
): Outcome<'entrances/explain_decision'> {
  const event = findEvent(room, params.sequence);
  const body = storedObject(event.body);
  if (params.event_id !== undefined && body['event_id'] !== params.event_id)
    throw notFound(`event ${params.sequence} has another event_id: the database was replaced by another one since`);
  const isGranted = event.event_type === 'lock.unlocked';
  if (!isGranted && event.event_type !== 'lock.access_denied')
    throw refused(
      'invalid_input',
      'sequence',
      `event ${params.sequence} is ${event.event_type}; only lock.unlocked and lock.access_denied are decisions`,
    );
  const acsUserId = textOf(body, 'acs_user_id');
  const decidedBy = deciderOf(body);
  const gates = gatesOf(body);
  return {
    result: {
      outcome: isGranted ? 'granted' : 'denied',
      reason: isGranted ? null : reasonOf(body),
      acs_entrance_id: textOf(body, 'acs_entrance_id'),
      acs_credential_id: textOf(body, 'acs_credential_id'),
      acs_user_id: acsUserId,
      steps: stepsOfKept(gates, acsUserId),
      sequence: event.sequence,
      event_id: textOf(body, 'event_id') ?? '',
      occurred_at: textOf(body, 'occurred_at') ?? new Date(event.created_at).toISOString(),
      clock: body['clock'] === 'trusted' ? 'trusted' : 'untrusted',
      decided_by: decidedBy,
      revision: typeof body['revision'] === 'number' ? body['revision'] : null,
      revision_now: room.store.revision(),
      note: noteOn(body, decidedBy, gates),
    },
  };
}

function findEvent({ store }: Room, sequence: number): StoredEvent {
  const [event] = store.events.after(sequence - 1, 1);
  if (event?.sequence === sequence) return event;
  const { first, last } = store.events.span();
  if (first !== null && sequence < first)
    throw notFound(`the log reaches back to event ${first} only: ${sequence} is forgotten (store.events of the facility file says what is kept)`); // prettier-ignore
  throw notFound(`there is no event ${sequence}; the newest is ${last ?? 0}`);
}

const notFound = (message: string): OperatingError =>
  new OperatingError('event_not_found', message, ['params', 'sequence']);

function noteOn(body: Body, decidedBy: Explained['decided_by'], gates: readonly string[]): string | null {
  if (decidedBy === 'controller')
    return `${textOf(body, 'controller') ?? 'the controller'} decided by its own table, and tells no more than this; credentials/get_timeline says what was written there`;
  if (decidedBy === 'command') return 'it was opened by a command: nobody was judged';
  if (Array.isArray(body['cut']) && body['cut'].includes('gates')) return CUT;
  return gates.length === 0 ? OLDER : null;
}

const textOf = (body: Body, key: string): string | null => {
  const value = memberOf(body, key);
  return typeof value === 'string' ? value : null;
};

function deciderOf(body: Body): Explained['decided_by'] {
  const by = body['decided_by'];
  return by === 'controller' || by === 'command' ? by : 'gateway';
}

function gatesOf(body: Body): string[] {
  const gates = body['gates'];
  return Array.isArray(gates) ? gates.filter((gate) => typeof gate === 'string') : [];
}

function reasonOf(body: Body): string | null {
  const reason = body['reason'];
  if (typeof reason !== 'object' || reason === null) return null;
  const { detail, reason_code: code } = reason as Body;
  return typeof detail === 'string' ? detail : typeof code === 'string' ? code : null;
}
