// `lintel muster`, on paper.

import { expect, it } from 'vitest';
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
