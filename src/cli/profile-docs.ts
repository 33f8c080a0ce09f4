// Writes what is made from the schema of controller profiles: the table of shipped profiles and the reference in
// docs/profiles.md, below its marker, and the JSON Schema by which an editor checks and completes a profile. Run it
// whenever a key has changed; a test fails while they are stale.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { profileSchema } from '../../drivers/modbus/profile-schema.ts';
import { loadProfile, shippedNames } from '../../drivers/modbus/profile.ts';
import { asNode, expectation, flow, formsOf, writtenForm, type SchemaNode } from '../domain/words.ts';
import { HOME } from './version.ts';

export const PROFILE_MARKER =
  '<!-- Everything below this line is made from the schema in drivers/modbus/profile-schema.ts and the profiles beside it. -->';
export const PROFILE_PAGE = join(HOME, 'docs', 'profiles.md');
const PROFILE_SCHEMA_FILE = join(HOME, 'config', 'profile.schema.json');

/** Each generated file with the text that it should have. */
export function generatedProfileFiles(): { path: string; text: string }[] {
  return [
    { path: PROFILE_PAGE, text: withProfileReference(readFileSync(PROFILE_PAGE, 'utf8')) },
    { path: PROFILE_SCHEMA_FILE, text: `${JSON.stringify(writtenForm(profileSchema), null, 2)}\n` },
  ];
}

/** The page with its generated part made anew below the marker. */
export function withProfileReference(page: string): string {
  const [byHand = ''] = page.split(PROFILE_MARKER);
  const sections: string[] = [];
  describe(writtenForm(profileSchema), '', { sections, described: new Map() });
  const shipped = ['## The profiles that come along', shippedTable()];
  return `${[byHand.trimEnd(), PROFILE_MARKER, ...shipped, '## All keys', ...sections].join('\n\n')}\n`;
}

/** How sure each of them is, is the first thing to know. */
function shippedTable(): string {
  const rows = shippedNames().map((name) => {
    const { profile } = loadProfile(name, HOME);
    if (profile === null) throw new Error(`the shipped profile ${name} is not good`);
    const { title, provenance, credentials, outputs, inputs, reader } = profile;
    const has = [
      ...(credentials === undefined ? [] : [`${credentials.table.count} credentials`]),
      ...(reader === undefined ? [] : ['a card reader']),
      ...(outputs.length === 0 ? [] : [`${outputs.length} output${outputs.length === 1 ? '' : 's'}`]),
      ...(inputs.length === 0 ? [] : [`${inputs.length} inputs`]),
    ];
    return row([`\`${name}\``, title, provenance.status, has.join(', ')]);
  });
  return ['| profile | device | provenance | has |', '|---|---|---|---|', ...rows].join('\n');
}

/** Every key of a profile, with its path: `reader.card.bits`. */
export function profileKeys(): string[] {
  const found = new Set<string>();
  const walk = (node: SchemaNode, path: string): void => {
    for (const form of mappingsIn(node)) {
      for (const { key, inner } of keysIn(form)) {
        found.add(join2(path, key));
        walk(inner, join2(path, key));
      }
    }
  };
  walk(writtenForm(profileSchema), '');
  return [...found];
}

/** Sections written so far, and where each mapping was described: the same one is not described twice. */
type Progress = { sections: string[]; described: Map<string, string> };

/** One table for the mapping at `path`, then one for each mapping within it. */
function describe(node: SchemaNode, path: string, progress: Progress): void {
  const keys = keysIn(node);
  const open = keys.flatMap(({ key, inner }) =>
    mappingsIn(inner)
      .map((form, _, forms) => ({ form, at: titleOf(join2(path, key), form, forms) }))
      .filter(({ form, at }) => !isDescribed(form, at, progress)),
  );
  const rows = keys.map(({ key, inner }) => {
    const isRequired = node.required?.includes(key) ?? false;
    return row([
      `\`${key}\``,
      takesOf(inner, join2(path, key), progress),
      defaultOf(inner, isRequired),
      wordsOf(inner),
    ]);
  });
  const table = ['| key | takes | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
  const title = path === '' ? '' : `### ${path}`;
  progress.sections.push([title, table].filter((part) => part !== '').join('\n\n'));
  for (const { form, at } of open) describe(form, at, progress);
}

/** The mappings that a value is, may be, or is a list of. */
function mappingsIn(node: SchemaNode): SchemaNode[] {
  const items = asNode(node.items);
  if (items !== null) return mappingsIn(items);
  return formsOf(node).flatMap((form) =>
    Object.keys(form.properties ?? {}).length > 0 ? [form] : form === node ? [] : mappingsIn(form),
  );
}

const keysIn = (node: SchemaNode): { key: string; inner: SchemaNode }[] =>
  Object.entries(node.properties ?? {}).flatMap(([key, value]) => {
    const inner = asNode(value);
    return inner === null ? [] : [{ key, inner }];
  });

/** `events (mode: ring)`, where what else may stand there depends on one key. */
function titleOf(path: string, form: SchemaNode, forms: readonly SchemaNode[]): string {
  if (forms.length === 1) return path;
  const [key, value] =
    keysIn(form)
      .map(({ key: name, inner }) => [name, inner.const] as const)
      .find(([name, constant]) => typeof constant === 'string' && DISCRIMINATORS.includes(name)) ?? [];
  return key === undefined ? path : `${path} (${key}: ${String(value)})`;
}
const DISCRIMINATORS = ['mode', 'kind', 'verb', 'area'];

function isDescribed(form: SchemaNode, at: string, { described }: Progress): boolean {
  const identity = JSON.stringify([form.properties, form.required]);
  const known = described.has(identity);
  if (!known) described.set(identity, at);
  return known;
}

function takesOf(node: SchemaNode, path: string, { described }: Progress): string {
  const forms = mappingsIn(node);
  if (forms.length === 0) return expectation(node);
  const own = forms.map((form) => titleOf(path, form, forms));
  const places = forms.map(
    (form, i) => described.get(JSON.stringify([form.properties, form.required])) ?? own[i] ?? path,
  );
  const isOwn = places.every((place, i) => place === own[i]);
  const list = `${asNode(node.items) === null ? 'a mapping' : 'a list of mappings'}${isOwn ? ':' : ' as in'} ${[...new Set(places)].join(', ')}`;
  const plain = formsOf(node).filter((form) => mappingsIn(form).length === 0);
  return plain.length === 0 || asNode(node.items) !== null
    ? list
    : `${plain.map(expectation).join(', or ')}, or ${list}`;
}

function defaultOf(node: SchemaNode, isRequired: boolean): string {
  if (isRequired) return 'required';
  if (node.default === undefined || mappingsIn(node).length > 0) return '';
  const written = flow(node.default);
  return ['{}', '[]'].includes(written) ? '' : `\`${written}\``;
}

const wordsOf = (node: SchemaNode): string => node.description ?? formsOf(node)[0]?.description ?? '';
const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
const join2 = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

if (import.meta.main) {
  for (const { path, text } of generatedProfileFiles()) writeFileSync(path, text);
}
