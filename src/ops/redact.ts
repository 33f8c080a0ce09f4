// The second net under the rule that no secret is ever handed to a log: fields are copied, and whatever sits under a
// name that secrets go by is left out, at any depth. The copy is bounded too, so that no value, however large or
// circular, can fill a disk or hold up the loop.

import { constants } from 'node:os';

export const REDACTED = '[redacted]';

const MAX_DEPTH = 8;
const MAX_ENTRIES = 200;
const MAX_TEXT = 4000;

/** Names of secrets, without case, `_` and `-`. */
const SECRET_NAMES = new Set(
  [
    ...['code', 'codes', 'access_code', 'pin', 'pins', 'pin_code', 'digits', 'digit'],
    ...['card', 'cards', 'card_number', 'card_numbers', 'card_value', 'card_bits', 'bits', 'uid'],
    ...[
      'key',
      'keys',
      'scbk',
      'scbk_d',
      'password',
      'passwd',
      'passphrase',
      'secret',
      'secrets',
      'token',
      'authorization',
    ],
    ...['content', 'contents', 'image'],
  ].map(plainName),
);
/** A name that ends in one of these is a secret whatever comes before it, e.g. `master_key`. */
const SECRET_ENDINGS = ['pin', 'cardnumber', 'key', 'password', 'passphrase', 'secret', 'token', 'accesscode'];

const ERRNO_NAMES = new Set(Object.keys(constants.errno));

/**
 * A copy of `fields` that may be written down: secrets by name, bytes by their count only, long texts and deep trees
 * cut. Never throws.
 */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactRecord(fields, 0, new Set([fields]));
}

function redactValue(value: unknown, depth: number, above: Set<object>): unknown {
  switch (typeof value) {
    case 'string':
      return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}… (${value.length} characters)` : value;
    case 'bigint':
      return value.toString();
    case 'object':
      return value === null ? null : redactObject(value, depth, above);
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
    default:
      return value;
  }
}

function redactObject(value: object, depth: number, above: Set<object>): unknown {
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (value instanceof Error) return redactError(value, depth, above);
  if (value instanceof Map) return redactValue([...value.entries()], depth, above);
  if (value instanceof Set) return redactValue([...value], depth, above);
  return redactTree(value, depth, above);
}

/** Arrays and plain objects. `above` holds the objects on the way down, so that only true circles are cut. */
function redactTree(value: object, depth: number, above: Set<object>): unknown {
  if (above.has(value)) return '[circular]';
  if (depth >= MAX_DEPTH) return '[too deep]';
  above.add(value);
  const copy = Array.isArray(value) ? redactArray(value, depth, above) : redactRecord(value, depth, above);
  above.delete(value);
  return copy;
}

function redactArray(values: readonly unknown[], depth: number, above: Set<object>): unknown[] {
  const copy = values.slice(0, MAX_ENTRIES).map((value) => redactValue(value, depth + 1, above));
  return values.length > MAX_ENTRIES ? [...copy, `… ${values.length - MAX_ENTRIES} more`] : copy;
}

function redactRecord(record: object, depth: number, above: Set<object>): Record<string, unknown> {
  const names = Object.keys(record);
  const entries = names.slice(0, MAX_ENTRIES).map((name) => [name, named(record, name, depth, above)] as const);
  if (names.length > MAX_ENTRIES) entries.push(['…', `${names.length - MAX_ENTRIES} more`]);
  return Object.fromEntries(entries); // own properties even for names like `__proto__`
}

function named(owner: object, name: string, depth: number, above: Set<object>): unknown {
  let value: unknown;
  try {
    value = Reflect.get(owner, name);
  } catch {
    return '[unreadable]';
  }
  return isSecret(name, value) ? REDACTED : redactValue(value, depth + 1, above);
}

function redactError(error: Error, depth: number, above: Set<object>): unknown {
  const { name, message, stack } = error;
  const more = redactTree(error, depth, above);
  return typeof more === 'string' ? more : { ...(more as object), name, message, stack };
}

function isSecret(name: string, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean') return false;
  const plain = plainName(name);
  if (plain === 'code') return !isPublicCode(value);
  return SECRET_NAMES.has(plain) || SECRET_ENDINGS.some((ending) => plain.endsWith(ending));
}

/**
 * `ENOENT`, `ERR_…` and words joined by `_` are the codes of errors and faults; a PIN or a card value never looks like
 * them.
 */
function isPublicCode(value: unknown): boolean {
  return typeof value === 'string' && (ERRNO_NAMES.has(value) || /^(ERR(_[A-Z]+)+|[a-z]+(_[a-z]+)+)$/.test(value));
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '');
}
