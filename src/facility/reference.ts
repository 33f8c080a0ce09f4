// The reference of the facility file in docs/, made from the schema: one table for each mapping, with every key, what
// it takes, its default and what it means. What stands above the marker in that document is written by hand and kept.

import type { DriverModule } from '../domain/driver-module.ts';
import { facilitySchema } from './schema.ts';
import { asNode, expectation, flow, formsOf, textOf, writtenForm, type SchemaNode } from '../domain/words.ts';

export const REFERENCE_MARKER = '<!-- Everything below this line is made from the schema. -->';

/** The document with its generated part made anew below the marker. */
export function withReference(document: string, drivers: readonly DriverModule[]): string {
  const [introduction = ''] = document.split(REFERENCE_MARKER);
  return `${introduction.trimEnd()}\n\n${REFERENCE_MARKER}\n\n${reference(drivers)}`;
}

function reference(drivers: readonly DriverModule[]): string {
  const sections: string[] = [];
  const root = writtenForm(facilitySchema(drivers));
  describe(root, '', { sections, described: new Map() });
  return `${sections.join('\n\n')}\n`;
}

/** Sections written so far, and where each mapping was described: the same one is not described twice. */
type Progress = { sections: string[]; described: Map<string, string> };

/** One section for the mapping at `path`, then one for each mapping within it. */
function describe(node: SchemaNode, path: string, progress: Progress): void {
  const keys = Object.entries(node.properties ?? {})
    .flatMap(([key, value]) => {
      const inner = asNode(value);
      return inner === null ? [] : [{ key, inner, path: path === '' ? key : `${path}.${key}` }];
    })
    .sort((a, b) => rank(a.key) - rank(b.key));
  const open = keys.filter(({ inner, path: at }) => isMapping(inner) && !isDescribed(inner, at, progress));
  const rows = keys.map(({ key, inner, path: at }) => {
    const isRequired = node.required?.includes(key) ?? false;
    const takes = isMapping(inner) ? `a mapping: ${whereDescribed(inner, at, progress)}` : expectation(inner);
    return row([`\`${key}\``, takes, defaultOf(inner, isRequired), meaning(inner)]);
  });
  const title = path === '' ? '## Keys of the file' : `## ${path}`;
  const table = ['| key | takes | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
  progress.sections.push([title, node.description ?? '', table].filter((part) => part !== '').join('\n\n'));
  for (const { inner, path: at } of open) describe(inner, at, progress);
  for (const { inner, path: at } of keys) describeNamed(inner, at, progress);
}

/** A section of names, each with keys of its own: one section for each form that those keys may take. */
function describeNamed(node: SchemaNode, path: string, progress: Progress): void {
  const value = asNode(node.additionalProperties);
  if (value === null || isMapping(node)) return;
  progress.sections.push(`## ${path}\n\n${node.description ?? ''}`);
  for (const form of formsOf(value)) describe(form, `${path}.NAME (${form.title ?? ''})`, progress);
}

const isMapping = (node: SchemaNode): boolean => Object.keys(node.properties ?? {}).length > 0;
const identity = (node: SchemaNode): string => JSON.stringify(node.properties);

/** Remembers where a mapping is described first. */
function isDescribed(node: SchemaNode, path: string, { described }: Progress): boolean {
  const known = described.has(identity(node));
  if (!known) described.set(identity(node), path);
  return known;
}

const whereDescribed = (node: SchemaNode, path: string, { described }: Progress): string =>
  described.get(identity(node)) ?? path;

/** What everything else depends on is named first. */
const rank = (key: string): number => (key === 'driver' || key === 'bus' ? 0 : 1);

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;

function defaultOf(node: SchemaNode, isRequired: boolean): string {
  if (isRequired) return 'required';
  if (node.default === undefined || isMapping(node)) return '';
  const written = flow(node.default);
  return written === '{}' ? '' : `\`${written}\``;
}

function meaning(node: SchemaNode): string {
  const example = Array.isArray(node.examples) && node.default === undefined ? node.examples[0] : undefined;
  const words = [node.description ?? '', example === undefined ? '' : `E.g. \`${flow(example)}\`.`];
  return words.filter((part) => part !== '').join(' ') || (textOf(node.title) ?? '');
}
