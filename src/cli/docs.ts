// Writes what is made from the contract of commands and the catalogue of events: the reference in docs/mqtt-api.md,
// below its marker, and the tables of events. What stands around them is written by hand and kept. Run it whenever one
// of the two has changed; a test fails while the page is stale.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS, isCommandName, type CommandName } from '../commands/contract.ts';
import type { CommandSpec } from '../commands/contract/spec.ts';
import { ERROR_TYPES } from '../domain/errors.ts';
import { asNode, formsOf, textOf, writtenForm, type SchemaNode } from '../domain/words.ts';
import { kindOf, type ParamKind } from './contract-options.ts';
import { withEvents } from './event-docs.ts';
import { HOME } from './version.ts';

const MARKER = '<!-- Everything below this line is made from the contract in src/commands/contract.ts. -->';

export const API_PAGE = join(HOME, 'docs', 'mqtt-api.md');

/** The page with its generated part made anew. */
export function withCommands(page: string): string {
  const [byHand = ''] = page.split(MARKER);
  const names = Object.keys(COMMANDS).filter(isCommandName);
  const resources = [...new Set(names.map((name) => resourceOf(name)))];
  const sections = resources.map((resource) => {
    const own = names.filter((name) => resourceOf(name) === resource);
    return [`## ${resource}`, ...own.map(commandSection)].join('\n\n');
  });
  return `${[byHand.trimEnd(), MARKER, overview(resources, names), ...sections, errors()].join('\n\n')}\n`;
}

const resourceOf = (name: string): string => name.split('/')[0] ?? '';
const verbOf = (name: string): string => name.split('/')[1] ?? '';

function overview(resources: readonly string[], names: readonly CommandName[]): string {
  const verbs = (resource: string): string =>
    names
      .filter((name) => resourceOf(name) === resource)
      .map((name) => `\`${verbOf(name)}\``)
      .join(', ');
  const rows = resources.map((resource) => `| \`${resource}\` | ${verbs(resource)} |`);
  return ['# Commands', ['| resource | verbs |', '|---|---|', ...rows].join('\n')].join('\n\n');
}

const KINDS: Readonly<Record<CommandSpec['kind'], string>> = {
  reads: 'Reads: it has no effect and is not remembered.',
  stores: 'Stores: answered once it is durable.',
  moves: 'Moves something: needs `expires_at`, and happens at most once.',
  works: 'Takes time: accepted durably, answered when it is done.',
};

function commandSection(name: CommandName): string {
  const spec: CommandSpec = COMMANDS[name];
  const node = writtenForm(spec.params);
  const rows = Object.entries(node.properties ?? {}).flatMap(([param, value]) => {
    const inner = asNode(value);
    return inner === null ? [] : [paramRow(param, inner, node.required?.includes(param) === true)];
  });
  const table = rows.length === 0 ? '' : ['| parameter | takes | meaning |', '|---|---|---|', ...rows].join('\n');
  const example = ['```json', JSON.stringify(spec.example), '```'].join('\n');
  return [
    `### ${name}`,
    `${spec.summary} ${spec.effect ?? KINDS[spec.kind]}${spec.mustExpire === true ? ' Needs `expires_at`.' : ''}`,
    table,
    `Answers ${spec.result}.`,
    example,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function paramRow(param: string, node: SchemaNode, isRequired: boolean): string {
  const forms = formsOf(node);
  const form = forms.find((one) => one.type !== 'null') ?? node;
  const meaning = textOf(node.description) ?? textOf(form.description) ?? '';
  const standard = node.default ?? form.default;
  const takes = [
    takesOf(form),
    ...(forms.some((one) => one.type === 'null') ? ['or null'] : []),
    ...(standard === undefined ? [] : [`default \`${JSON.stringify(standard)}\``]),
  ];
  const cells = [`\`${param}\`${isRequired ? ' (required)' : ''}`, takes.join(', '), meaning];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

const TAKES: Readonly<Record<ParamKind, (form: SchemaNode) => string>> = {
  id: () => 'an id',
  instant: () => 'an instant',
  text: (form) =>
    form.enum === undefined
      ? `text${form.maxLength === undefined ? '' : `, at most ${form.maxLength} characters`}`
      : `one of ${form.enum.map((choice) => `\`${String(choice)}\``).join(', ')}`,
  whole: (form) =>
    (form.maximum ?? Number.MAX_SAFE_INTEGER) < Number.MAX_SAFE_INTEGER
      ? `${form.minimum ?? 0} to ${form.maximum ?? ''}`
      : 'a whole number',
  switch: () => 'true or false',
  list: (form) => `a list of ${asNode(form.items)?.format === 'uuid' ? 'ids' : 'texts'}`,
  json: (form) =>
    form.type === 'array'
      ? 'a list'
      : `an object${form.properties === undefined ? '' : ` with ${backquoted(Object.keys(form.properties))}`}`,
};

const takesOf = (form: SchemaNode): string => TAKES[kindOf(form)](form);
const backquoted = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

const errors = (): string => `## Error types\n\n${backquoted(ERROR_TYPES)}.`;

/** The page as it should be. */
export const pageFrom = (page: string): string => withEvents(withCommands(page));

if (import.meta.main) writeFileSync(API_PAGE, pageFrom(readFileSync(API_PAGE, 'utf8')));
