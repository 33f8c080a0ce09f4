// YAML with its places: plain data on one side, and on the other where in the text each key and value stands, so that
// every later finding can point at it. Plain means plain: no tags, no merge keys, no second document; aliases are
// followed within bounds.

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, ErrorCode, Node, Scalar, ScalarTag, YAMLError } from 'yaml';

export type KeyPath = readonly (string | number)[];
export type Span = { start: number; end: number };

type Tree =
  | { kind: 'map'; span: Span; entries: Map<string, { key: Span; value: Tree }> }
  | { kind: 'list'; span: Span; items: Tree[] }
  | { kind: 'scalar'; span: Span; value: unknown };

/**
 * Something wrong with the text itself. `syntax` ones make what follows unreliable; a `doubt` is a question, and stops
 * nothing.
 */
export type TextFinding = {
  offset: number;
  path: KeyPath;
  message: string;
  remedy: string;
  syntax: boolean;
  doubt?: boolean;
};

export type YamlSource = {
  text: string;
  value: unknown;
  findings: TextFinding[];
  has(path: KeyPath): boolean;
  /** Offset of the key or the value at `path`; where that is not in the text, of the key of what encloses it. */
  offsetOf(path: KeyPath, at: 'key' | 'value'): number;
  lineAndColumn(offset: number): { line: number; column: number };
  /** Every key in the text with its path and the spans of key and value, from the outside in. */
  keys(): Iterable<{ path: KeyPath; key: Span; value: Span; isMap: boolean }>;
};

const MAX_DEPTH = 40;
const MAX_NODES = 200_000;

/** Whole numbers may be grouped, `2_000_000`, as YAML 1.1 and most languages allow. */
const groupedInteger: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[0-9]{1,3}(_[0-9]{3})+$/,
  resolve: (text) => Number(text.replaceAll('_', '')),
};

export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    stringKeys: true,
    schema: 'core',
    resolveKnownTags: false,
    merge: false,
    customTags: (tags) => [groupedInteger, ...tags],
    logLevel: 'error',
  });
  const findings = [...document.errors, ...document.warnings].map(syntaxFinding);
  const tree = new TreeBuilder(document, findings).build(document.contents, []);
  return {
    text,
    value: plain(tree),
    findings,
    has: (path) => follow(tree, path).found,
    offsetOf: (path, at) => {
      const { found, keyOffset, valueOffset } = follow(tree, path);
      return at === 'value' && found ? valueOffset : keyOffset;
    },
    lineAndColumn: (offset) => {
      const { line, col } = lines.linePos(Math.min(offset, text.length));
      return { line: Math.max(1, line), column: Math.max(1, col) };
    },
    keys: () => keysOf(tree, []),
  };
}

// ---- from nodes to a tree -------------------------------------------------------------------------------------------

class TreeBuilder {
  readonly #document: Document;
  readonly #findings: TextFinding[];
  #nodes = 0;

  constructor(document: Document, findings: TextFinding[]) {
    this.#document = document;
    this.#findings = findings;
  }

  build(node: Node | null, path: KeyPath, fallback: Span = { start: 0, end: 0 }): Tree {
    const own = spanOf(node);
    // A value that is not there (`strike:` and nothing behind it) is shown at its key.
    const span = own === null || own.start === own.end ? fallback : own;
    this.#nodes++;
    if (path.length > MAX_DEPTH || this.#nodes > MAX_NODES) return this.#refuse(span, path);
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target === undefined) this.#findings.push({ ...NO_ANCHOR, offset: span.start, path });
      return { ...this.build(target ?? null, path, span), span };
    }
    if (isMap<Node, Node | null>(node)) return this.#map(node, path, span);
    if (isSeq<Node | null>(node)) {
      return { kind: 'list', span, items: node.items.map((item, i) => this.build(item, [...path, i], span)) };
    }
    if (isScalar(node)) this.#askLeadingZero(node, path, span);
    return { kind: 'scalar', span, value: isScalar(node) ? plainScalar(node.value, node.source) : null };
  }

  /** Eight to older parsers and to whoever set a switch by octal digits, ten here. */
  #askLeadingZero({ value, source = '' }: Scalar, path: KeyPath, span: Span): void {
    if (typeof value !== 'number' || !/^[-+]?0[0-9]+$/.test(source)) return;
    const octal = /^[-+]?0[0-7]+$/.test(source) ? `, or ${Number.parseInt(source, 8)} if octal was meant` : '';
    this.#findings.push({
      offset: span.start,
      path,
      message: `${source.slice(0, 20)} is read as ${value}: a leading zero means nothing here`,
      remedy: `Write ${value}${octal}.`,
      syntax: false,
      doubt: true,
    });
  }

  #map(node: { items: { key: Node; value: Node | null }[] }, path: KeyPath, span: Span): Tree {
    const entries = new Map<string, { key: Span; value: Tree }>();
    for (const pair of node.items) {
      const keySpan = spanOf(pair.key) ?? span;
      if (!isScalar<string>(pair.key)) continue; // reported as NON_STRING_KEY already
      const key = pair.key.value;
      const first = entries.get(key);
      if (first !== undefined || key === '__proto__') {
        this.#findings.push({
          offset: keySpan.start,
          path: [...path, key],
          message: first === undefined ? 'this is no name for a key' : 'this key stands here twice',
          remedy:
            first === undefined ? 'Choose another name.' : 'Keep one of the two, or put both together under one key.',
          syntax: false,
        });
        continue;
      }
      entries.set(key, { key: keySpan, value: this.build(pair.value, [...path, key], keySpan) });
    }
    return { kind: 'map', span, entries };
  }

  #refuse(span: Span, path: KeyPath): Tree {
    // One finding says it: a bomb of aliases would otherwise give one for each of its leaves.
    if (this.#findings.every((finding) => finding.message !== TOO_MUCH)) {
      this.#findings.push({
        offset: span.start,
        path: path.slice(0, 3),
        message: TOO_MUCH,
        remedy: `Write it with fewer levels (at most ${MAX_DEPTH}) and without aliases that repeat each other.`,
        syntax: true,
      });
    }
    return { kind: 'scalar', span, value: null };
  }
}

const NO_ANCHOR = {
  message: 'a * refers to something that is not there',
  remedy: 'Put the value in quotes, if it is meant to begin with *.',
  syntax: false,
};
const TOO_MUCH = 'this is nested too deeply or repeated too often by aliases';

function spanOf(node: Node | null | undefined): Span | null {
  const range = node?.range;
  return range ? { start: range[0], end: range[1] } : null;
}

function plainScalar(value: unknown, source: string | undefined): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  return source ?? null;
}

function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(plain);
  return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, plain(entry.value)]));
}

// ---- places ---------------------------------------------------------------------------------------------------------

function follow(root: Tree, path: KeyPath): { found: boolean; keyOffset: number; valueOffset: number } {
  let tree = root;
  let keyOffset = root.span.start;
  for (const step of path) {
    const entry = tree.kind === 'map' ? tree.entries.get(String(step)) : undefined;
    const item = tree.kind === 'list' && typeof step === 'number' ? tree.items[step] : undefined;
    if (entry === undefined && item === undefined) return { found: false, keyOffset, valueOffset: keyOffset };
    keyOffset = entry?.key.start ?? item?.span.start ?? keyOffset;
    tree = entry?.value ?? item ?? tree;
  }
  return { found: true, keyOffset, valueOffset: tree.span.start };
}

function* keysOf(tree: Tree, path: KeyPath): Generator<{ path: KeyPath; key: Span; value: Span; isMap: boolean }> {
  if (tree.kind === 'scalar') return;
  if (tree.kind === 'list') {
    for (const [i, item] of tree.items.entries()) yield* keysOf(item, [...path, i]);
    return;
  }
  for (const [name, entry] of tree.entries) {
    const inner = [...path, name];
    yield { path: inner, key: entry.key, value: entry.value.span, isMap: entry.value.kind === 'map' };
    yield* keysOf(entry.value, inner);
  }
}

// ---- what is wrong with the text ------------------------------------------------------------------------------------

const NOT_ALIGNED = 'Keys of one mapping begin in the same column, and what belongs to a key stands deeper than it.';
const QUOTE_IT = 'Put the value in quotes.';

/** The parser's own messages may repeat what stands in the file, a secret too: these do not. */
const SYNTAX: Readonly<Partial<Record<ErrorCode, readonly [message: string, remedy: string]>>> = {
  BAD_ALIAS: [NO_ANCHOR.message, NO_ANCHOR.remedy],
  ALIAS_PROPS: ['a reference (*) takes no anchor and no tag', 'Leave the anchor or tag out.'],
  BAD_DIRECTIVE: ['this directive is not understood', 'Leave the line that begins with % out.'],
  BAD_DQ_ESCAPE: ['unknown escape in double quotes', 'Write \\\\ for a backslash, or use single quotes.'],
  BAD_INDENT: ['the indentation does not fit', NOT_ALIGNED],
  BAD_PROP_ORDER: ['an anchor or tag stands in the wrong place', 'Leave the anchor or tag out.'],
  BAD_SCALAR_START: ['a value cannot begin with this character', QUOTE_IT],
  BLOCK_AS_IMPLICIT_KEY: ['two keys on one line', 'Write each key on a line of its own, or {a: …, b: …}.'],
  BLOCK_IN_FLOW: ['a block stands inside { } or [ ]', 'Write it inside the braces, parted by commas.'],
  KEY_OVER_1024_CHARS: ['a key is longer than 1,024 characters', 'Look for a missing colon or quote before it.'],
  MISSING_CHAR: ['a character is missing', 'Look for a missing colon, comma, quote or closing brace here or before.'],
  MULTILINE_IMPLICIT_KEY: ['a key goes on over several lines', 'Look for a missing colon or quote before it.'],
  MULTIPLE_DOCS: ['a second document begins here', 'One file is one facility: leave out the line ---.'],
  NON_STRING_KEY: ['a key is not a plain name', 'Write a name, a colon and the value.'],
  RESOURCE_EXHAUSTION: [TOO_MUCH, 'Write it with fewer levels.'],
  TAB_AS_INDENT: ['a tab stands in the indentation', 'Indent with spaces: YAML knows no tabs there.'],
  TAG_RESOLVE_FAILED: ['tags (!…) have no meaning here', `Leave the tag out, or put the value in quotes.`],
  UNEXPECTED_TOKEN: [
    'this is not expected here',
    'Look for a missing colon, comma, quote or closing brace here or before.',
  ],
};

function syntaxFinding(error: YAMLError): TextFinding {
  const [message, remedy] = SYNTAX[error.code] ?? ['this is not YAML', NOT_ALIGNED];
  return { offset: error.pos[0], path: [], message: `not readable as YAML: ${message}`, remedy, syntax: true };
}
