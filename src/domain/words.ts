// Plain words for what a key expects and for what stands there instead. They are made from the JSON Schema of a part,
// so that a message, the reference and an editor never say different things.

import { z } from 'zod';
import { memberOf } from './named.ts';

export type SchemaNode = z.core.JSONSchema.BaseSchema;

const known = new WeakMap<z.ZodType, SchemaNode>();

/** The JSON Schema of what may be written (defaults left out, durations as text); made once for each schema. */
export function writtenForm(schema: z.ZodType): SchemaNode {
  const made = known.get(schema) ?? z.toJSONSchema(schema, OPTIONS);
  known.set(schema, made);
  return made;
}

const OPTIONS: z.core.ToJSONSchemaParams = {
  io: 'input',
  target: 'draft-7',
  unrepresentable: 'any',
  // Ours say what is written; by itself zod takes them for what comes out and drops them wherever a value is
  // transformed.
  override: ({ zodSchema, jsonSchema }) => {
    const words = z.globalRegistry.get(zodSchema);
    if (Array.isArray(words?.['examples'])) jsonSchema.examples = words['examples'];
    if (words?.['default'] !== undefined) jsonSchema.default = words['default'];
  },
};

const isNode = (value: unknown): value is SchemaNode =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const asNode = (value: unknown): SchemaNode | null => (isNode(value) ? value : null);

export const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/**
 * What stands at `path` below `node`; null where that is open or not described. Of several forms, the first that has it
 * and that `value` says it has.
 */
export function nodeAt(node: SchemaNode | null, path: readonly PropertyKey[], value?: unknown): SchemaNode | null {
  const [step, ...rest] = path;
  if (node === null || step === undefined) return node;
  const forms = formsOf(node);
  const meant = forms.filter((form) => isMeant(form, value));
  for (const form of meant.length > 0 ? meant : forms) {
    const inner = typeof step === 'number' ? itemOf(form, step) : keyOf(form, String(step));
    const found = nodeAt(inner, rest, isNode(value) || Array.isArray(value) ? Reflect.get(value, step) : undefined);
    if (found !== null) return found;
  }
  return null;
}

/** Whether a value names this form: by the keys that stand for one thing only. */
function isMeant(form: SchemaNode, value: unknown): boolean {
  if (!isNode(value)) return true;
  return Object.entries(form.properties ?? {}).every(([key, inner]) => {
    const fixed = asNode(inner)?.const;
    return fixed === undefined || !Object.hasOwn(value, key) || Reflect.get(value, key) === fixed;
  });
}

/** Lists of one kind have one form for all that stands in them; others have one for each place. */
const itemOf = ({ items }: SchemaNode, place: number): SchemaNode | null =>
  asNode(Array.isArray(items) ? items[place] : items);

function keyOf(node: SchemaNode, key: string): SchemaNode | null {
  const properties = node.properties ?? {};
  return Object.hasOwn(properties, key) ? asNode(memberOf(properties, key)) : asNode(node.additionalProperties);
}

/** The forms that a value may take: itself, where it has only one. */
export function formsOf(node: SchemaNode): SchemaNode[] {
  const forms = node.anyOf ?? node.oneOf;
  return forms === undefined ? [node] : forms.map(asNode).filter((form) => form !== null);
}

export function keysOf(node: SchemaNode | null): string[] {
  return node === null ? [] : [...new Set(formsOf(node).flatMap((form) => Object.keys(form.properties ?? {})))];
}

/** `a whole number from 1 to 255`, `one of card, code`, `a list, each a name …`. */
export function expectation(node: SchemaNode | null): string {
  if (node === null) return 'something else';
  const words = textOf(node['patternErrorMessage']);
  if (words !== null) return words;
  const forms = formsOf(node);
  if (forms.length > 1) return [...new Set(forms.map(expectation))].join(', or ');
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) return node.enum.length === 1 ? String(node.enum[0]) : `one of ${node.enum.join(', ')}`;
  return memberOf(EXPECTATIONS, String(node.type))?.(node) ?? 'something else';
}

const EXPECTATIONS: Readonly<Record<string, (node: SchemaNode) => string>> = {
  integer: (node) => `a whole number${range(node)}`,
  number: (node) => `a number${range(node)}`,
  boolean: () => 'true or false',
  null: () => 'null',
  string: (node) =>
    node.maxLength === undefined ? 'text' : `text of ${node.minLength ?? 0} to ${grouped(node.maxLength)} characters`,
  array: (node) => {
    if (Array.isArray(node.items))
      return `a list of ${node.items.length}: ${node.items.map((item) => expectation(asNode(item))).join(', ')}`;
    return `a list${count(node)}${node.items === undefined ? '' : `, each ${expectation(asNode(node.items))}`}`;
  },
  object: (node) => {
    const keys = keysOf(node);
    return keys.length === 0 ? 'names, each with its own keys' : `a mapping with ${keys.join(', ')}`;
  },
};

function range(node: SchemaNode): string {
  const { minimum, maximum } = node;
  const low = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? null : grouped(minimum);
  const high = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? null : grouped(maximum);
  if (low !== null && high !== null) return ` from ${low} to ${high}`;
  if (low !== null) return `, ${low} or more`;
  return high === null ? '' : `, ${high} or less`;
}

function count({ minItems = 0, maxItems }: SchemaNode): string {
  if (maxItems !== undefined)
    return minItems === maxItems ? ` of ${maxItems}` : ` of ${minItems} to ${grouped(maxItems)}`;
  return minItems === 0 ? '' : ` of at least ${minItems}`;
}

export const grouped = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 6 });

/** An example as it is written in YAML on one line: the key's own example, its default, or its first choice. */
export function example(node: SchemaNode | null): string | null {
  if (node === null) return null;
  const [given] = Array.isArray(node['examples']) ? node['examples'] : [];
  const value = given ?? node.default ?? node.const ?? node.enum?.[0];
  return value === undefined ? null : flow(value);
}

/** A value in YAML's flow style. */
export function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}: ${flow(inner)}`)
      .join(', ')}}`;
  }
  if (typeof value === 'string' && NEEDS_QUOTES.test(value)) return `'${value.replaceAll("'", "''")}'`;
  return typeof value === 'number' && value >= 10_000 && value % 1_000 === 0
    ? grouped(value).replaceAll(',', '_')
    : String(value);
}

/** What would begin something else in YAML, or end the text too early. */
const NEEDS_QUOTES = /^$|^[\s&*!|>'"%@`#?-]|[{}[\],]|:\s|:$|\s#|\s$/;

/** What stands there, in a few words, printable on any terminal. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') {
    const text = value.replace(/:\/\/\S*@/, '://…@'); // a password may stand there
    return `"${printable(text.length > 60 ? `${text.slice(0, 60)}…` : text)}"`;
  }
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'something else';
}

// eslint-disable-next-line no-control-regex -- control characters are exactly what is replaced
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Without the characters with which a text could steer a terminal. */
export const printable = (text: string): string => text.replace(CONTROL, '�');

/** The candidate that was probably meant: few letters away, or one within the other. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const typed = word.toLowerCase().replaceAll('-', '_');
  const limit = Math.max(1, Math.floor(typed.length / 3));
  let best: { candidate: string; distance: number } | null = null;
  for (const candidate of candidates) {
    const plain = candidate.toLowerCase().replaceAll('-', '_');
    const isPart = typed.length >= 3 && plain.length >= 3 && (plain.startsWith(typed) || typed.startsWith(plain));
    const distance = isPart ? 1 : editDistance(typed.slice(0, 80), plain.slice(0, 80));
    if (distance <= limit && (best === null || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate ?? null;
}

/** The question whether that was meant, where a candidate is near; else what may be written, or `otherwise`. */
export function didYouMean(word: string, candidates: readonly string[], otherwise?: string): string {
  const meant = nearest(word, candidates);
  return meant === null ? (otherwise ?? `there are ${candidates.join(', ') || 'none'}`) : `did you mean ${meant}?`;
}

/** The same as a sentence; empty where no candidate is near. */
export function meantWord(word: string, candidates: readonly string[]): string {
  const meant = nearest(word, candidates);
  return meant === null ? '' : `Did you mean ${meant}?`;
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one to the other. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
