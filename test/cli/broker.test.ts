import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { raiseBuilding } from '../support/building.ts';
import { until } from '../support/ports.ts';
import { LOBBY, USER } from '../support/room.ts';
import { launch, say, type Ended } from './lintel.ts';
import { allOnline, serve, serveBuilding, type Served } from './served.ts';

const ID = '66666666-6666-6666-6666-666666666666';

const far =
  ({ building }: Pick<Served, 'building'>) =>
  (...args: string[]): Promise<Ended> =>
    say(...args, '--url', building.broker.url, '--facility', 'riverside');

describe('the command line over a broker', () => {
  it('speaks MQTT 5: the reply comes to a Response Topic of its own, under a client id of its own', async () => {
    const served = await serve();
    await allOnline(served);
    const { code, stdout } = await far(served)('users', 'create', '--full-name', 'Jane Doe', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, result: { acs_user: { full_name: 'Jane Doe' } } });
    const { command_id: commandId } = JSON.parse(stdout) as { command_id: string };
    const reply = served.building.tower.heard.find(
      ({ topic, correlation }) => correlation === commandId && !topic.includes('/command/'),
    );
    expect(reply?.topic).toMatch(/^lintel\/v1\/riverside\/reply\/lintel-cli-[0-9a-f]+$/);
  });

  it('shows states, times in the building’s zone, and explains a credential, by card or code only on the gateway itself', async () => {
    const served = await serve();
    await allOnline(served);
    const ask = far(served);
    const status = await ask('status');
    expect(status.code).toBe(0);
    expect(status.stdout).toMatch(/^started_at: +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0[12]:00$/m);
    expect(status.stdout).toMatch(/^store-panel +modbus +lan +yes/m);
    const swipe = await ask('swipe', '--entrance', 'lobby', '--card', 'uid:0000000001');
    expect(swipe.code).toBe(1);
    expect(swipe.stderr).toMatch(/by card or code only on the gateway itself.*Remedy:.*\(not_permitted\)/);
    const users = ['users', 'create', '--full-name', 'Jane', '--acs-user-id', USER];
    expect((await served.ask(...users)).code).toBe(0);
    const card = ['--access-method', 'card', '--card-number', 'uid:0000000001', '--acs-credential-id', ID];
    await served.ask('credentials', 'create', ...card, '--acs-user-id', USER, '--allowed-acs-entrance-ids', 'lobby');
    const explained = await ask('entrances', 'explain', 'lobby', '--acs-credential-id', ID);
    expect(explained).toMatchObject({ code: 0, stderr: '' });
    expect(explained.stdout).toMatch(/✓ known +1 credential\(s\) have it/);
  });

  it('follows events from a number on, across a broker that stops and comes back', async () => {
    const served = await serve();
    await allOnline(served);
    const { building } = served;
    const args = [
      'events',
      '--follow',
      '--from',
      '1',
      '--json',
      '--url',
      building.broker.url,
      '--facility',
      'riverside',
    ];
    const following = launch(args);
    await following.says(/"event_type":"agent.started"/);
    await building.broker.kill();
    await served.ask('entrances', 'unlock', 'lobby', '--reason', 'while nobody listens');
    await building.broker.start();
    await following.says(/while nobody listens/);
    expect(await following.signal('SIGINT')).toBe(0);
    const sequences = following
      .stdout()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { sequence: number }).sequence);
    expect(sequences).toEqual(sequences.map((_, i) => i + 1));
  });

  it('tells what becomes of a command while the agent is away, and never opens a door later', async () => {
    const served = await serve();
    await allOnline(served);
    const ask = far(served);
    expect(await served.agent.signal('SIGTERM')).toBe(0);
    const [unlock, user] = await Promise.all([
      ask('entrances', 'unlock', LOBBY, '--timeout', '1s'),
      ask('users', 'create', '--full-name', 'Later', '--timeout', '1s'),
    ]);
    expect(unlock.code).toBe(1);
    expect(unlock.stderr).toMatch(
      /no reply within 1 s, for the agent is offline; the command expires at .* and does nothing/,
    );
    expect(user.stderr).toMatch(/for the agent is offline; the broker keeps the command for it/);
    const changes = served.building.relays.outputChanges.length;
    const back = await serveBuilding(served.building);
    await until(
      () => served.building.tower.heard.some(({ payload }) => payload.includes('command_expired')),
      'the refusal',
    );
    await until(() => served.building.tower.heard.some(({ payload }) => payload.includes('"Later"')), 'the user');
    expect((await back.ask('users', 'list')).stdout).toContain('Later');
    expect(served.building.relays.outputChanges.slice(changes).filter(({ energised }) => energised)).toEqual([]);
  });

  it('says what is wrong with the broker, the user or the name', async () => {
    const building = await raiseBuilding();
    const url = building.broker.url;
    const nobody = await say('users', 'list', '--url', 'mqtt://127.0.0.1:1', '--facility', 'riverside');
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('the broker mqtt://127.0.0.1:1: nobody listens there');
    const unheard = await say('users', 'list', '--url', url, '--facility', 'lakeside', '--timeout', '1s');
    expect(unheard.code).toBe(1);
    expect(unheard.stderr).toContain('no agent listens under lintel/v1/lakeside at this broker');
    const tls = await say('users', 'list', '--url', url.replace('mqtt:', 'mqtts:'), '--facility', 'riverside');
    expect(tls.code).toBe(1);
    expect(tls.stderr).toMatch(/TLS was not agreed upon|it hung up at once/);
  });

  it('never shows a password, wherever it was given', async () => {
    const building = await raiseBuilding();
    const file = join(building.folder, 'password');
    writeFileSync(file, 'hunter2\n');
    const url = building.broker.url.replace('mqtt://', 'mqtt://me:hunter2@').replace(/:\d+$/, ':1');
    const inUrl = await say('users', 'list', '--url', url, '--facility', 'riverside');
    const inFile = await say(
      'users',
      'list',
      '--url',
      'mqtt://me@127.0.0.1:1',
      '--password-file',
      file,
      '--facility',
      'riverside',
    );
    for (const { code, stdout, stderr } of [inUrl, inFile]) {
      expect(code).toBe(1);
      expect(stdout + stderr).not.toContain('hunter2');
    }
  });
});
