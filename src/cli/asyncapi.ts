// The contract for machines: docs/asyncapi.yaml (AsyncAPI 3), made from the commands, the catalogue of events and that
// of states. Written from where the agent stands: it receives commands, and sends replies, events and states.

import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { z } from 'zod';
import { COMMANDS, isCommandName, type CommandName } from '../commands/contract.ts';
import { envelope } from '../commands/contract/envelope.ts';
import type { CommandSpec } from '../commands/contract/spec.ts';
import { resultCatalogue } from '../commands/contract/results.ts';
import { ERROR_TYPES } from '../domain/errors.ts';
import { eventCatalogue, eventTypes, type EventType } from '../domain/events.ts';
import { stateCatalogue } from '../domain/states.ts';
import { writtenForm, type SchemaNode } from '../domain/words.ts';
import { HOME, version } from './version.ts';

export const ASYNCAPI_FILE = join(HOME, 'docs', 'asyncapi.yaml');

type Json = Record<string, unknown>;
const BASE = '{topic_prefix}/{facility}';
const ref = (path: string): Json => ({ $ref: `#/${path}` });
const ascend = <T>(names: readonly string[], make: (name: string) => T): Record<string, T> =>
  Object.fromEntries(names.map((name) => [name, make(name)]));

const parameters = {
  topic_prefix: { description: 'mqtt.topic_prefix of the facility file', default: 'lintel/v1' },
  facility: { description: 'facility of the facility file' },
};
const parametersOf = (address: string): Json =>
  Object.fromEntries(
    [...address.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [name, ref(`components/parameters/${name}`)]),
  );
const channel = (address: string, message: string, says: string): Json => ({
  address,
  description: says,
  parameters: parametersOf(address),
  messages: { [message]: ref(`components/messages/${message}`) },
});

const nameOfCommand = (name: CommandName): string => name.replace('/', '.');
const nameOfReply = (name: CommandName): string => `${nameOfCommand(name)}.reply`;

/**
 * As a part of a larger document: without what only says again what `format` says, at length, and with any JSON where a
 * form holds itself.
 */
const withoutDialect = ({ $schema: _, definitions: __, id: ___, ...schema }: SchemaNode): Json => lean(schema) as Json;

function lean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lean);
  if (typeof value !== 'object' || value === null) return value;
  if ('$ref' in value && String(value.$ref).startsWith('#/definitions/')) return { description: 'any JSON' };
  const isFormat = 'format' in value && typeof value.format === 'string';
  const members = Object.entries(value).filter(
    ([key, inner]) => !(isFormat && key === 'pattern' && typeof inner === 'string'),
  );
  return Object.fromEntries(members.map(([key, inner]) => [key, lean(inner)]));
}

function commandMessage(name: CommandName): Json {
  const spec: CommandSpec = COMMANDS[name];
  const {
    properties = {},
    required = [],
    ...form
  } = withoutDialect(writtenForm(envelope)) as {
    properties?: Json;
    required?: string[];
  };
  const needs = spec.kind === 'moves' || spec.mustExpire === true ? ['expires_at'] : [];
  const payload = {
    ...form,
    required: [...required.filter((key) => key !== 'params'), 'params', ...needs],
    properties: { ...properties, params: withoutDialect(writtenForm(spec.params)) },
  };
  const example = { command_id: '0192f7c4-7d0a-7c2e-9b53-6a0f3a1f6d10', params: spec.example };
  const timed = needs.length === 0 ? example : { ...example, expires_at: '2026-03-01T10:40:30Z' };
  return { name, summary: spec.summary, payload, examples: [{ payload: timed }] };
}

function replyMessage(name: CommandName): Json {
  const id = { type: ['string', 'null'], description: 'the command’s; null: it had none that could be read' };
  const ok = {
    type: 'object',
    required: ['command_id', 'ok', 'result'],
    properties: {
      command_id: id,
      ok: { const: true },
      result: resultForm(name),
    },
  };
  return {
    name: `${name} reply`,
    summary: `What became of ${name}.`,
    payload: { oneOf: [ok, ref('components/schemas/failed')] },
  };
}

/** The result of a command, with what several results hold as parts of their own. */
function resultForm(name: CommandName): Json {
  const form = z.toJSONSchema(resultCatalogue()[name], DRAFT);
  return withoutDialect(pointing(form) as SchemaNode);
}

/** What results hold in common, each part once. */
function resultParts(): Json {
  const forms = Object.values(resultCatalogue()).map((result) => z.toJSONSchema(result, DRAFT));
  const parts = forms.flatMap(({ definitions }) => Object.entries(definitions ?? {}));
  return Object.fromEntries(
    parts.map(([name, part]) => [name, withoutDialect(pointing(part as object) as SchemaNode)]),
  );
}

const pointing = (form: object): unknown =>
  JSON.parse(JSON.stringify(form).replaceAll('"#/definitions/', '"#/components/schemas/'));

const failed: Json = {
  type: 'object',
  required: ['command_id', 'ok', 'error'],
  properties: {
    command_id: { type: ['string', 'null'] },
    ok: { const: false },
    error: {
      type: 'object',
      required: ['type', 'message'],
      properties: {
        type: { enum: [...ERROR_TYPES] },
        message: { type: 'string', description: 'what is wrong, where, and what would be right' },
        path: { type: 'array', items: { type: ['string', 'integer'] }, description: 'where in the command' },
      },
    },
  },
};

/** The head of every event, and of a stub of one. */
const head = z.object({
  sequence: z.int().min(1).describe('rises by one from event to event'),
  event_id: z.uuid().describe('the same when it is sent again'),
  event_type: z.string(),
  occurred_at: z.iso.datetime().describe('when it happened'),
  created_at: z.iso.datetime().describe('when it was recorded'),
  clock: z.enum(['trusted', 'untrusted']).describe('how good the gateway’s clock was then'),
  previous_hash: z
    .string()
    .length(43)
    .nullable()
    .optional()
    .describe('SHA-256, base64url, of the event before it, as that was published; null for the very first'),
});

function eventMessage(type: EventType): Json {
  const { says, since, body } = eventCatalogue()[type];
  const whole = withoutDialect(
    z.toJSONSchema(
      z.strictObject({ ...body.shape, ...head.shape, acs_system_id: facility, cut: cut.optional() }),
      DRAFT,
    ),
  );
  const payload = { oneOf: [constType(whole, type), ref('components/schemas/event_stub')] };
  return { name: type, summary: says, 'x-since': since, payload };
}

const DRAFT = { target: 'draft-7', io: 'output' } as const;
const facility = z.string().describe('the facility');
const cut = z.array(z.string()).describe('members that were cut, for an event has at most 4 KiB');
const eventStub = withoutDialect(
  z.toJSONSchema(
    z.strictObject({
      ...head.shape,
      is_stub: z.literal(true),
      hash: z.string().length(43).describe('that of the whole event, which the next one names'),
    }),
    DRAFT,
  ),
);
const constType = (schema: Json, type: EventType): Json => ({
  ...schema,
  properties: { ...(schema['properties'] as Json), event_type: { const: type } },
});

/** The document, as data. */
export function asyncApi(): Json {
  const commands = Object.keys(COMMANDS).filter(isCommandName);
  const states = Object.entries(stateCatalogue());
  const types = eventTypes();
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Lintel',
      version: version(),
      description:
        'Door access on a site gateway: commands over MQTT, replies, events and retained states. The words are in docs/mqtt-api.md.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      ...Object.fromEntries(
        commands.map((name) => [
          `command.${nameOfCommand(name)}`,
          channel(`${BASE}/command/${name}`, nameOfCommand(name), `QoS 1, never retained. ${COMMANDS[name].summary}`),
        ]),
      ),
      reply: {
        address: `${BASE}/reply/{command_id}`,
        description: 'QoS 1. Or the Response Topic of the command, where mqtt.reply_topics allows it.',
        parameters: parametersOf(`${BASE}/reply/{command_id}`),
        messages: Object.fromEntries(
          commands.map((name) => [nameOfReply(name), ref(`components/messages/${nameOfReply(name)}`)]),
        ),
      },
      ...Object.fromEntries(
        types.map((type) => [
          `event.${type}`,
          channel(`${BASE}/event/${type}`, type, 'QoS 1, in the order of sequence.'),
        ]),
      ),
      ...Object.fromEntries(
        states.map(([name, { topic, says }]) => [
          `state.${name}`,
          channel(`${BASE}/state/${topic}`, `state.${name}`, `QoS 1, retained. ${says}`),
        ]),
      ),
    },
    operations: {
      ...Object.fromEntries(
        commands.map((name) => [
          `receive.${nameOfCommand(name)}`,
          {
            action: 'receive',
            channel: ref(`channels/command.${nameOfCommand(name)}`),
            reply: { channel: ref('channels/reply'), messages: [ref(`channels/reply/messages/${nameOfReply(name)}`)] },
          },
        ]),
      ),
      ...ascend(
        types.map((type) => `event.${type}`),
        (name) => ({ action: 'send', channel: ref(`channels/${name}`) }),
      ),
      ...ascend(
        states.map(([name]) => `state.${name}`),
        (name) => ({ action: 'send', channel: ref(`channels/${name}`) }),
      ),
    },
    components: {
      parameters: {
        ...parameters,
        command_id: { description: 'of the command' },
        entrance: { description: 'the name in the facility file' },
        area: { description: 'the name in the facility file' },
        controller: { description: 'the name in the facility file' },
        bus: { description: 'the name in the facility file' },
      },
      schemas: { ...resultParts(), failed, event_stub: eventStub },
      messages: {
        ...Object.fromEntries(commands.map((name) => [nameOfCommand(name), commandMessage(name)])),
        ...Object.fromEntries(commands.map((name) => [nameOfReply(name), replyMessage(name)])),
        ...Object.fromEntries(types.map((type) => [type, eventMessage(type)])),
        ...Object.fromEntries(
          states.map(([name, { says, body }]) => [
            `state.${name}`,
            { name: `state/${name}`, summary: says, payload: withoutDialect(z.toJSONSchema(body, DRAFT)) },
          ]),
        ),
      },
    },
  };
}

export const asyncApiText = (): string =>
  `# Made from the commands, events and states of Lintel by npm run generate; do not edit.\n${stringify(asyncApi(), { aliasDuplicateObjects: false, lineWidth: 120 })}`;

if (import.meta.main) writeFileSync(ASYNCAPI_FILE, asyncApiText());
