// The log that shows tampering, tried by whoever tampers: with a file of events, with a checkpoint, and by a verifier
// in another language, which docs/audit.md has.

import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newEvent } from '../../src/domain/events.ts';
import { CheckpointKey } from '../../src/store/event-chain.ts';
import { eventJson, eventStub } from '../../src/store/events.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/ports.ts';
import { behindItsBack, openStore, temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';
import { serve } from './served.ts';

const PAGE = join(import.meta.dirname, '../../docs/audit.md');

function storeWith(events: number): Store {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  for (let i = 0; i < events; i++) add(store, i);
  return store;
}
const add = (store: Store, i: number): void =>
  void store.now(() => store.events.add(newEvent('agent.storage_low', { free_bytes: i }), 1_000 + i));
const linesOf = (store: Store): string[] => store.events.after(0, 1000).map(eventJson);

function written(lines: readonly string[], name = 'events.jsonl'): string {
  const file = join(temporaryFolder(), name);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}

async function verified(
  lines: readonly string[],
  ...more: string[]
): Promise<{ code: number; findings: unknown[]; wrong: unknown[] }> {
  const { code, stdout } = await say('audit', 'verify', '--file', written(lines), '--json', ...more);
  const said = JSON.parse(stdout) as { findings: unknown[]; checkpoint_problems: unknown[] };
  return { code: code ?? -1, findings: said.findings, wrong: said.checkpoint_problems };
}

/** What the page gives others to begin with. */
function inPython(lines: readonly string[]): number | null {
  const [, program = ''] = /```python\n([\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8')) ?? [];
  expect(program).toContain('previous_hash');
  return spawnSync('/usr/bin/python3', ['-c', program, written(lines)]).status;
}

describe('a log of events', () => {
  it('is whole as it was written, also after restarts, what was undone, and a repeat by the broker', async () => {
    const folder = temporaryFolder();
    const clock = new ManualClock();
    const first = openStore(folder, clock);
    add(first, 1);
    expect(() =>
      first.now(() => {
        first.events.add(newEvent('agent.storage_low', { free_bytes: 7 }), 1);
        throw new Error('undone');
      }),
    ).toThrow('undone');
    add(first, 2);
    first.close();
    const again = openStore(folder, clock);
    add(again, 3);
    const lines = linesOf(again);
    const [one = '', two = '', three = ''] = lines;
    expect(lines).toHaveLength(3);
    expect(JSON.parse(one)).toMatchObject({ sequence: 1, previous_hash: null });
    expect(await verified([one, two, two, three])).toEqual({ code: 0, findings: [], wrong: [] });
    expect(inPython(lines)).toBe(0);
  });

  it('tells of an event that was changed, taken out, put in or moved, and names it', async () => {
    const lines = linesOf(storeWith(6));
    const [a = '', b = '', c = '', d = '', e = '', f = ''] = lines;
    const changed = c.replace('"free_bytes":2', '"free_bytes":3');
    for (const [tampered, at] of [
      [[a, b, changed, d, e, f], 4],
      [[a, b, d, e, f], 4],
      [[a, b, c, c.replace('"sequence":3', '"sequence":4'), e, f], 4],
      [[a, b, d, c, e, f], 4],
      [[b, c, d, a], 1],
    ] as const) {
      const { code, findings } = await verified(tampered);
      expect(code).toBe(1);
      expect(findings[0]).toMatchObject({ sequence: at });
      expect(inPython(tampered)).not.toBe(0);
    }
  });

  it('begins where what is older was forgotten, and says what its hash was', async () => {
    const store = storeWith(6);
    const { first, last, removed } = store.now(() => store.events.trim(1_003, 1_000_000, 100));
    expect({ first, removed }).toEqual({ first: 1, removed: 3 });
    const lines = linesOf(store);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ sequence: 4, previous_hash: last?.hash });
    expect((await verified(lines)).code).toBe(0);
  });

  it('goes on over a stub, and over events of a time before there was a chain', async () => {
    const store = storeWith(4);
    const rows = store.events.after(0, 10);
    const lines = rows.map((row) => (row.sequence === 2 ? eventStub(row) : eventJson(row)));
    expect((await verified(lines)).code).toBe(0);
    expect(inPython(lines)).toBe(0);
    const old = '{"sequence":1,"event_type":"agent.started"}';
    const { stdout } = await say('audit', 'verify', '--file', written([old]));
    expect(stdout).toContain('none of which names the one before it');
  });

  it('skips numbers only where the log itself does', async () => {
    const store = storeWith(2);
    store.now(() => store.events.add(newEvent('agent.storage_low', { free_bytes: 9 }), 5_000, 10));
    expect((await verified(linesOf(store))).code).toBe(0);
  });
});

describe('a checkpoint', () => {
  const key = new CheckpointKey(Buffer.alloc(32, 7));
  const kept = (store: Store, more: object = {}): string =>
    written(
      [JSON.stringify({ facility: 'riverside', ...key.sign('riverside', store.events.newest(), 0), ...more })],
      'kept.json',
    );

  it('fits the log that it was made of, and what came later', async () => {
    const store = storeWith(3);
    const file = kept(store);
    add(store, 9);
    expect(await verified(linesOf(store), '--checkpoint', file, '--public-key', key.publicKey)).toEqual({
      code: 0,
      findings: [],
      wrong: [],
    });
  });

  it('gives away a log that was made anew, cut short, or signed by somebody else', async () => {
    const store = storeWith(3);
    const file = kept(store);
    const other = storeWith(3);
    expect(await verified(linesOf(other), '--checkpoint', file)).toMatchObject({
      code: 1,
      wrong: ['event 3 is not the one that was signed'],
    });
    expect(await verified(linesOf(store).slice(0, 2), '--checkpoint', file)).toMatchObject({
      code: 1,
      wrong: ['the log ended with 3 then, and is shorter now'],
    });
    const stranger = new CheckpointKey(Buffer.alloc(32, 8)).publicKey;
    expect(await verified(linesOf(store), '--checkpoint', file, '--public-key', stranger)).toMatchObject({
      code: 1,
      wrong: ['it names another key than --public-key'],
    });
    const forged = kept(store, { hash: other.events.newest().hash });
    expect(await verified(linesOf(other), '--checkpoint', forged)).toMatchObject({
      code: 1,
      wrong: ['its signature does not fit what it says'],
    });
  });
});

it('the log of a running agent is verified and exported, and its checkpoint is published', async () => {
  const served = await serve();
  const heard = (): string | undefined =>
    served.building.tower.heard.find(({ topic }) => topic.endsWith('/state/audit'))?.payload;
  await until(() => heard() !== undefined, 'the checkpoint', 20_000);
  const checkpoint = heard() ?? '';
  const folder = temporaryFolder();
  const [events, table, kept] = ['events.jsonl', 'events.csv', 'kept.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(kept, checkpoint);
  expect(
    (
      await served.ask(
        'users',
        'create',
        '--full-name',
        '=cmd()',
        '--acs-user-id',
        '44444444-4444-4444-4444-444444444444',
      )
    ).code,
  ).toBe(0);
  expect(await served.ask('audit', 'export', '--out', events)).toMatchObject({ code: 0 });
  expect(await served.ask('audit', 'export', '--out', events)).toMatchObject({ code: 2 });
  expect(await served.ask('audit', 'export', '--format', 'csv', '--out', table)).toMatchObject({ code: 0 });
  const lines = readFileSync(events, 'utf8').trim().split('\n');
  expect(readFileSync(table, 'utf8').trim().split('\n').length).toBeGreaterThan(lines.length);
  expect((await served.ask('audit', 'verify')).stdout).toMatch(/^\d+ events, 1 to \d+: whole and unchanged\. /m);
  expect(await verified(lines, '--checkpoint', kept)).toEqual({ code: 0, findings: [], wrong: [] });
  expect(inPython(lines)).toBe(0);
  expect(readFileSync(events, 'utf8')).not.toContain('cmd()');
}, 60_000);

describe('a database at rest', () => {
  it('is verified without agent and key: as it is while it is written to, closed, and tampered with', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'lintel.db');
    const store = openStore(folder, new ManualClock());
    for (let i = 0; i < 6; i++) add(store, i);
    const { code, stdout } = await say('audit', 'verify', '--database', file);
    expect([code, stdout]).toEqual([0, expect.stringContaining('6 events, 1 to 6: whole and unchanged')]);
    const key = new CheckpointKey(store.secrets.checkpointSeed());
    const kept = join(folder, 'kept.json');
    writeFileSync(kept, JSON.stringify({ facility: 'riverside', ...key.sign('riverside', store.events.newest(), 1) }));
    store.close();
    rmSync(join(folder, 'master.key'));
    const verify = async (...more: string[]): Promise<{ code: number | null; stderr: string }> =>
      await say('audit', 'verify', '--database', file, ...more);
    expect((await verify('--checkpoint', kept, '--public-key', key.publicKey)).code).toBe(0);
    for (const [tampering, told] of [
      [`UPDATE events SET body = replace(body, '"free_bytes":2', '"free_bytes":9') WHERE sequence = 3`, 'event 4'],
      ['DELETE FROM events WHERE sequence = 4', 'event 5: 4 is missing before it'],
      ['DELETE FROM events WHERE sequence > 4', 'the log ended with 6 then'],
      [`UPDATE events SET body = '{' WHERE sequence = 2`, 'no event'],
    ] as const) {
      const sound = readFileSync(file);
      behindItsBack(folder, tampering);
      const { code: found, stderr } = await verify('--checkpoint', kept);
      expect([found, stderr]).toEqual([1, expect.stringContaining(told)]);
      for (const left of ['-wal', '-shm']) rmSync(`${file}${left}`, { force: true });
      writeFileSync(file, sound);
    }
  });

  it('is told from a file that is none', async () => {
    const { code, stderr } = await say('audit', 'verify', '--database', written(['no database']));
    expect(code).not.toBe(0);
    expect(stderr).toContain('is no database of Lintel');
    expect((await say('audit', 'verify', '--database', '/nowhere/lintel.db')).stderr).toContain('there is no file');
  });
});
