import { describe, expect, it } from 'vitest';
import { Console, type ConsoleAgent } from '../../src/console/console.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { Operations } from '../../src/domain/operations.ts';
import { Site } from '../../src/domain/site.ts';
import { systemClock } from '../../src/ops/clock.ts';

import { turn } from '../support/manual-clock.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

function consoleOf(agent: Partial<ConsoleAgent>, ready: Promise<unknown> = Promise.resolve()): Console {
  const whole = {
    dispatcher: null,
    store: null,
    site: null,
    clockTrust: null,
    refusal: null,
    status: () => ({}),
    operations: {},
    preloadMs: 0,
    device: () => undefined,
    time: () => ({ trusted: true, nowMs: 0, floorMs: null, isGraceLeft: true }),
    ...agent,
  };
  return new Console({ agent: whole, clock: systemClock, ready });
}

const context = { stream: () => Promise.resolve(), signal: new AbortController().signal };
const ask = async (one: Console, kind: string, fields: Record<string, unknown> = {}): Promise<unknown> =>
  await one.handle({ id: 1, kind, ...fields }, context);

describe('what the control socket answers', () => {
  it('makes whoever asks early wait until the agent has started', async () => {
    const started = Promise.withResolvers<undefined>();
    const one = consoleOf({ status: () => ({ online: true }) }, started.promise);
    let answer: unknown = null;
    const asked = ask(one, 'status').then((status) => (answer = status));
    await turn(20);
    expect(answer).toBeNull();
    started.resolve(undefined);
    await asked;
    expect(answer).toEqual({ online: true });
  });

  it('knows what drivers offer to operators also when it is asked for before they are there', async () => {
    const started = Promise.withResolvers<undefined>();
    const operations: Record<string, Operations> = {};
    const asked = ask(consoleOf({ operations }, started.promise), 'osdp', { action: 'status' });
    operations['osdp'] = { handle: ({ action }) => Promise.resolve({ asked: action }) };
    started.resolve(undefined);
    expect(await asked).toEqual({ asked: 'status' });
    await expect(ask(consoleOf({ operations }), 'osdq')).rejects.toThrow('did you mean osdp?');
  });

  it('tells of a disk that fails, which is no reason to end', async () => {
    const full = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    const dispatcher = {
      dispatch: () => {
        throw full;
      },
    };
    const one = consoleOf({ dispatcher, store: openStore(temporaryFolder()) });
    const asked = ask(one, 'command', { resource: 'users', verb: 'list', envelope: { command_id: 'a' } });
    await expect(asked).rejects.toBeInstanceOf(OperatingError);
    await expect(asked).rejects.toThrow('the disk failed');
  });

  it('lets mistakes of our own through, for the socket answers and logs them', async () => {
    const dispatcher = {
      dispatch: () => {
        throw new TypeError('ours');
      },
    };
    const one = consoleOf({ dispatcher, store: openStore(temporaryFolder()) });
    await expect(ask(one, 'command', { resource: 'users', verb: 'list', envelope: {} })).rejects.toBeInstanceOf(
      TypeError,
    );
  });

  it('passes on why nothing works while the database refuses', async () => {
    const one = consoleOf({ refusal: 'the database is damaged. Remedy: restore a backup' });
    for (const kind of ['command', 'events', 'swipe'])
      await expect(ask(one, kind, { resource: 'users', verb: 'list', entrance: 'a', card: 'b' })).rejects.toThrow(
        'restore a backup',
      );
  });

  it.each([
    ['statas', {}, 'did you mean status?'],
    ['clock', { action: 'set' }, 'in a moment|starting'],
    ['swipe', { entrance: 'lobby' }, 'give either an entrance or a reader|there is no entrance'],
    ['swipe', { card: 'uid:01020304' }, 'give either an entrance or a reader'],
    ['events', { from: 'one' }, '`from` must be a sequence number'],
    ['command', { verb: 'list' }, '`resource` and `verb` must be texts'],
  ])('refuses %s %j: %s', async (kind, fields, message) => {
    const one = consoleOf({ store: openStore(temporaryFolder()), site: new Site([], [], []) });
    await expect(ask(one, kind, fields)).rejects.toThrow(new RegExp(message.replaceAll('?', '\\?')));
  });

  it('streams events behind a number, in slices, without holding up the loop', async () => {
    const store = openStore(temporaryFolder());
    store.now(() => {
      for (let i = 0; i < 200; i++) store.events.add({ event_type: 'acs_entrance.rex', body: {} }, i);
    });
    const seen: unknown[] = [];
    let turns = 0;
    const count = (): void => {
      turns += 1;
      if (seen.length < 190) setImmediate(count);
    };
    setImmediate(count);
    const stream = (item: unknown): Promise<void> => {
      seen.push(item);
      return Promise.resolve();
    };
    const one = consoleOf({ store });
    const done = await one.handle({ id: 1, kind: 'events', from: 11 }, { ...context, stream });
    expect(done).toEqual({ last_sequence: 200 });
    expect(seen).toHaveLength(190);
    expect(seen[0]).toMatchObject({ sequence: 11 });
    expect(turns).toBeGreaterThan(1);
  });
});
