import { connect } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadProfile } from '../../drivers/modbus/profile.ts';
import { DRIVERS } from '../../src/drivers.ts';
import { loadFacility } from '../../src/facility/load.ts';
import { MOST_EVENT_BYTES } from '../../src/store/event-body.ts';
import { say } from '../cli/lintel.ts';
import { serve, type Served } from '../cli/served.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/ports.ts';
import { buildRoom, Caller, type ParsedReply } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
import { CORPUS, mutations, NAMES_OF_EVERY_OBJECT, SEED } from './corpus.ts';

const COMMANDS = ['users/list', 'users/create', 'credentials/create', 'credentials/apply', 'entrances/unlock'];
const TOPICS = [...COMMANDS, 'users/__proto__', 'toString/constructor', `users/${'x'.repeat(5_000)}`, 'users/a/b/c'];

/** The agent is the process that it was, answers a command over the broker, and tells what that one did. */
async function expectAlive({ building, agent, ask }: Served, commandId: string): Promise<void> {
  const { tower } = building;
  await tower.publish('users/create', { command_id: commandId, params: { full_name: commandId } });
  await until(() => tower.replies().some((reply) => reply.command_id === commandId && reply.ok), 'the reply', 60_000);
  await until(
    () => tower.heard.some(({ topic, payload }) => topic.endsWith('acs_user.created') && payload.includes(commandId)),
    'the event of it',
    60_000,
  );
  expect((await ask('status')).code).toBe(0);
  expect(agent.stderr()).not.toMatch(/assertion failed|RangeError/);
}

describe('hostile input', () => {
  it('over the broker costs a rejection each: the agent serves on, and later events come through', async () => {
    const served = await serve();
    const { tower } = served.building;
    for (const { bytes } of CORPUS)
      for (const topic of TOPICS)
        await tower.client.publishAsync(`lintel/v1/riverside/command/${topic}`, bytes, { qos: 1 });
    await expectAlive(served, 'after-all');
    const told = tower.heard.filter(({ topic }) => topic.includes('/event/'));
    expect(told.some(({ topic }) => topic.endsWith('agent.command_rejected'))).toBe(true);
    for (const { payload } of told) expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(MOST_EVENT_BYTES);
    for (const { topic, payload } of tower.heard)
      if (topic.includes('/reply/')) expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(8 * 1024);
  }, 180_000);

  it('over the control socket costs an answer each, whatever member of an object it names', async () => {
    const served = await serve();
    const lines = [
      ...CORPUS.map(({ bytes }) => bytes),
      ...CORPUS.map(({ bytes }) =>
        Buffer.concat([
          Buffer.from('{"id":1,"kind":"command","resource":"users","verb":"create","envelope":'),
          bytes,
          Buffer.from('}'),
        ]),
      ),
      ...NAMES_OF_EVERY_OBJECT.flatMap((name) => [
        `{"id":2,"kind":"${name}"}`,
        `{"id":3,"kind":"osdp","action":"${name}"}`,
        `{"id":4,"kind":"osdp","action":"status","reader":"${name}"}`,
        `{"id":5,"kind":"plan","controller":"${name}"}`,
        `{"id":6,"kind":"swipe","entrance":"${name}","card":"${name}:1"}`,
        `{"id":7,"kind":"command","resource":"${name}","verb":"${name}","envelope":{"command_id":"a"}}`,
      ]).map((line) => Buffer.from(line)),
    ];
    for (const line of lines) await sayLine(served.socket, line);
    await expectAlive(served, 'after-all-lines');
  }, 180_000);

  it.each(CORPUS)(
    'in a file, $name, is told on the command line and throws nothing',
    async ({ bytes }) => {
      const file = join(temporaryFolder(), 'hostile.yaml');
      writeFileSync(file, bytes);
      for (const words of [
        ['credentials', 'apply', '--file', file, '--socket', join(file, 'none')],
        ['users', 'create', '--file', file, '--socket', join(file, 'none')],
        ['check', file],
      ]) {
        const { code, stderr, stdout } = await say(...words);
        expect(code).not.toBe(0);
        expect(`${stderr}${stdout}`).not.toMatch(/\n {4}at |internal error/);
        expect(stderr.length + stdout.length).toBeLessThan(60_000);
      }
      expect(loadProfile(file, '.').profile).toBeNull();
    },
    120_000,
  );
});

describe('hostile input made up from a seed', () => {
  it('is answered once by the dispatcher, whatever the command', async () => {
    const clock = new ManualClock();
    const caller = new Caller(buildRoom(openStore(temporaryFolder(), clock), clock));
    await fc.assert(
      fc.asyncProperty(mutations, fc.constantFrom(...TOPICS), async (bytes, topic) => {
        const reply = JSON.parse((await caller.send(topic, bytes)).json) as ParsedReply;
        expect(reply.error?.type).not.toBe('internal');
        expect(Object.keys(reply)).toContain('ok');
      }),
      { seed: SEED, numRuns: 400 },
    );
  }, 120_000);

  it('is no facility and no profile, and throws nothing', () => {
    const file = join(temporaryFolder(), 'made-up.yaml');
    fc.assert(
      fc.property(mutations, (bytes) => {
        writeFileSync(file, bytes);
        expect(loadFacility(file, DRIVERS).facility).toBeNull();
        expect(loadProfile(file, '.').profile).toBeNull();
      }),
      { seed: SEED, numRuns: 400 },
    );
  }, 120_000);
});

/** One line, and the answer to it; the connection is closed then. */
async function sayLine(path: string, line: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(path);
    socket.once('data', () => socket.destroy());
    socket.once('close', () => resolve());
    socket.once('error', reject);
    socket.write(Buffer.concat([line, Buffer.from('\n')]));
  });
}
