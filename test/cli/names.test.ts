import { expect, it } from 'vitest';
import { serve } from './served.ts';

const JANE = '33333333-3333-3333-3333-333333333333';

it('a person may be named: in any letters, and nobody is guessed at', async () => {
  const { ask } = await serve();
  const suspend = async (name: string) => await ask('users', 'suspend', name);
  await ask('users', 'create', '--acs-user-id', JANE, '--full-name', 'Jané Doe', '--email-address', 'jane@example.com');
  for (const name of ['John Smith', 'John Smith']) await ask('users', 'create', '--full-name', name);
  for (const name of ['Jané Doe', 'jane doe', 'JANE@example.com', JANE]) {
    const { code, stdout } = await suspend(name);
    expect(code, name).toBe(0);
    expect(stdout).toContain(JANE);
  }

  const { code, stderr } = await suspend('john smith');
  expect(code).toBe(2);
  expect(stderr).toMatch(/who is meant by john smith\?/);
  expect(stderr.match(/[0-9a-f-]{36} {2}John Smith/g)).toHaveLength(2);
  expect((await ask('users', 'list', '--search', 'smith', '--json')).stdout).not.toContain('"is_suspended":true');
  expect((await suspend('Nobody')).stderr).toContain('nobody here is called Nobody');
  expect((await suspend('Jane')).stderr).toMatch(new RegExp(`who is meant by Jane\\?[^]*${JANE}`));

  const created = await ask(
    ...['credentials', 'create', '--access-method', 'card', '--card-number', 'H10301:123:45678'],
    ...['--acs-user-id', 'jane@example.com', '--allowed-acs-entrance-ids', 'lobby'],
  );
  expect(created.stdout).toMatch(/^opens: +lobby$/m);
  expect((await ask('credentials', 'list')).stdout).toMatch(/Card of Jané Doe .* lobby/);
});

it('groups are spoken of as people do: by name, with doors and people by theirs', async () => {
  const { ask } = await serve();
  await ask('users', 'create', '--acs-user-id', JANE, '--full-name', 'Jane Doe');
  const made = await ask('groups', 'create', '--name', 'Cleaners', '--acs-entrance-ids', 'lobby');
  expect(made.stdout).toMatch(/^acs_entrance_count: +1$/m);
  expect((await ask('groups', 'add-user', '--acs-access-group-id', 'cleaners', '--acs-user-id', 'Jane Doe')).code).toBe(
    0,
  );
  expect((await ask('groups', 'list-users', 'Cleaners')).stdout).toContain('Jane Doe');
  expect((await ask('groups', 'list')).stdout).toMatch(/Cleaners +1 +1/);
  expect((await ask('users', 'list-accessible-entrances', 'Jane Doe')).stdout).toContain('lobby');
  const { code, stderr } = await ask('groups', 'delete', 'Cleeners');
  expect([code, stderr]).toEqual([2, expect.stringContaining('no group here is called Cleeners')]);
  expect((await ask('groups', 'rename')).stderr).toContain('groups has no verb rename');
  expect((await ask('groups', 'add-user', '--help')).stdout).toContain('lintel groups add-user');
});
