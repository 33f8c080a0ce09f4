// `lintel credentials import` and `export`, on an agent's own commands over its control socket.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Console } from '../../../src/console/console.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { openControlServer } from '../../../src/ops/control-socket.ts';
import { setUp, type Setup } from '../../commands/set-up.ts';
import { silentLog } from '../../support/room.ts';
import { temporaryFolder } from '../../support/store.ts';
import { say, type Ended } from '../lintel.ts';

type Here = Setup & { run: (...args: string[]) => Promise<Ended>; file: (name: string, text: string) => string };

async function here(): Promise<Here> {
  const room = await setUp({}, systemClock);
  const folder = temporaryFolder();
  const agent = {
    dispatcher: room.caller.dispatcher, store: room.room.store, site: room.room.site, clockTrust: null, refusal: null,
    status: () => ({ time_zone: 'Europe/Oslo' }), operations: {}, preloadMs: 0, device: () => undefined, time: room.room.time,
  }; // prettier-ignore
  const console = new Console({ agent, clock: systemClock, ready: Promise.resolve() });
  const path = join(folder, 'control.sock');
  const server = await openControlServer({ clock: systemClock, log: silentLog, path, facility: 'riverside', handle: (request, context) => console.handle(request, context) }); // prettier-ignore
  onTestFinished(() => server.close());
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  return { ...room, file, run: (...args) => say('credentials', ...args, '--socket', path) };
}

const LIST = `Name,E-mail,Badge,PIN,Valid until,Doors,Shoe size
Jane Doe,,H10301:123:1,,,lobby,38
Bob,bob@example.com,H10301:123:2,482917,2031-01-31,lobby,44
Carl,,,7391,not a day,lobby,41
Dora,,H10301:123:2,,,lobby,39
`;

it('adds people with their cards and PINs, tells what it could not take, and adds nothing twice', async () => {
  const { run, file, room } = await here();
  const list = file('people.csv', LIST);
  const dry = await run('import', list, '--dry-run');
  expect(dry.stdout).toContain('4 lines. People: 1 would be added, 1 there already. Credentials: 3 would be added');
  expect(room.store.credentials.count()).toBe(0);
  expect(dry.code).toBe(1);

  const mend = file('mend.csv', '');
  const done = await run('import', list, '--refused', mend);
  expect(done.stderr).toContain('not read: Shoe size');
  expect(done.stdout).toMatch(/^4 lines\. People: 1 added, 1 there already\. Credentials: 3 added, 0 there already\./);
  expect(done.stdout).toMatch(/line 4 \(Carl\): ends_at: .*not a day/);
  expect(done.stdout).toMatch(/line 5 \(Dora\): card_number: the same card as in line 3/);
  expect(done.stdout + done.stderr).not.toMatch(/482917|7391/);
  expect(room.store.credentials.count()).toBe(3);
  expect(readFileSync(mend, 'utf8').split('\r\n')).toEqual([
    'Name,E-mail,Badge,PIN,Valid until,Doors,Shoe size,refused',
    expect.stringMatching(/^Carl,,,7391,not a day,lobby,41,"ends_at/),
    expect.stringMatching(/^Dora,,H10301:123:2,,,lobby,39,card_number/),
    '',
  ]);
  expect(statSync(mend).mode & 0o077).toBe(0);

  const again = await run('import', list);
  expect(again.stdout).toContain('People: 0 added, 2 there already. Credentials: 0 added, 3 there already.');
  expect(room.store.credentials.count()).toBe(3);
});

it('tells what the agent refuses by the line it came from, and takes the rest', async () => {
  const { run, file, room } = await here();
  const many = Array.from({ length: 250 }, (_, n) => `Person ${n},H10301:7:${n + 1},lobby`);
  expect((await run('import', file('first.csv', ['name,card,doors', ...many].join('\n')))).code).toBe(0);
  expect(room.store.credentials.count()).toBe(250);
  // Somebody else has the card of line 2 already; the agent knows, the list does not.
  const { code, stdout } = await run('import', file('second.csv', 'name,card,doors\nNew One,H10301:7:5,lobby\nNew Two,H10301:7:999,lobby\n'), '--json');
  expect(code).toBe(1);
  const told = JSON.parse(stdout) as { added: unknown; refused: { line: number; why: string }[] };
  expect(told.added).toEqual({ users: 2, credentials: 1, group_members: 0 });
  expect(told.refused).toEqual([expect.objectContaining({ line: 2 })]);
  expect(room.store.credentials.count()).toBe(251);
}); // prettier-ignore

it('exports what it imports: everybody, with their cards, and no PIN', async () => {
  const first = await here();
  await first.run('import', first.file('people.csv', LIST));
  const out = join(temporaryFolder(), 'out.csv');
  expect(await first.run('export', '--out', out)).toMatchObject({ code: 0, stderr: '' });
  const text = readFileSync(out, 'utf8');
  expect(text.split('\r\n')[0]).toMatch(/^acs_user_id,full_name,email_address,/);
  expect(text).toContain('Bob,bob@example.com');
  expect(text).not.toContain('482917');
  expect(statSync(out).mode & 0o077).toBe(0);
  const second = await here();
  const cards = text.split('\r\n').filter((line) => !line.includes(',code,')).join('\r\n'); // prettier-ignore
  const { stdout, code } = await second.run('import', second.file('out.csv', cards));
  expect(stdout).toContain('People: 1 added, 1 there already. Credentials: 2 added');
  expect(code).toBe(0);
  const rows = (here2: Here): unknown[] => here2.room.store.credentials.count() > 0 ? ['H10301:123:1', 'H10301:123:2'].map((card) => here2.room.store.credentials.byCard(here2.room.store.secrets.cardHash(card), 10).length) : []; // prettier-ignore
  expect(rows(second)).toEqual(rows(first));
});

it('says which verbs there are, with theirs', async () => {
  expect((await say('credentials', '--help')).stdout).toMatch(/import +People with their cards/);
  expect(await say('credentials', 'import')).toMatchObject({ code: 2, stderr: expect.stringContaining('which file?') });
  expect(await say('credentials', 'import', '/nowhere.csv')).toMatchObject({ code: 2 });
});
