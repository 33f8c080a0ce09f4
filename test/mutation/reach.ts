// Which test comes by which place of a file: a mark before each statement, and before the body of each short function,
// that a test run leaves behind.

import ts from 'typescript';
import { parse, type Mutant } from './mutants.ts';

/** A place that every test comes by who loads the file. */
export const ON_LOADING = -1;

export type Marked = {
  source: string;
  /** By mutant: the mark that a run leaves on its way there. */
  marks: number[];
  /** The number behind the last of them. */
  next: number;
};

type Insertion = { at: number; text: string };

/** `first`: the number of the first mark, where several files are marked at once. */
export function marked(source: string, mutants: readonly Mutant[], first = 0): Marked {
  const file = parse(source);
  const places = new Map<ts.Node, number>();
  const marks = mutants.map(({ start, end }) => {
    const place = placeOf(innermost(file, start, end), file);
    if (place === null) return ON_LOADING;
    const mark = places.get(place) ?? first + places.size;
    places.set(place, mark);
    return mark;
  });
  const insertions = [...places].flatMap(([place, mark]) => insertionsAt(place, mark, file));
  return { source: withInsertions(source, insertions), marks, next: first + places.size };
}

function innermost(file: ts.SourceFile, start: number, end: number): ts.Node {
  let found: ts.Node = file;
  const look = (node: ts.Node): void => {
    if (node.getStart(file) > start || node.getEnd() < end) return;
    found = node;
    ts.forEachChild(node, look);
  };
  ts.forEachChild(file, look);
  return found;
}

/**
 * The nearest statement inside a function, or the whole body of a function that is one expression; null: it runs as the
 * file is loaded.
 */
function placeOf(from: ts.Node, file: ts.SourceFile): ts.Node | null {
  for (let node = from; node !== file; node = node.parent) {
    const { parent } = node;
    if (ts.isArrowFunction(parent) && parent.body === node && !ts.isBlock(node)) return node;
    if (ts.isBlock(parent) || ts.isCaseOrDefaultClause(parent)) return ts.isStatement(node) ? node : null;
    if (ts.isStatement(node) && !ts.isBlock(node) && isBranch(parent)) return node;
  }
  return null;
}

const isBranch = (node: ts.Node): boolean => ts.isIfStatement(node) || ts.isIterationStatement(node, false);

function insertionsAt(place: ts.Node, mark: number, file: ts.SourceFile): Insertion[] {
  const call = `globalThis.reached?.add(${mark})`;
  const start = place.getStart(file);
  if (!ts.isStatement(place)) return [{ at: start, text: `(${call}, ` }, { at: place.getEnd(), text: ')' }]; // prettier-ignore
  if (isBranch(place.parent)) return [{ at: start, text: `{ ${call}; ` }, { at: place.getEnd(), text: ' }' }]; // prettier-ignore
  return [{ at: start, text: `${call}; ` }];
}

function withInsertions(source: string, insertions: readonly Insertion[]): string {
  const sorted = [...insertions].sort((a, b) => b.at - a.at);
  return sorted.reduce(
    (text, insertion) => text.slice(0, insertion.at) + insertion.text + text.slice(insertion.at),
    source,
  );
}
