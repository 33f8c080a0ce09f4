// Text that came from outside: bytes are text only when they are UTF-8, and of what they say little is ever repeated,
// in an error, an event or a line of the log.

import { isUtf8 } from 'node:buffer';
import { printable } from './words.ts';

/** So much of a text from outside is quoted, in characters. */
export const MOST_QUOTED = 64;

/** A text from outside as it may be repeated: its beginning, without what could steer a terminal. */
export function quoted(text: string, most = MOST_QUOTED): string {
  if (text.length <= most) return printable(text).toWellFormed();
  // Half of a pair at the cut would be a character of its own.
  const kept = text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '');
  return `${printable(kept).toWellFormed()}…`;
}

/** The same for a path of keys and places: of each step its beginning, and of a long path its first steps. */
export const quotedPath = (path: readonly (string | number)[]): (string | number)[] =>
  path.slice(0, MOST_STEPS).map((step) => (typeof step === 'string' ? quoted(step) : step));

const MOST_STEPS = 12;

/** Cut to `most` characters; for texts of our own that may have grown by what they quote. */
export const cut = (text: string, most: number): string => (text.length <= most ? text : quoted(text, most));

export type OutsideText = {
  text: string;
  hasMark: boolean;
  /** What is wrong, and the line where it is, counted from 1. */
  flaw?: { problem: string; line: number };
};

const MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const NEWLINE = 0x0a;

/**
 * Bytes as text. A byte order mark in front is passed over. What is not UTF-8 is a problem that names the place; its
 * `text` is for finding out whom it came from.
 */
export function readText(bytes: Buffer): OutsideText {
  const hasMark = bytes.subarray(0, MARK.length).equals(MARK);
  const body = hasMark ? bytes.subarray(MARK.length) : bytes;
  const text = body.toString('utf8');
  if (isUtf8(body)) return { text, hasMark };
  const at = firstBadByte(body, Buffer.from(text, 'utf8'));
  const key = lastKeyIn(body.toString('utf8', 0, at));
  const near = key === null ? '' : `, behind the key "${quoted(key)}"`;
  const byte = (body[at] ?? 0).toString(16).padStart(2, '0');
  const problem = `is not UTF-8 text: byte 0x${byte} at offset ${at + (hasMark ? MARK.length : 0)}${near}`;
  const line = body.subarray(0, at).filter((one) => one === NEWLINE).length + 1;
  return { text, hasMark, flaw: { problem, line } };
}

/**
 * Where the first sequence of bytes begins that is no character. `back` is `bytes` with every such sequence replaced.
 */
function firstBadByte(bytes: Buffer, back: Buffer): number {
  let differs = 0;
  while (differs < bytes.length && bytes[differs] === back[differs]) differs++;
  // The replacement may begin with the same bytes as what it replaces.
  for (let at = differs; at >= Math.max(0, differs - 3); at--) if (isUtf8(bytes.subarray(0, at))) return at;
  return differs;
}

/** In JSON or YAML. */
function lastKeyIn(text: string): string | null {
  let last: string | null = null;
  for (const [, quotedKey, bareKey] of text.matchAll(/"((?:[^"\\]|\\.)*)"\s*:|^[ \t-]*([\w.-]+):/gm))
    last = quotedKey ?? bareKey ?? last;
  return last;
}
