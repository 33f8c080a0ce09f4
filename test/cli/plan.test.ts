import { describe, expect, it } from 'vitest';
import { until } from '../support/ports.ts';
import { USER } from '../support/room.ts';
import { launch, say } from './lintel.ts';
import { allOnline, serve, type Served } from './served.ts';

const create = async ({ ask }: Served, ...more: string[]): Promise<string> => {
  const made = await ask(
    ...['credentials', 'create', '--access-method', 'code', '--acs-user-id', USER, '--json'],
    ...['--allowed-acs-entrance-ids', 'store-room', ...more],
  );
  const [, id = ''] = /"acs_credential_id":"([0-9a-f-]+)"/.exec(made.stdout) ?? [];
  expect([made.stderr, id]).toEqual(['', expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  return id;
};

async function readyHouse(): Promise<Served> {
  const served = await serve();
  await allOnline(served);
  await served.ask('users', 'create', '--full-name', 'Jane Doe', '--acs-user-id', USER);
  return served;
}

const settled = async ({ ask }: Served): Promise<void> => {
  let text = '';
  const look = async (): Promise<void> => void ({ stdout: text } = await ask('plan'));
  await until(
    () => {
      void look();
      return text.includes('store-panel: as it should be');
    },
    'everything is written',
    10_000,
  );
};

describe('lintel plan', () => {
  it('says what is as it should be, what would be written and what waits, and follows until it is done', async () => {
    const served = await readyHouse();
    const { ask, building, socket } = served;
    const gone = await create(served, '--code', '471100');
    await settled(served);
    await building.panelLine.cut();
    await until(
      () =>
        building.tower.heard.some(
          ({ topic, payload }) => topic.endsWith('store-panel') && payload.includes('"online":false'),
        ),
      'the panel is missed',
      15_000,
    );
    const fresh = await create(served, '--code', '471200');
    const later = await create(served, '--starts-at', '2090-01-01T12:00:00Z', '--ends-at', '2090-01-02T12:00:00Z');
    await ask('credentials', 'delete', '--acs-credential-id', gone);

    const planned = await ask('plan');
    expect([planned.stderr, planned.code]).toEqual(['', 0]);
    const [head = '', ...lines] = planned.stdout.trimEnd().split('\n');
    expect(head).toMatch(/^store-panel: 1 to erase, 1 to write, 1 to wait, offline/);
    expect(lines[0]).toMatch(new RegExp(`^  erase +slot 0 +${gone}  deleted  since 20\\d\\d-`));
    expect(lines[1]).toMatch(new RegExp(`^  write +slot 1 +${fresh}  valid$`));
    expect(lines[2]).toMatch(new RegExp(`^  wait +${later}  not yet valid  until 20(89|90)-`));
    expect(planned.stdout).not.toMatch(/471[12]00/);
    expect(JSON.parse((await ask('plan', '--json', '--controller', 'store-panel')).stdout)).toMatchObject({
      pending: 2,
      controllers: [
        {
          controller: 'store-panel',
          online: false,
          pending: 2,
          counts: { erase: 1, write: 1, wait: 1 },
          changes: [
            { action: 'erase', slot: 0, acs_credential_id: gone, why: 'deleted' },
            { action: 'write', slot: 1, acs_credential_id: fresh, why: 'valid', at: null },
            { action: 'wait', slot: null, acs_credential_id: later, why: 'not_yet_valid' },
          ],
        },
      ],
    });

    const watching = launch(['plan', '--watch', '--socket', socket]);
    await watching.says(/1 to erase/);
    await building.panelLine.start();
    await watching.says(/nothing is pending/);
    expect(await watching.ended).toBe(0);
    expect((await ask('plan')).stdout).toMatch(/^store-panel: 1 to wait\n/);
    expect(building.panel.doors.present(1, { pin: '471200' }).granted).toBe(true);
    expect(building.panel.doors.present(1, { pin: '471100' }).granted).toBe(false);
  }, 60_000);

  it('ends a watch that is broken off with 1, and says that the agent goes on', async () => {
    const served = await readyHouse();
    await served.building.panelLine.cut();
    await create(served, '--code', '471300');
    const watching = launch(['plan', '--watch', '--socket', served.socket]);
    await watching.says(/1 to write/);
    expect(await watching.signal('SIGINT')).toBe(1);
    expect(watching.stderr()).toMatch(/ended while 1 were pending; the agent goes on/);
  }, 60_000);

  it('names what there is where a controller holds nothing, or is not there', async () => {
    const { ask } = await serve();
    expect(await ask('plan', '--controller', 'store-panle')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('did you mean store-panel?'),
    });
    expect(await ask('plan', '--controller', 'relay-board')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('relay-board holds no credentials'),
    });
    expect((await say('plan', 'now')).stderr).toContain('"now" is too much here');
  });
});
