import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv, type ValidateFunction } from 'ajv';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { asyncApiText, ASYNCAPI_FILE } from '../../src/cli/asyncapi.ts';
import { COMMANDS } from '../../src/commands/contract.ts';
import { matchesFilter } from '../../src/mqtt/topics.ts';
import { raiseBuilding } from '../support/building.ts';
import { until } from '../support/ports.ts';
import { LOBBY, STORE_ROOM, USER } from '../support/room.ts';

type Message = { payload: Record<string, unknown>; examples?: { payload: unknown }[] };
type Document = {
  channels: Record<string, { address: string; messages: Record<string, unknown> }>;
  components: { messages: Record<string, Message>; schemas: Record<string, unknown> };
};

const text = readFileSync(ASYNCAPI_FILE, 'utf8');
const document = parse(text) as Document;

/** A check of one message of the document, with the schemas that it refers to. */
function checkOf(name: string): ValidateFunction {
  const message = document.components.messages[name];
  if (message === undefined) throw new Error(`no message ${name}`);
  const ajv = new Ajv({ strict: false, validateFormats: false });
  return ajv.compile({ ...message.payload, components: document.components });
}

it('is what the contract and the catalogues make (else run: npm run generate)', () => {
  expect(text).toBe(asyncApiText());
});

it('is AsyncAPI 3, by the schema that AsyncAPI publishes', () => {
  const require = createRequire(import.meta.url);
  const { schemas } = require('@asyncapi/specs') as { schemas: Record<string, object> };
  const schema = schemas['3.0.0'];
  if (schema === undefined) throw new Error('there is no schema of AsyncAPI 3.0.0');
  // It carries the meta-schema itself.
  const ajv = new Ajv({ strict: false, validateFormats: false, meta: false });
  const validate = ajv.compile(schema);
  expect(validate(document), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
  // It can fail.
  expect(validate({ ...document, channels: { x: { address: 7 } } })).toBe(false);
});

it('points to nothing that is not there', () => {
  const at = (path: string): unknown =>
    path
      .slice(2)
      .split('/')
      .reduce<unknown>(
        (node, key) => (typeof node === 'object' && node !== null ? Reflect.get(node, key) : undefined),
        document,
      );
  const pointers = [...text.matchAll(/\$ref: "?(#\/[^"\n]+)/g)].map(([, path = '']) => path);
  expect(pointers.length).toBeGreaterThan(200);
  expect(pointers.filter((path) => at(path) === undefined)).toEqual([]);
});

it('takes the examples of its own commands, and no command without what it needs', () => {
  for (const name of Object.keys(COMMANDS)) {
    const own = name.replace('/', '.');
    const check = checkOf(own);
    const example = document.components.messages[own]?.examples?.[0]?.payload;
    expect(check(example), `${name}: ${JSON.stringify(check.errors)}`).toBe(true);
    expect(check({ ...(example as object), command_id: 'with blanks in it' })).toBe(false);
  }
});

it('is kept by a running agent: each message that it sends is one that the document has, on its channel', async () => {
  const building = await raiseBuilding();
  const agent = await building.serve();
  const { tower } = building;
  await until(() => agent.controllers().every(({ status }) => status.online), 'everything is online');
  const call = async (name: string, params: Record<string, unknown>, more: Record<string, unknown> = {}) => {
    const id = `call-${name.replace('/', '-')}-${tower.heard.length}`;
    await tower.publish(name, { command_id: id, params, ...more });
    await until(() => tower.heard.some(({ topic }) => topic.endsWith(`/reply/${id}`)), `an answer to ${name}`);
  };
  await call('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
  await call('users/update', { acs_user_id: USER, full_name: 'Jane' });
  const card = { acs_user_id: USER, access_method: 'card', card_number: '45678' };
  await call('credentials/create', { ...card, allowed_acs_entrance_ids: [LOBBY, STORE_ROOM] });
  await call('credentials/create', { ...card, card_number: 'nonsense' });
  await call('users/frob', {});
  await until(() => tower.heard.some(({ topic }) => topic.endsWith('/event/acs_credential.issued')), 'issued');
  await building.reader.present('00007BB26E');
  await until(() => tower.heard.some(({ topic }) => topic.endsWith('/event/lock.unlocked')), 'let in');
  await building.reader.present('00007B0001');
  await until(() => tower.heard.some(({ topic }) => topic.endsWith('/event/lock.access_denied')), 'denied');
  await call('users/suspend', { acs_user_id: USER });
  const expires_at = new Date(Date.now() + 30_000).toISOString();
  await call('entrances/unlock', { acs_entrance_id: LOBBY, reason: 'delivery' }, { expires_at });
  await agent.stop();
  await until(() => tower.heard.some(({ topic }) => topic.endsWith('/event/agent.stopped')), 'stopped');

  const channels = Object.values(document.channels).map(({ address, messages }) => ({
    filter: address
      .replace('{topic_prefix}', 'lintel/v1')
      .replace('{facility}', 'riverside')
      .replaceAll(/\{\w+\}/g, '+'),
    checks: Object.keys(messages).map(checkOf),
  }));
  const seen = new Set<string>();
  for (const { topic, payload } of tower.heard.filter((message) => !message.topic.includes('/command/'))) {
    const own = channels.filter(({ filter }) => matchesFilter(topic, filter));
    expect(own, topic).toHaveLength(1);
    seen.add(topic.split('/').slice(3, 5).join('/'));
    const message: unknown = JSON.parse(payload);
    expect(own[0]?.checks.some((check) => check(message)) === true, `${topic}: ${payload}`).toBe(true);
  }
  expect([...seen].filter((name) => name.startsWith('event/')).length).toBeGreaterThan(10);
  expect([...seen].filter((name) => name.startsWith('state/')).sort()).toEqual([
    'state/agent',
    'state/audit',
    'state/buses',
    'state/controllers',
    'state/entrances',
    'state/sync',
  ]);
});
