// How a command of the CLI reaches an agent: over the control socket of this machine, or over the broker from anywhere.
// Both carry the same envelope and give the same reply, so that a command does not know which it is.

import { readFileSync } from 'node:fs';
import type { CommandName } from '../commands/contract.ts';
import type { ApiError } from '../domain/errors.ts';
import { DURATION_FORM, parseDuration } from '../domain/duration.ts';
import { DEFAULT_PREFIX } from '../facility/values.ts';
import { whySecretUnread, whyUnread } from '../facility/file-errors.ts';
import type { Given, Option } from './options.ts';
import type { Fields } from '../domain/fields.ts';
import { UsageError } from './terminal.ts';

export type Envelope = {
  command_id: string;
  issued_at?: string;
  expires_at?: string;
  sender?: string;
  params: Record<string, unknown>;
};

export type Reply =
  { command_id: string | null; ok: true; result: Fields } | { command_id: string | null; ok: false; error: ApiError };

export type Channel = {
  /** Where it leads, for people. */
  readonly where: string;
  /**
   * Sends a command and waits for its reply. Throws an OperatingError when none came within `timeoutMs`, or could not
   * come.
   */
  command(name: CommandName, envelope: Envelope, timeoutMs: number): Promise<Reply>;
  /** The facility's time zone; null where it cannot be learnt in a moment. */
  timeZone(): Promise<string | null>;
  /** One look at the agent: what `lintel status` shows. */
  status(timeoutMs: number): Promise<Fields>;
  /** Events from `fromSequence` on, in order, each once, until `signal` is aborted. */
  follow(fromSequence: number, onEvent: (event: Fields) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
};

export const CHANNEL_OPTIONS: readonly Option[] = [
  { name: 'facility', value: 'NAME', description: 'Which facility, where this machine serves several, or with --url' },
  { name: 'socket', value: 'PATH', description: 'The control socket of a running agent' },
  { name: 'url', value: 'URL', description: 'Over a broker instead: mqtt(s)://user@host:port or ws(s)://…' },
  { name: 'password-file', value: 'FILE', description: 'With --url: the password at the broker' },
  { name: 'ca', value: 'FILE', description: "With --url: PEM of the authority behind the broker's certificate" },
  { name: 'cert', value: 'FILE', description: 'With --url: PEM of a client certificate, together with --key' },
  { name: 'key', value: 'FILE', description: 'With --url: PEM of its private key' },
  { name: 'topic-prefix', value: 'PREFIX', description: `With --url: mqtt.topic_prefix, default ${DEFAULT_PREFIX}` },
  { name: 'timeout', value: 'DURATION', description: 'How long to wait for the reply, default 10s (2m for long work)' },
  { name: 'json', value: null, description: 'For machines: one JSON object a line' },
];

/** A file, or standard input for `-`. */
export const readInput = (file: string, where: string): Buffer => readOr(whyUnread, file, where);

/** The same for a file that holds a secret. */
export const readSecretInput = (file: string, where: string): Buffer => readOr(whySecretUnread, file, where);

function readOr(why: (error: unknown) => string, file: string, where: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new UsageError(`${where}: ${file === '-' ? 'standard input' : file} cannot be read: ${why(error)}`);
  }
}

const LONGEST_WAIT_MS = 3_600_000;

export function timeoutOf(given: Given, standardMs: number): number {
  const text = given.text('timeout');
  if (text === null) return standardMs;
  const waitMs = DURATION_FORM.test(text) ? parseDuration(text) : 0;
  if (waitMs > 0 && waitMs <= LONGEST_WAIT_MS) return waitMs;
  throw new UsageError('--timeout: a duration up to 1h, with its unit, e.g. 10s');
}

/** A reply as it came over the wire; null when it is none. */
export function readReply(value: unknown): Reply | null {
  if (typeof value !== 'object' || value === null || !('ok' in value)) return null;
  const { ok } = value;
  const hasBody = ok === true ? 'result' in value : ok === false && 'error' in value;
  return hasBody ? (value as Reply) : null;
}
