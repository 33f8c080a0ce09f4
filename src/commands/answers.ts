// How errors become answers: one message that names the place and the remedy, and never holds a secret.

import { z } from 'zod';
import { OperatingError, type ApiError } from '../domain/errors.ts';
import type { Log } from '../domain/ports.ts';
import type { Answer } from '../store/journal.ts';
import { isStorageError } from '../store/transactions.ts';

export const errorJson = (commandId: string | null, error: ApiError): string =>
  JSON.stringify({ command_id: commandId, ok: false, error });

/** The error as reply and as journal entry. */
export const failure = (commandId: string, error: ApiError): { json: string; answer: Answer } => {
  const json = errorJson(commandId, error);
  return { json, answer: { json, isSecret: false, codeShownUntilMs: null } };
};

/**
 * What became of a handler that threw. The disk's errors go on, for nothing may be acknowledged then. A mistake of our own is answered `internal` and logged: its
 * savepoint is undone, and a crash would meet the same command again at every start.
 */
export function apiErrorOf(error: unknown, log: Log): ApiError {
  if (error instanceof OperatingError) return error.toApiError();
  if (error instanceof z.ZodError) return describe(error, ['params']);
  if (isStorageError(error)) throw error;
  log.error('a command met a mistake of ours; it was undone', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return { type: 'internal', message: 'a mistake of Lintel’s own; nothing was done, the log says more' };
}

/** All mistakes in one message, the first one's place as `path`. */
export function describe(error: z.ZodError, prefix: readonly string[]): ApiError {
  const issues = error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [...path, key], message: 'not a parameter of this command' }));
    return [{ path, message: issue.message }];
  });
  const first = issues[0] ?? { path: [...prefix], message: 'is not right' };
  const message = issues
    .slice(0, 10)
    .map((issue) => `${issue.path.length === 0 ? 'the command' : issue.path.join('.')}: ${issue.message}`)
    .join('; ');
  return { type: 'invalid_input', message, path: first.path };
}
