// How errors become answers: one message that names the place and the remedy, and never holds a secret.

import type { z } from 'zod';
import { OperatingError, type ApiError } from '../domain/errors.ts';
import type { Log } from '../domain/ports.ts';
import { cut, quotedPath } from '../domain/outside-text.ts';
import { complaintsOf, UNWORDED } from '../domain/wording.ts';
import type { Answer } from '../store/journal.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { CommandName } from './contract.ts';
import { resultText } from './contract/results.ts';
import { complaintText } from '../domain/complaints.ts';

const MOST_TOLD = 10;
/** So long is a message at most, whatever it quotes. */
const MOST_MESSAGE = 1_000;

/** The error as it may leave: whatever came from outside and went into it is short. */
export const bounded = ({ type, message, path }: ApiError, most = MOST_MESSAGE): ApiError =>
  path === undefined
    ? { type, message: cut(message, most) }
    : { type, message: cut(message, most), path: quotedPath(path) };

/** What is answered when it was done. */
export const okJson = (commandId: string, name: CommandName, result: object): string =>
  `{"command_id":${JSON.stringify(commandId)},"ok":true,"result":${resultText(name, result)}}`;

export const errorJson = (commandId: string | null, error: ApiError): string =>
  JSON.stringify({ command_id: commandId, ok: false, error: bounded(error) });

/** What a command came to. `wake` (controllers) and `after`: what is to be done once it is durable. */
export type Done = { json: string; answer: Answer; wake: readonly string[]; after: () => void };

/** The error as reply and as journal entry. */
export const failure = (commandId: string, error: ApiError): Done => {
  const json = errorJson(commandId, error);
  return { json, answer: { json, isSecret: false, codeShownUntilMs: null }, wake: [], after: () => undefined };
};

/**
 * What became of a handler that threw. The disk's errors go on, for nothing may be acknowledged then. A mistake of our
 * own is answered `internal` and logged: its savepoint is undone, and a crash would meet the same command again at
 * every start.
 */
export function apiErrorOf(error: unknown, log: Log): ApiError {
  if (error instanceof OperatingError) return error.toApiError();
  if (isStorageError(error)) throw error;
  log.error('a command met a mistake of ours; it was undone', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return { type: 'internal', message: 'a mistake of Lintel’s own; nothing was done, the log says more' };
}

/**
 * What `value` means by `schema`, or all mistakes in one message, the first one's place as `path`. What stands there is
 * never repeated.
 */
export function fit<S extends z.ZodType>(
  schema: S,
  value: unknown,
  prefix: readonly string[],
): { data: z.output<S> } | { error: ApiError } {
  const parsed = schema.safeParse(value, UNWORDED);
  if (parsed.success) return { data: parsed.data };
  const complaints = complaintsOf(schema, value, parsed.error.issues).map((complaint) => ({
    path: quotedPath([...prefix, ...complaint.path]),
    message: complaintText(complaint),
  }));
  const message = complaints
    .slice(0, MOST_TOLD)
    .map(({ path, message }) => `${path.length === 0 ? 'the command' : path.join('.')}: ${message}`)
    .join('; ');
  return { error: { type: 'invalid_input', message, path: complaints[0]?.path ?? [...prefix] } };
}

/** The same for the parameters of a command; throws the error. */
export function readParams<S extends z.ZodType>(schema: S, params: unknown): z.output<S> {
  const fitted = fit(schema, params, ['params']);
  if ('data' in fitted) return fitted.data;
  throw new OperatingError(fitted.error.type, fitted.error.message, fitted.error.path);
}

/** What became of work that was accepted: a disk that failed in its middle is an outcome like any other. */
export function outcomeError(error: unknown, log: Log): ApiError {
  return isStorageError(error)
    ? { type: 'internal', message: `the disk failed: ${error instanceof Error ? error.message : String(error)}` }
    : apiErrorOf(error, log);
}
