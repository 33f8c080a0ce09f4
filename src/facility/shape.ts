// Checks one section of the file against its schema and words what is wrong for the person at the keyboard: what was
// expected, what stands there, what to write. A schema's own message (a refinement's, a driver's) goes before ours.

import type { z } from 'zod';
import { nearestForm, plainPath, UNWORDED } from '../domain/wording.ts';
import { isSecretPath, type Report } from './report.ts';
import { example, expectation, keysOf, meantWord, nodeAt, shown, textOf, writtenForm } from '../domain/words.ts';
import type { SchemaNode } from '../domain/words.ts';
import type { KeyPath } from './yaml-source.ts';
import { memberOf } from '../domain/named.ts';
import { quoted } from '../domain/outside-text.ts';

type Issue = z.core.$ZodIssue;
/**
 * What a schema does not know about its own section: keys that are read elsewhere, and what to say of keys that belong
 * elsewhere.
 */
export type KeyHints = { keys?: readonly string[]; of?: Readonly<Record<string, string>> };

/**
 * What `value` means by `schema`, its defaults filled in; null when that cannot be told. Everything wrong goes to the
 * report, and unknown keys alone do not keep the rest from being understood.
 */
export function readShape<S extends z.ZodType>(
  schema: S,
  value: unknown,
  path: KeyPath,
  report: Report,
  hints: KeyHints = {},
): z.output<S> | null {
  const result = schema.safeParse(value, UNWORDED);
  if (result.success) return result.data;
  const section: Section = { node: writtenForm(schema), value, path, report, hints };
  for (const issue of result.error.issues) reportIssue(section, issue, []);
  const known = schema.safeParse(withoutUnknownKeys(value, result.error.issues), UNWORDED);
  return known.success ? known.data : null;
}

/**
 * What `value` would mean with its wrong parts left to their defaults or examples: good enough to go on checking what
 * depends on it, never to run on. Null when even that cannot be told.
 */
export function assumedShape<S extends z.ZodType>(schema: S, value: unknown): z.output<S> | null {
  const assumed = structuredClone(isMapping(value) ? { ...value } : {}) as Record<string, unknown>;
  const replaced = new Set<string>();
  for (let round = 0; round < MOST_ASSUMED; round++) {
    const result = schema.safeParse(assumed);
    if (result.success) return result.data;
    for (const issue of result.error.issues) assumeFor(schema, assumed, issue, replaced);
  }
  return null;
}

const MOST_ASSUMED = 6;

/** Takes a wrong key away at first; where it cannot be absent, puts an example in its place. */
function assumeFor(schema: z.ZodType, assumed: Record<string, unknown>, issue: Issue, replaced: Set<string>): void {
  const wrong =
    issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : [String(issue.path[0] ?? '')];
  for (const key of wrong) {
    if (Object.hasOwn(assumed, key) && !replaced.has(key)) {
      Reflect.deleteProperty(assumed, key);
    } else {
      const sample = sampleOf(nodeAt(writtenForm(schema), [key], assumed));
      if (sample !== undefined)
        Object.defineProperty(assumed, key, { value: sample, enumerable: true, configurable: true });
    }
    replaced.add(key);
  }
}

function sampleOf(node: SchemaNode | null): unknown {
  if (node === null) return undefined;
  const [given] = Array.isArray(node['examples']) ? (node['examples'] as readonly unknown[]) : [];
  return given ?? node.default ?? node.const ?? node.enum?.[0];
}

type Section = { node: SchemaNode; value: unknown; path: KeyPath; report: Report; hints: KeyHints };

function reportIssue(section: Section, issue: Issue, prefix: KeyPath): void {
  const inner = [...prefix, ...plainPath(issue.path)];
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) reportUnknownKey(section, inner, key);
    return;
  }
  if (issue.code === 'invalid_union' && issue.message === '' && reportNearestForm(section, issue, inner)) return;
  const value = valueAt(section.value, inner);
  if (value === undefined && issue.code !== 'custom') {
    reportMissing(section, inner);
    return;
  }
  // Who knows the device has said what it can do: what the form alone allows would contradict that.
  if (section.report.refuses([...section.path, ...inner])) return;
  const node = nodeAt(section.node, inner, section.value);
  section.report.error(
    [...section.path, ...inner],
    message(section, inner, issue, node),
    remedy(section, inner, issue, node),
  );
}

function message(section: Section, inner: KeyPath, issue: Issue, node: SchemaNode | null): string {
  if (issue.message !== '') return issue.message;
  const path = [...section.path, ...inner];
  const found = valueAt(section.value, inner);
  const secret = isSecretPath(path) && typeof found !== 'object';
  return `expected ${expectation(node)}, found ${secret ? 'something else' : shown(found)}`;
}

function remedy(section: Section, inner: KeyPath, issue: Issue, node: SchemaNode | null): string {
  const own = issue.code === 'custom' ? textOf(issue.params?.['remedy']) : null;
  if (own !== null) return own;
  const found = valueAt(section.value, inner);
  const meant = typeof found === 'string' ? meantWord(found, choicesOf(node)) : '';
  if (meant !== '') return meant;
  const key = [...section.path, ...inner].findLast((step) => typeof step === 'string') ?? '';
  return `${forExample(key, node, 'Write')}${sentence(node)}`.trim() || `Write ${expectation(node)}.`;
}

const choicesOf = (node: SchemaNode | null): string[] => (node?.enum ?? []).map(String);

function forExample(key: string, node: SchemaNode | null, verb: string): string {
  const shownExample = example(node);
  return shownExample === null ? '' : `${verb} for example \`${key}: ${shownExample}\`. `;
}

function sentence(node: SchemaNode | null): string {
  const [first] = (node?.description ?? '').split(/(?<=\.)\s/);
  return first === undefined || first === '' ? '' : first;
}

function reportMissing(section: Section, inner: KeyPath): void {
  const key = String(inner.at(-1) ?? '');
  const node = nodeAt(section.node, inner, section.value);
  section.report.error(
    [...section.path, ...inner],
    'this key is missing',
    `${forExample(key, node, 'Add') || `Add ${key}: ${expectation(node)}. `}${sentence(node)}`.trim(),
    'key',
  );
}

function reportUnknownKey(section: Section, inner: KeyPath, key: string): void {
  const path = [...section.path, ...inner];
  // Under a key that holds a secret, what looks like a key may be the secret.
  if (isSecretPath(path)) {
    section.report.unknownKey(path, 'unknown key', `Keys here: ${keysOf(nodeAt(section.node, inner)).join(', ')}.`);
    return;
  }
  const { keys: more = [], of: hints = {} } = inner.length === 0 ? section.hints : {};
  const keys = [...more, ...keysOf(nodeAt(section.node, inner))];
  const meant = meantWord(key, keys);
  const hint = memberOf(hints, key);
  section.report.unknownKey(
    [...path, key],
    `unknown key "${quoted(key)}"`,
    hint ?? `${meant} Keys here: ${keys.join(', ')}.`.trim(),
  );
}

function reportNearestForm(
  section: Section,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  inner: KeyPath,
): boolean {
  const nearest = nearestForm(issue, valueAt(section.value, inner));
  for (const one of nearest ?? []) reportIssue(section, one, inner);
  return nearest !== null;
}

export function valueAt(value: unknown, path: KeyPath): unknown {
  let inner = value;
  for (const step of path) {
    if (Array.isArray(inner) && typeof step === 'number') inner = inner[step] as unknown;
    else if (isMapping(inner) && Object.hasOwn(inner, step)) inner = memberOf(inner, String(step));
    else return undefined;
  }
  return inner;
}

export const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function withoutUnknownKeys(value: unknown, issues: readonly Issue[]): unknown {
  const copy = structuredClone(value);
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const holder = valueAt(copy, plainPath(issue.path));
    if (isMapping(holder)) for (const key of issue.keys) Reflect.deleteProperty(holder, key);
  }
  return copy;
}

/** A section of the file's top level; empty where it is none. */
export function section(root: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, unknown>> {
  const value = memberOf(root, name);
  return isMapping(value) ? value : {};
}
