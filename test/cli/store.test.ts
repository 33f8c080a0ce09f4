import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { raiseBuilding } from '../support/building.ts';
import { USER } from '../support/room.ts';
import { say } from './lintel.ts';
import { serveBuilding } from './served.ts';

it('an older copy serves nobody until an operator accepts it, and new begins empty with everything put aside', async () => {
  const building = await raiseBuilding();
  const path = join(building.folder, 'lintel.db');
  const first = await serveBuilding(building);
  await first.ask('users', 'create', '--acs-user-id', USER, '--full-name', 'Jane');
  await first.agent.signal('SIGTERM');
  const copy = readFileSync(path);

  const second = await serveBuilding(building);
  expect((await say('store', 'accept', '--config', building.file)).stderr).toMatch(
    /another lintel serves the database/,
  );
  expect((await second.ask('users', 'suspend', USER)).code).toBe(0);
  await second.agent.signal('SIGTERM');
  writeFileSync(path, copy);
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });

  const refused = await serveBuilding(building);
  const status = await refused.ask('status', '--json');
  expect(status.code).toBe(1);
  expect(status.stdout).toMatch(/is an older copy: .*lintel store accept --config FILE/);
  await refused.agent.signal('SIGTERM');

  const accepted = await say('store', 'accept', '--config', building.file);
  expect(accepted).toMatchObject({ code: 0, stdout: expect.stringMatching(/1 users, 0 credentials.*\n.*again/) });
  const third = await serveBuilding(building);
  expect((await third.ask('users', 'list')).stdout).toContain('Jane');
  expect((await third.ask('events', '--json')).stdout).toContain('agent.storage_accepted');
  await third.agent.signal('SIGTERM');

  const begun = await say('store', 'new', '--config', building.file);
  expect(begun).toMatchObject({ code: 0, stdout: expect.stringContaining(`${path} is now ${path}.`) });
  expect(existsSync(path)).toBe(false);
  const fourth = await serveBuilding(building);
  expect((await fourth.ask('users', 'list')).stdout).not.toContain('Jane');
  await fourth.agent.signal('SIGTERM');
  expect(readdirSync(building.folder).filter((name) => /^lintel\.(db|generation)\.\d{8}T/.test(name))).toHaveLength(2);
}, 120_000);
