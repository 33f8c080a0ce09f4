// `lintel doctor` and `lintel ports`, as an installer types them.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';

const EXAMPLE = join(import.meta.dirname, '../../config/one-door-uart.yaml');

it('tells each fault with what to do, counts them, and ends with 1', async () => {
  const { code, stdout } = await say('doctor', EXAMPLE, '--socket', join(temporaryFolder(), 'nobody.sock'));
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^ports\n {2}FAULT {3}desk: cannot open .*: there is no such device\n {10}do: Is the adapter/m,
  );
  expect(stdout).toMatch(/^agent\n {2}FAULT {3}.*nobody\.sock.*\n {10}do: systemctl start lintel@one-door/m);
  expect(stdout).toMatch(/^\d+ faults, \d+ warnings?, \d+ to look at\n$/m);
});

it('gives machines the same, and ends with 2 where the file itself is refused', async () => {
  const { code, stdout } = await say('doctor', EXAMPLE, '--json', '--socket', join(temporaryFolder(), 'nobody.sock'));
  expect(code).toBe(1);
  const { worst, findings } = JSON.parse(stdout) as { worst: string; findings: { about: string; remedy: unknown }[] };
  expect(worst).toBe('fault');
  expect(new Set(findings.map(({ about }) => about))).toEqual(
    new Set(['file', 'clock', 'disk', 'database', 'ports', 'broker', 'service', 'agent']),
  );
  const broken = join(temporaryFolder(), 'x.yaml');
  writeFileSync(broken, 'facility: [\n');
  expect((await say('doctor', broken)).code).toBe(2);
  expect(await say('doctor', EXAMPLE, 'more')).toMatchObject({ code: 2 });
});

it('lists the ports of this machine, for people and for machines', async () => {
  const listed = await say('ports');
  expect(listed.code).toBe(0);
  const { stdout } = await say('ports', '--json');
  const ports = JSON.parse(stdout) as { path: string }[];
  for (const { path } of ports) expect(listed.stdout).toContain(`${path}\n`);
  if (ports.length === 0) expect(listed.stdout).toContain('shows no serial port');
});
