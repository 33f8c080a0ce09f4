// From what came in to a command that may be carried out, or to one rejection. Bytes, depth, number and the envelope
// are checked here, in this order, and nothing is hashed before its bounds are known.

import type { ApiError } from '../domain/errors.ts';
import { COMMAND_ID_FORM } from '../domain/ids.ts';
import { flawOf, MOST_DEPTH, MOST_VALUES, problemAt, readJson } from '../domain/outside-json.ts';
import { quoted } from '../domain/outside-text.ts';
import type { Secrets } from '../store/secrets.ts';
import { fit } from './answers.ts';
import { canonicalJson } from './canonical-json.ts';
import { isCommandName, type CommandName } from './contract.ts';
import {
  envelope as envelopeSchema,
  MOST_APPLY_VALUES,
  MOST_PAYLOAD_BYTES,
  type Envelope,
} from './contract/envelope.ts';

/** Bytes as a broker carries them, or a value that was JSON on the local socket. */
export type Payload = Buffer | { readonly value: unknown };

export type Parsed = { envelope: Envelope; name: CommandName; digest: Buffer };
export type Rejected = {
  error: ApiError;
  commandId: string | null;
  /** Null where nothing was read of its envelope. */
  envelope: Envelope | null;
  /**
   * Of what came, so that a repeat is known for one; null: the journal does not keep it, for the same command may come
   * again rightly.
   */
  digest: Buffer | null;
};

export type Arrived = { resource: string; verb: string; payload: Payload; isRetained: boolean };

const RETAINED: ApiError = {
  type: 'retained_command',
  message:
    'commands are never retained: this one would come again at every subscription. Remedy: publish with retain off, and clear the topic with an empty retained message',
};

/** Reads `arrived`; throws only for mistakes of ours. */
export function readCommand(arrived: Arrived, secrets: Secrets): Parsed | Rejected {
  const { resource, verb, payload, isRetained } = arrived;
  const topic = `${resource}/${verb}`;
  const read = readPayload(payload, topic);
  const commandId = readCommandId(read.value);
  if (isRetained) return { error: RETAINED, commandId, envelope: null, digest: null };
  const reject = (error: ApiError, envelope: Envelope | null = null): Rejected => ({
    error,
    commandId,
    envelope,
    digest: commandId === null ? null : rejectionDigest(topic, payload, error, secrets),
  });
  if ('error' in read) return reject(read.error);
  const result = fit(envelopeSchema, read.value, []);
  if ('error' in result) return reject(result.error);
  if (isCommandName(topic)) {
    const digest = secrets.commandDigest(topic, canonicalJson(result.data.params));
    return { envelope: result.data, name: topic, digest };
  }
  return reject(unknownCommand(topic), result.data);
}

const unknownCommand = (topic: string): ApiError => ({
  type: 'unknown_command',
  message: `${quoted(topic)} is not a command. Remedy: see the list of resources and verbs in docs/mqtt-api.md`,
});

type Read = { value: unknown } | { value: unknown; error: ApiError };

function readPayload(payload: Payload, topic: string): Read {
  if (Buffer.isBuffer(payload)) {
    if (payload.length > MOST_PAYLOAD_BYTES) return { value: undefined, error: tooLarge(payload.length) };
    const read = readJson(payload);
    if ('problem' in read) return { value: read.value, error: invalid(`the payload ${read.problem}`) };
    return withinBounds(read.value, topic);
  }
  const bounded = withinBounds(payload.value, topic);
  if ('error' in bounded) return bounded;
  const bytes = Buffer.byteLength(JSON.stringify(payload.value ?? null));
  return bytes > MOST_PAYLOAD_BYTES ? { ...bounded, error: tooLarge(bytes) } : bounded;
}

const invalid = (message: string, path?: readonly (string | number)[]): ApiError =>
  path === undefined ? { type: 'invalid_input', message } : { type: 'invalid_input', message, path };

const tooLarge = (bytes: number): ApiError =>
  invalid(
    `a command has at most ${MOST_PAYLOAD_BYTES} bytes; this one has ${bytes}. Remedy: credentials/apply in several commands`,
  );

const LISTS: ReadonlyMap<string, string> = new Map([
  ['credentials/apply', 'operations'],
  ['facility/put_snapshot_page', 'items'],
]);

/**
 * Many operations in one command are many objects: each is bounded as a command alone, and all together by what they
 * can weigh.
 */
function withinBounds(value: unknown, topic: string): Read {
  const list = LISTS.get(topic);
  const flaw =
    flawOf(value, { depth: MOST_DEPTH, values: list === undefined ? MOST_VALUES : MOST_APPLY_VALUES }) ??
    (list === undefined ? null : flawInOne(value, list));
  return flaw === null ? { value } : { value, error: invalid(problemAt('the command', flaw), flaw.path) };
}

function flawInOne(value: unknown, list: string): ReturnType<typeof flawOf> {
  const operations = valueIn(valueIn(value, 'params'), list);
  if (!Array.isArray(operations)) return null;
  for (const [i, operation] of operations.entries()) {
    const flaw = flawOf(operation, { depth: MOST_DEPTH, values: MOST_VALUES });
    if (flaw !== null) return { ...flaw, path: ['params', list, i, ...flaw.path] };
  }
  return null;
}

const valueIn = (holder: unknown, key: string): unknown =>
  typeof holder === 'object' && holder !== null && Object.hasOwn(holder, key)
    ? (Reflect.get(holder, key) as unknown)
    : undefined;

export function readCommandId(value: unknown): string | null {
  const commandId = valueIn(value, 'command_id');
  return typeof commandId === 'string' && COMMAND_ID_FORM.test(commandId) ? commandId : null;
}

/** What came over the local socket without bounds cannot be written down again: there its error stands for it. */
function rejectionDigest(topic: string, payload: Payload, error: ApiError, secrets: Secrets): Buffer {
  const content = Buffer.isBuffer(payload) ? payload.toString('latin1') : `${error.message} ${String(error.path)}`;
  return secrets.commandDigest(`rejected ${topic}`, content);
}
