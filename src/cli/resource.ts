// `lintel users | credentials | groups | entrances | controllers | facility VERB …`: every command of the contract, from the
// contract. Its options, its help and what is checked before anything is sent all come from there.

import { mustExpire, COMMANDS, isCommandName, type CommandName } from '../commands/contract.ts';
import type { CommandSpec } from '../commands/contract/spec.ts';
import { memberOf } from '../domain/named.ts';
import { meantWord } from '../domain/words.ts';
import { systemClock } from '../ops/clock.ts';
import { CHANNEL_OPTIONS, readInput, timeoutOf, type Envelope } from './channel.ts';
import { openChannel } from './open-channel.ts';
import {
  checkParams,
  optionName,
  paramOptions,
  paramsFrom,
  readJson,
  SECRET_PARAMS,
  type ParamOption,
} from './contract-options.ts';
import { optionRows, type HelpPage, type Program } from './help.ts';
import { mintCommandId } from './local-channel.ts';
import { ENTRANCE, ENTRANCE_LISTS, GROUP, resolveNames, USER, withoutNames } from './names.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { printReply } from './reply.ts';
import { FROM_INPUT, readSecretLine } from './secret-line.ts';
import { isFields } from '../domain/fields.ts';
import { UsageError, type Terminal } from './terminal.ts';

const COMMAND_OPTIONS: readonly Option[] = [
  { name: 'params', value: 'JSON', description: 'Parameters as JSON, beside or instead of the options above' },
  {
    name: 'file',
    value: 'FILE',
    description: 'The same from a file (- for standard input): {…}, or [operations] for apply',
  },
  {
    name: 'command-id',
    value: 'ID',
    description: 'Sent again with the same id, a command is answered and not done again',
  },
];

const REPLY_MS = 10_000;
/** What takes time: a comparison of a whole table, 500 operations. */
const WORK_MS = 120_000;
const waitMs = ({ takesMs, kind }: CommandSpec): number => takesMs ?? (kind === 'works' ? WORK_MS : REPLY_MS);
/** The furthest ahead that what moves a door may expire. */
const MOST_AHEAD_MS = 60_000;

/** `typed`: what people type for it. */
export function resourceProgram(resource: string, typed = resource): Program {
  TYPED.set(resource, typed);
  return {
    help: ([verb]) => {
      const name = verb === undefined ? null : commandName(resource, verb);
      return name === null ? resourceHelp(resource) : commandHelp(name);
    },
    run: (argv, terminal) => run(resource, argv, terminal),
  };
}

/** Resources that people call otherwise than the contract. */
const TYPED = new Map<string, string>();
const typedResource = (resource: string): string => TYPED.get(resource) ?? resource;
/** One verb under a word of its own. */
export function verbProgram(resource: string, verb: string): Program {
  const whole = resourceProgram(resource);
  return {
    help: () => {
      const page = whole.help([verb]);
      const short = (line: string): string => line.replace(`lintel ${resource} ${verb}`, `lintel ${verb}`);
      return { ...page, usage: page.usage.map(short), ...(page.examples && { examples: page.examples.map(short) }) };
    },
    run: (argv, terminal) => whole.run([verb, ...argv], terminal),
  };
}

async function run(resource: string, argv: readonly string[], terminal: Terminal): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === undefined || verb.startsWith('-'))
    throw new UsageError(`lintel ${typedResource(resource)} needs a verb: ${verbsOf(resource).join(', ')}`);
  const name = commandName(resource, verb);
  const params = paramOptions(name);
  const help = `lintel ${typedResource(resource)} ${typedVerb(verb)} --help`;
  const given = readOptions(rest, [...params, ...COMMAND_OPTIONS, ...CHANNEL_OPTIONS], help);
  const secret = secretAskedFor(params, given);
  const stated = paramsOf(name, params, given);
  const asked = secret === null ? stated : await withSecret(stated, secret, terminal);
  const timeoutMs = timeoutOf(given, waitMs(COMMANDS[name]));
  const unnamed = withoutNames(name, asked);
  checkParams(name, unnamed);
  const channel = await openChannel(given, terminal);
  try {
    const sent = unnamed === asked ? asked : await resolveNames(name, asked, channel, timeoutMs);
    const reply = await channel.command(name, envelopeOf(name, sent, given, timeoutMs), timeoutMs);
    return await printReply(reply, { terminal, channel, json: given.has('json') });
  } finally {
    await channel.close();
  }
}

/** `set-mode` or `set_mode`, of this contract. */
function commandName(resource: string, verb: string): CommandName {
  const name = `${resource}/${verb.replaceAll('-', '_')}`;
  if (isCommandName(name)) return name;
  const verbs = verbsOf(resource);
  const meant = meantWord(verb, verbs);
  throw new UsageError(
    `${typedResource(resource)} has no verb ${verb}.${meant === '' ? '' : ` ${meant}`} It has ${verbs.join(', ')}`,
  );
}

const commandNames = (): CommandName[] => Object.keys(COMMANDS).filter(isCommandName);
const typedVerb = (verb: string): string => verb.replaceAll('_', '-');

const verbsOf = (resource: string): string[] =>
  commandNames()
    .filter((name) => name.startsWith(`${resource}/`))
    .map((name) => typedVerb(name.slice(resource.length + 1)));

// ---- parameters -----------------------------------------------------------------------------------------------------

function paramsOf(name: CommandName, options: readonly ParamOption[], given: Given): Record<string, unknown> {
  const [resource = '', verb = ''] = name.split('/');
  const first = wordOption(options);
  noMoreWords(given.words, first === null ? 0 : 1, usageOf(resource, verb, options));
  const [word] = given.words;
  if (word !== undefined && first !== null && given.has(first.name))
    throw new UsageError(`"${word}" and --${first.name} are the same parameter: give one of them`);
  return {
    ...fromFile(given, options),
    ...fromJson(given),
    ...(word === undefined || first === null ? {} : { [first.param]: word }),
    ...paramsFrom(given, options, systemClock.nowMs()),
  };
}

/**
 * `--code -`: the code comes from whoever is asked for it, or from standard input. Null where none is to be read there.
 */
function secretAskedFor(options: readonly ParamOption[], given: Given): ParamOption | null {
  const secret = options.find(({ param, name }) => SECRET_PARAMS.has(param) && given.text(name) === FROM_INPUT);
  if (secret !== undefined && given.text('file') === FROM_INPUT)
    throw new UsageError(`--${secret.name} - and --file - both read standard input: give one of them otherwise`);
  return secret ?? null;
}

const withSecret = async (
  params: Record<string, unknown>,
  { param, name }: ParamOption,
  terminal: Terminal,
): Promise<Record<string, unknown>> => ({
  ...params,
  [param]: await readSecretLine(`--${name}`, 'Code', terminal),
});

/** What may be given as a bare word: the one thing that a command cannot do without. */
export function wordOption(options: readonly ParamOption[]): ParamOption | null {
  const required = options.filter((option) => option.required);
  const [only] = required;
  return required.length === 1 && only !== undefined && ['id', 'text'].includes(only.kind) && only.choices.length === 0
    ? only
    : null;
}

function fromJson(given: Given): Record<string, unknown> {
  const text = given.text('params');
  return text === null ? {} : asParams(readJson(text, '--params'), '--params');
}

function fromFile(given: Given, options: readonly ParamOption[]): Record<string, unknown> {
  const file = given.text('file');
  if (file === null) return {};
  const value = readJson(readInput(file, '--file'), `--file ${file}`);
  const list = options.find((option) => option.required && option.kind === 'json');
  return Array.isArray(value) && list !== undefined ? { [list.param]: value } : asParams(value, `--file ${file}`);
}

function asParams(value: unknown, where: string): Record<string, unknown> {
  if (isFields(value)) return { ...value };
  throw new UsageError(`${where}: parameters are one JSON object, {"name": value, …}`);
}

// ---- envelope -------------------------------------------------------------------------------------------------------

/** What moves a door expires with our patience: nobody stands there any more when it is answered later. */
export function envelopeOf(
  name: CommandName,
  params: Record<string, unknown>,
  given: Given,
  timeoutMs: number,
): Envelope {
  const commandId = given.text('command-id') ?? mintCommandId();
  if (!mustExpire(name)) return { command_id: commandId, params };
  const nowMs = systemClock.nowMs();
  return {
    command_id: commandId,
    issued_at: new Date(nowMs).toISOString(),
    expires_at: new Date(nowMs + Math.min(timeoutMs, MOST_AHEAD_MS)).toISOString(),
    params,
  };
}

// ---- help -----------------------------------------------------------------------------------------------------------

function resourceHelp(resource: string): HelpPage {
  const names = commandNames().filter((name) => name.startsWith(`${resource}/`));
  return {
    usage: [`lintel ${typedResource(resource)} VERB [OPTIONS]`],
    about: `Commands about ${typedResource(resource)}, the same as over MQTT. lintel ${typedResource(resource)} VERB --help says what each takes.`,
    sections: [
      {
        title: 'Verbs',
        rows: names.map((name) => [typedVerb(name.slice(resource.length + 1)), COMMANDS[name].summary] as const),
      },
      { title: 'Where', rows: optionRows(CHANNEL_OPTIONS) },
    ],
  };
}

function usageOf(resource: string, verb: string, options: readonly ParamOption[]): string {
  const word = wordOption(options);
  return `lintel ${typedResource(resource)} ${typedVerb(verb)}${word === null ? '' : ` ${wordText(word)}`} [OPTIONS]`;
}

const WORDS: Readonly<Record<string, string>> = { [ENTRANCE]: 'ENTRANCE', [GROUP]: 'GROUP' };
const wordText = (option: ParamOption): string =>
  memberOf(WORDS, option.param) ?? option.param.replace(/^acs_/, '').toUpperCase();

function commandHelp(name: CommandName): HelpPage {
  const [resource = '', verb = ''] = name.split('/');
  const spec = COMMANDS[name];
  const options = paramOptions(name);
  const word = wordOption(options);
  const takesEntrances = options.some((option) => [ENTRANCE, ...ENTRANCE_LISTS].includes(option.param));
  const takesGroup = name !== 'access_groups/create' && options.some((option) => option.param === GROUP);
  const takesUser = options.some((option) => option.param === USER);
  return {
    usage: [usageOf(resource, verb, options)],
    about: spec.summary,
    sections: [
      { title: 'Parameters', rows: optionRows(options) },
      { title: 'Or as JSON', rows: optionRows(COMMAND_OPTIONS) },
      { title: 'Where', rows: optionRows(CHANNEL_OPTIONS) },
    ],
    examples: [exampleOf(name, options)],
    notes: [
      `Answers ${spec.result.replaceAll('`', '')}.`,
      ...(word === null ? [] : [`${wordText(word)} is --${word.name}, which may be given as a bare word.`]),
      ...(takesEntrances ? ['Entrances may be given by their id or by their name in the facility file.'] : []),
      ...(takesUser ? ['A person may be given by id, name or e-mail address, where only one has it.'] : []),
      ...(takesGroup ? ['A group may be given by id or name, where only one has it.'] : []),
      ...(options.some((option) => option.kind === 'instant')
        ? ['TIME is RFC 3339 with an offset, now, or +2h from now.']
        : []),
    ],
  };
}

function exampleOf(name: CommandName, options: readonly ParamOption[]): string {
  const [resource = '', verb = ''] = name.split('/');
  const word = wordOption(options);
  const example: Record<string, unknown> = { ...COMMANDS[name].example };
  const parts = Object.entries(example).map(([param, value]) => {
    if (param === word?.param) return shellWord(String(value));
    if (typeof value === 'boolean') return `--${value ? '' : 'no-'}${optionName(param)}`;
    if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
      return `--${optionName(param)} ${value.join(',') || "''"}`;
    return `--${optionName(param)} ${shellWord(typeof value === 'string' ? value : JSON.stringify(value))}`;
  });
  return ['lintel', typedResource(resource), typedVerb(verb), ...parts].join(' ');
}

/** Quoted where a shell would take it apart. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
