// `lintel muster`, on paper.

import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Console } from '../../src/console/console.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { openControlServer } from '../../src/ops/control-socket.ts';
import { silentLog } from '../support/room.ts';
import { temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';
import { musterOf } from '../../src/cli/muster.ts';
import { readReply } from '../../src/cli/channel.ts';
import { processTerminal } from '../../src/cli/terminal.ts';
import { area, areaWorld, PEOPLE } from '../access/area-world.ts';

it('lists by area who is inside, since when and where seen last, with those who may be', async () => {
  const yard = area({ name: 'yard', displayName: 'Yard', inReaders: ['back-in'], outReaders: ['back-out'] });
  const here = await areaWorld([area({ displayName: 'Workshop' }), yard], [{ name: 'front' }, { name: 'back' }]);
  await here.go(1, 'front-in');
  await here.go(0, 'front-in');
  await here.clock().advance(60_000);
  await here.go(0, 'back-in');
  await here.caller().call('areas/forgive', { acs_user_id: PEOPLE[1] });
  const channel = {
    command: async (name: string, { command_id, params }: { command_id: string; params: unknown }) => {
      const reply = readReply(await here.caller().call(name, params, { command_id }));
      if (reply === null) throw new Error('it was answered');
      return reply;
    },
    timeZone: () => Promise.resolve('Europe/Oslo'),
  };
  const sheet = async (only?: string): Promise<string> => {
    const parts: string[] = [];
    const terminal = { ...processTerminal(), isTty: false };
    for await (const part of musterOf(channel, only, here.clock().nowMs(), terminal, 1_000)) parts.push(part);
    return parts.join('');
  };
  const text = await sheet();
  expect(text).toMatch(/^Muster list of 2026-03-02 10:01/);
  expect(text).toMatch(/Workshop: 1 inside, 1 more may be\n\[ \] {2}Jane +since .*10:00.* seen .*10:01.* at back\n\[ \] {2}Person 1 .*front +may be inside\n/);
  expect(text).toMatch(/Yard: 1 inside\n\[ \] {2}Jane/);
  expect(text).toMatch(/All areas: 1 person inside, 1 more may be\n$/);
  expect(await sheet('yard')).not.toContain('Workshop');
}); // prettier-ignore

it('asks the agent over its own socket, whatever became of the broker', async () => {
  const here = await areaWorld([area({ displayName: 'Workshop' })]);
  await here.go(0, 'front-in');
  const agent = {
    dispatcher: here.caller().dispatcher, store: here.store(), site: here.site(), clockTrust: null, refusal: null, status: () => ({ time_zone: 'Europe/Oslo' }),
    operations: {}, preloadMs: 0, device: () => undefined, time: here.time,
  }; // prettier-ignore
  const console = new Console({ agent, clock: systemClock, ready: Promise.resolve() });
  const path = join(temporaryFolder(), 'control.sock');
  const server = await openControlServer({ clock: systemClock, log: silentLog, path, facility: 'riverside', handle: (request, context) => console.handle(request, context) }); // prettier-ignore
  onTestFinished(() => server.close());
  const { code, stdout, stderr } = await say('muster', 'workshop', '--socket', path);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toMatch(/Workshop: 1 inside\n\[ \] {2}Jane/);
  expect(JSON.parse((await say('muster', '--json', '--socket', path)).stdout)).toMatchObject({ area: 'workshop', acs_user_id: PEOPLE[0], state: 'inside' }); // prettier-ignore
  expect(await say('muster', 'worksop', '--socket', path)).toMatchObject({ code: 1, stdout: '' });
});
