// What is wrong with a value that does not fit its schema, in words made from the schema itself. A schema's own message
// (a refinement's, a driver's) goes before these; what the library would say by itself never reaches people.

import type { z } from 'zod';
import { asNode, expectation, formsOf, keysOf, nodeAt, type SchemaNode, writtenForm } from './words.ts';
import { memberOf } from './named.ts';

type Issue = z.core.$ZodIssue;
export type PlainPath = readonly (string | number)[];

/** For `safeParse`: an empty message marks what the schema has no words for. */
export const UNWORDED = { error: () => '' };

/** One thing that is wrong, at its place in the value. */
export type Complaint = { path: PlainPath; issue: Issue } & (
  | { what: 'unknown_key'; key: string; known: readonly string[] }
  /** The schema has said it itself. */
  | { what: 'said'; message: string }
  | { what: 'missing' | 'unfit'; expected: string; node: SchemaNode | null }
);

/** Everything that is wrong, in the order in which it was found. The issues are those of a parse with `UNWORDED`. */
export function complaintsOf(schema: z.ZodType, value: unknown, issues: readonly Issue[]): Complaint[] {
  const root = writtenForm(schema);
  return issues.flatMap((issue) => complaintsAt(root, value, issue, []));
}

function complaintsAt(root: SchemaNode, value: unknown, issue: Issue, prefix: PlainPath): Complaint[] {
  const path = [...prefix, ...plainPath(issue.path)];
  const node = nodeAt(root, path, value);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ what: 'unknown_key', path: [...path, key], key, known: keysOf(node), issue }));
  const found = valueAt(value, path);
  if (issue.message !== '') {
    const isMissing = found === undefined && issue.code !== 'custom';
    return isMissing
      ? [{ what: 'missing', path, expected: issue.message, node, issue }]
      : [{ what: 'said', path, message: issue.message, issue }];
  }
  if (issue.code === 'invalid_union') {
    const nearest = nearestForm(issue, found);
    if (nearest !== null) return nearest.flatMap((one) => complaintsAt(root, value, one, path));
  }
  const expected = choiceAt(root, path, value) ?? expectation(node);
  return [{ what: found === undefined ? 'missing' : 'unfit', path, expected, node, issue }];
}

/** Of several forms that a value may have, what is wrong with the one it is nearest to; null where none is near. */
export function nearestForm(issue: Extract<Issue, { code: 'invalid_union' }>, found: unknown): Issue[] | null {
  if (typeof found !== 'object') return null;
  const fitting = issue.errors.filter(
    (issues) => !issues.some((one) => one.path.length === 0 && one.code === 'invalid_type'),
  );
  return fitting.toSorted((a, b) => a.length - b.length)[0] ?? null;
}

/** Where several forms differ in one key, that key is what all of them together allow. */
function choiceAt(root: SchemaNode, path: PlainPath, value: unknown): string | null {
  const key = path.at(-1);
  const holder = nodeAt(root, path.slice(0, -1), value);
  if (holder === null || typeof key !== 'string') return null;
  const values = formsOf(holder).flatMap((form) => {
    const inner = asNode(memberOf(form.properties ?? {}, key));
    return inner?.const === undefined ? [] : [String(inner.const)];
  });
  return values.length > 1 ? `one of ${[...new Set(values)].join(', ')}` : null;
}

export const plainPath = (path: readonly PropertyKey[]): (string | number)[] =>
  path.map((step) => (typeof step === 'symbol' ? step.toString() : step));

export function valueAt(value: unknown, path: PlainPath): unknown {
  let inner = value;
  for (const step of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, step)) return undefined;
    inner = Reflect.get(inner, step) as unknown;
  }
  return inner;
}
