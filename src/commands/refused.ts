// Commands while the database is refused. Whoever asks, or wants something moved now, is answered why not. What is to
// be stored is held back unacknowledged, so that the broker delivers it once there is a database again: a revocation
// that was only answered would be forgotten by whoever does not read answers.

import type { ApiError } from '../domain/errors.ts';
import { readJson } from '../domain/outside-json.ts';
import { errorJson } from './answers.ts';
import { COMMANDS, isCommandName, mustExpire } from './contract.ts';
import { MOST_PAYLOAD_BYTES } from './contract/envelope.ts';
import type { Answerer, Incoming } from './incoming.ts';
import { readCommandId, type Payload } from './intake.ts';

/** `held`: nothing is acknowledged and nobody is answered. */
export function refuseCommand(
  incoming: Incoming,
  error: ApiError,
  replyTopicFor: (commandId: string) => string,
  answer: Answerer,
): 'held' | null {
  const name = `${incoming.resource}/${incoming.verb}`;
  const commandId = commandIdOf(incoming.payload);
  const isToBeStored =
    commandId !== null && isCommandName(name) && COMMANDS[name].kind !== 'reads' && !mustExpire(name);
  if (isToBeStored && incoming.source === 'mqtt' && !incoming.isRetained) return 'held';
  const own = incoming.isResponseTopicAllowed ? incoming.responseTopic : null;
  answer({
    topic: own ?? (commandId === null ? null : replyTopicFor(commandId)),
    commandId,
    json: errorJson(commandId, error),
    correlation: incoming.correlation,
    isKept: false,
  });
  return null;
}

/** Null for what has none: it would be refused by any database. */
function commandIdOf(payload: Payload): string | null {
  if (!Buffer.isBuffer(payload)) return readCommandId(payload.value);
  return payload.length > MOST_PAYLOAD_BYTES ? null : readCommandId(readJson(payload).value);
}
