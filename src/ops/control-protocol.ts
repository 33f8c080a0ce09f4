// The language of the local control socket: one JSON object a line, in both directions. A client may have several
// requests under way on one connection, told apart by their `id`; a request that streams is answered by items and then,
// like every other, by one reply. What kinds of requests there are is not known here.

import { ERROR_TYPES, type ApiError } from '../domain/errors.ts';
import { readJson } from '../domain/outside-json.ts';

/**
 * `{id, kind, …}`. `kind: 'cancel'` is the socket's own: it ends the request of that id, whose reply then says
 * `interrupted`.
 */
export type ControlRequest = { id: string | number; kind: string } & Readonly<Record<string, unknown>>;
export type ControlItem = { id: string | number; item: unknown };
/** `id` is null when the line was no request. */
export type ControlReply =
  | { id: string | number | null; ok: true; result: unknown }
  | { id: string | number | null; ok: false; error: ApiError };

/** Where the daemon of a facility listens. */
export function controlPath(facility: string): string {
  return `/run/lintel/${facility}/control.sock`;
}

/** Longest path of a unix socket on Linux, in bytes (unix(7): sun_path with its closing zero). */
export const MAX_SOCKET_PATH = 107;

/**
 * Cuts a stream of bytes into lines, of which the longest may have `maxBytes`. Keeps at most one line that is not
 * whole.
 */
export class LineReader {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True while a line has begun and not ended. */
  get isInLine(): boolean {
    return this.#size > 0;
  }

  /**
   * The lines that `bytes` completes, without their ends; null once a line is too long, after which the reader is of no
   * more use.
   */
  push(bytes: Buffer): Buffer[] | null {
    const lines: Buffer[] = [];
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      if (!this.#keep(bytes.subarray(from, end))) return null;
      lines.push(Buffer.concat(this.#parts));
      this.#parts = [];
      this.#size = 0;
      from = end + 1;
    }
    return this.#keep(bytes.subarray(from)) ? lines : null;
  }

  #keep(part: Buffer): boolean {
    this.#size += part.length;
    if (part.length > 0) this.#parts.push(part);
    return this.#size <= this.#maxBytes;
  }
}

const NEWLINE = 0x0a;

/** A line as a request, or what is wrong with it. */
export function readRequest(line: Buffer): ControlRequest | { id: null; problem: string } {
  const read = readJson(line);
  if ('problem' in read)
    return { id: null, problem: `a request is one JSON object on one line: this one ${read.problem}` };
  if (!isRecord(read.value)) return { id: null, problem: 'a request is one JSON object on one line' };
  const { id, kind } = read.value;
  if (!isId(id)) return { id: null, problem: '`id` must be a number or a text of at most 128 characters' };
  if (typeof kind !== 'string') return { id: null, problem: '`kind` must be a text' };
  return { ...read.value, id, kind };
}

/** A line as a reply or an item; null when it is neither. */
export function readAnswer(line: Buffer): ControlReply | ControlItem | null {
  const read = readJson(line);
  if ('problem' in read || !isRecord(read.value)) return null;
  const { value } = read;
  const { id, ok, item, result, error } = value;
  if (isId(id) && 'item' in value) return { id, item };
  if (id !== null && !isId(id)) return null;
  if (ok === true) return { id, ok, result };
  return ok === false && isApiError(error) ? { id, ok, error } : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is string | number {
  return Number.isSafeInteger(value) || (typeof value === 'string' && value.length <= 128);
}

function isApiError(value: unknown): value is ApiError {
  if (!isRecord(value) || typeof value['message'] !== 'string') return false;
  return ERROR_TYPES.some((type) => type === value['type']);
}
