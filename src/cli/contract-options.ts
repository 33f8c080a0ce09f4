// From the contract to options and back: each parameter of a command is an option of the CLI, with its description, and
// what was typed becomes the parameters that the command takes. Nothing about a single command stands here.

import { flawOf, MOST_DEPTH, problemAt } from '../domain/outside-json.ts';
import { readText } from '../domain/outside-text.ts';
import { complaintText } from '../domain/complaints.ts';
import { COMMANDS, type CommandName } from '../commands/contract.ts';
import { MOST_APPLY_VALUES } from '../commands/contract/envelope.ts';
import { DURATION_FORM, parseDuration } from '../domain/duration.ts';
import { complaintsOf, UNWORDED, type Complaint } from '../domain/wording.ts';
import { asNode, formsOf, textOf, writtenForm, type SchemaNode } from '../domain/words.ts';
import type { Given, Option } from './options.ts';
import { UsageError } from './terminal.ts';

export type ParamKind = 'text' | 'instant' | 'id' | 'whole' | 'switch' | 'list' | 'json';

/** One parameter of a command, as it is typed. */
export type ParamOption = Option & {
  /** Its name in the contract. */
  param: string;
  kind: ParamKind;
  /** `null` may be given, and clears what was set. */
  isNullable: boolean;
  choices: readonly string[];
};

/** What nobody should read in the process list or the history of a shell: may be given on standard input. */
export const SECRET_PARAMS: ReadonlySet<string> = new Set(['code']);

export const optionName = (param: string): string => param.replaceAll('_', '-');

export function paramOptions(name: CommandName): ParamOption[] {
  const node = writtenForm(COMMANDS[name].params);
  return Object.entries(node.properties ?? {}).flatMap(([param, value]) => {
    const inner = asNode(value);
    return inner === null ? [] : [paramOption(param, inner, node.required?.includes(param) === true)];
  });
}

function paramOption(param: string, node: SchemaNode, required: boolean): ParamOption {
  const forms = formsOf(node);
  const isNullable = forms.some((form) => form.type === 'null');
  const form = forms.find((one) => one.type !== 'null') ?? node;
  const kind = kindOf(form);
  const choices = (form.enum ?? []).map(String);
  return {
    param,
    name: optionName(param),
    value: choices.length > 0 && choices.length <= 4 ? choices.join('|') : PLACEHOLDERS[kind],
    description: `${describe(node, form, kind, isNullable)}${SECRET_PARAMS.has(param) ? '; - asks for it, or reads it from standard input' : ''}`,
    required,
    many: kind === 'list',
    kind,
    isNullable,
    choices,
  };
}

const PLACEHOLDERS: Readonly<Record<ParamKind, string | null>> = {
  text: 'TEXT',
  instant: 'TIME',
  id: 'ID',
  whole: 'N',
  switch: null,
  list: 'A,B',
  json: 'JSON',
};

export function kindOf(form: SchemaNode): ParamKind {
  if (form.type === 'string')
    return form.format === 'date-time' ? 'instant' : form.format === 'uuid' ? 'id' : ('text' as const);
  if (form.type === 'integer') return 'whole';
  if (form.type === 'boolean') return 'switch';
  const items = form.type === 'array' ? asNode(form.items) : null;
  return items?.type === 'string' ? 'list' : 'json';
}

function describe(node: SchemaNode, form: SchemaNode, kind: ParamKind, isNullable: boolean): string {
  const said = textOf(node.description) ?? textOf(form.description) ?? '';
  const standard = node.default ?? form.default;
  return [
    said,
    ...((form.enum?.length ?? 0) > 4 ? [`one of ${(form.enum ?? []).join(', ')}`] : []),
    ...(standard === undefined || kind === 'switch' ? [] : [`default ${JSON.stringify(standard)}`]),
    ...(isNullable ? ['null clears it'] : []),
  ].join('; ');
}

/**
 * What was typed, as the parameters of a command. Throws UsageError for what cannot be read; what may be said is the
 * contract's to check.
 */
export function paramsFrom(given: Given, options: readonly ParamOption[], nowMs: number): Record<string, unknown> {
  return Object.fromEntries(
    options.filter(({ name }) => given.has(name)).map((option) => [option.param, valueOf(given, option, nowMs)]),
  );
}

function valueOf(given: Given, option: ParamOption, nowMs: number): unknown {
  const text = given.text(option.name) ?? '';
  if (option.isNullable && text === 'null') return null;
  switch (option.kind) {
    case 'switch':
      return given.switched(option.name);
    case 'whole':
      if (!/^-?[0-9]{1,15}$/.test(text)) throw new UsageError(`--${option.name}: a whole number, not "${text}"`);
      return Number(text);
    case 'list':
      return given.all(option.name).flatMap(listItems);
    case 'json':
      return readJson(text, `--${option.name}`);
    case 'instant':
      return instantText(text, `--${option.name}`, nowMs);
    case 'id':
    case 'text':
      return text;
  }
}

/** `a,b` is two; `''`, `none` and `[]` are none at all. */
const listItems = (text: string): string[] =>
  ['', 'none', '[]'].includes(text.trim()) ? [] : text.split(',').map((item) => item.trim());

/** `now` and `+2h` are reckoned by the clock of this machine; everything else is for the contract to judge. */
function instantText(text: string, where: string, nowMs: number): string {
  if (text === 'now') return new Date(nowMs).toISOString();
  const isAhead = text.startsWith('+') && DURATION_FORM.test(text.slice(1));
  if (isAhead) return new Date(nowMs + parseDuration(text.slice(1))).toISOString();
  if (/^[0-9]/.test(text)) return text;
  throw new UsageError(
    `${where}: an RFC 3339 instant with an offset, e.g. 2026-03-01T10:40:00Z; or now; or +2h from now`,
  );
}

/**
 * JSON of an option or a file, within the bounds of a command. What is wrong with it is said without the text around
 * it, which may hold a PIN.
 */
export function readJson(content: string | Buffer, where: string): unknown {
  const { text, flaw: bad } = readText(Buffer.isBuffer(content) ? content : Buffer.from(content));
  if (bad !== undefined) throw new UsageError(`${where}: the content ${bad.problem}. Remedy: write it as UTF-8`);
  const value = parsed(text, where);
  const flaw = flawOf(value, { depth: MOST_DEPTH, values: MOST_APPLY_VALUES });
  if (flaw !== null) throw new UsageError(`${where}: ${problemAt('the content', flaw)}`);
  return value;
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw new UsageError(
      `${where}: this is no JSON${position === undefined ? '' : ` (it breaks at character ${Number(position) + 1})`}`,
    );
  }
}

/** Parameters as the contract reads them, or a UsageError that names the options. */
export function checkParams(name: CommandName, params: Record<string, unknown>): void {
  const schema = COMMANDS[name].params;
  const checked = schema.safeParse(params, UNWORDED);
  if (checked.success) return;
  const complaints = complaintsOf(schema, params, checked.error.issues);
  throw new UsageError(complaints.map(asTyped).join('\n        '));
}

function asTyped(complaint: Complaint): string {
  if (complaint.what === 'unknown_key') return `${complaint.path.join('.')}: ${complaintText(complaint)}`;
  const [first, ...rest] = complaint.path;
  const option = first === undefined ? 'the parameters' : `--${optionName(String(first))}`;
  if (complaint.what === 'missing' && first !== undefined && rest.length === 0) return `${option} is missing`;
  return `${option}${rest.length === 0 ? '' : ` (${rest.join('.')})`}: ${complaintText(complaint)}`;
}
