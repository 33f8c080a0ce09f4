// JSON that came from outside, within bounds: nothing walks it by recursion, hashes or stores it before it is known to
// be neither deep nor endless, and to hold only text that can be written down again.

import { quoted, quotedPath, readText } from './outside-text.ts';

export type JsonBounds = {
  /** Objects and lists in one another, the outermost counted. */
  depth: number;
  /** Members of objects and items of lists, at all depths together. */
  values: number;
};

/** For one message or one object of a message. */
export const MOST_DEPTH = 32;
export const MOST_VALUES = 2_000;
export const MOST_KEY_CHARACTERS = 256;

export type JsonProblem = {
  problem: string;
  path: readonly (string | number)[];
  /** What it says all the same, to find out whom to answer; undefined: nothing can be read. */
  value: unknown;
};

/**
 * Bytes as JSON, or what is wrong with them, without the text around it, which may hold a PIN. Bounds are the business
 * of `flawOf`.
 */
export function readJson(bytes: Buffer): { value: unknown } | JsonProblem {
  const read = readText(bytes);
  const parsed = parse(read.text);
  if (read.flaw !== undefined)
    return {
      problem: `${read.flaw.problem}. Remedy: write it as UTF-8`,
      path: [],
      value: 'value' in parsed ? parsed.value : undefined,
    };
  if ('value' in parsed) return parsed;
  if (parsed.position === null)
    return { problem: 'is not JSON: it ends too early or holds what JSON does not know', path: [], value: undefined };
  const at = Buffer.byteLength(read.text.slice(0, parsed.position)) + (read.hasMark ? 3 : 0);
  return { problem: `is not JSON: it breaks at byte ${at}`, path: [], value: undefined };
}

function parse(text: string): { value: unknown } | { position: number | null } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    return { position: position === undefined ? null : Number(position) };
  }
}

type Step = { value: unknown; key: string | number | null; above: Step | null; depth: number };

/** The first thing in `value` that breaks a bound; null: none does. Never recurses, and stops at the bound. */
export function flawOf(value: unknown, bounds: JsonBounds): Omit<JsonProblem, 'value'> | null {
  const open: Step[] = [{ value, key: null, above: null, depth: 0 }];
  let values = 0;
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    const problem = flawIn(step, bounds);
    if (problem !== null) return { problem, path: quotedPath(pathOf(step)) };
    if (typeof step.value !== 'object' || step.value === null) continue;
    const entries: Iterable<[string | number, unknown]> = Array.isArray(step.value)
      ? step.value.entries()
      : Object.entries(step.value);
    for (const [key, inner] of entries) {
      if (++values > bounds.values)
        return { problem: `has more than ${bounds.values} members and items`, path: quotedPath(pathOf(step)) };
      open.push({ value: inner, key, above: step, depth: step.depth + 1 });
    }
  }
  return null;
}

function flawIn({ value, key, depth }: Step, bounds: JsonBounds): string | null {
  if (typeof key === 'string') {
    if (key.length > MOST_KEY_CHARACTERS) return `has a key of more than ${MOST_KEY_CHARACTERS} characters`;
    if (!key.isWellFormed()) return HALF_PAIR;
  }
  if (typeof value === 'string') return value.isWellFormed() ? null : HALF_PAIR;
  return typeof value === 'object' && value !== null && depth >= bounds.depth
    ? `nests deeper than ${bounds.depth}`
    : null;
}

const HALF_PAIR = 'holds half of a surrogate pair (\\ud800 to \\udfff alone), which no text can hold';

function pathOf(step: Step): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at: Step | null = step; at !== null; at = at.above) if (at.key !== null) path.unshift(at.key);
  return path;
}

/** A problem in one sentence, beginning with where it is. */
export const problemAt = (whole: string, { problem, path }: Omit<JsonProblem, 'value'>): string =>
  `${path.length === 0 ? whole : quoted(path.join('.'), 200)} ${problem}`;
