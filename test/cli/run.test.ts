import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { raiseBuilding } from '../support/building.ts';
import { freePort, until } from '../support/ports.ts';
import { USER } from '../support/room.ts';
import { launch, lintel } from './lintel.ts';
import { allOnline, runArguments, serve, serveBuilding } from './served.ts';

const parsed = (line: string): unknown => JSON.parse(line);

/** The function code of what reads the button. */
const READ_INPUTS = 2;

describe('lintel run', () => {
  it('serves a facility to the command line, and stops cleanly when it is told to', async () => {
    const building = await raiseBuilding();
    const port = await freePort();
    appendFileSync(building.file, `\nmonitoring: {port: ${port}}\n`);
    const served = await serveBuilding(building);
    const { ask, agent } = served;
    await allOnline(served);
    const created = await ask('users', 'create', '--full-name', 'Jane Doe', '--acs-user-id', USER, '--json');
    expect(created.code).toBe(0);
    expect(parsed(created.stdout)).toMatchObject({ ok: true, result: { acs_user: { acs_user_id: USER } } });

    const code = ['credentials', 'create', '--access-method', 'code', '--acs-user-id', USER, '--command-id', 'once'];
    const shown = await ask(...code, '--allowed-acs-entrance-ids', 'store-room', '--ends-at', '2030-01-01T12:00:00Z');
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^code: +[0-9]{4,8}$/m);
    expect(shown.stdout).toContain('The code is shown this once');
    expect(shown.stdout).toMatch(/^ends_at: +2030-01-01 13:00:00 \+01:00$/m);
    const listed = await ask('credentials', 'list');
    expect(listed.stdout.split('\n')).toHaveLength(3);
    expect(listed.stdout).not.toMatch(/\b[0-9]{4,8}\b(?!-)/);

    const opened = await ask('entrances', 'unlock', 'lobby', '--reason', 'delivery');
    expect(opened).toMatchObject({ code: 0, stderr: '' });
    expect(opened.stdout).toContain('unlocked');
    expect(building.relays.outputChanges[0]).toMatchObject({ output: 0, energised: true });

    const asked = async (path: string): Promise<string> =>
      await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    expect(await asked('/readyz')).toBe('{"ready":true,"problem":null}\n');
    expect(await asked('/metrics')).toMatch(
      /^lintel_events_total\{event_type="lock.unlocked",facility="riverside"\} 1$/m,
    );
    expect(await asked('/metrics')).toMatch(/^lintel_entrance_online\{entrance="lobby",facility="riverside"\} 1$/m);

    const status = await ask('status', '--json');
    expect(parsed(status.stdout)).toMatchObject({ facility: 'riverside', online: true, broker: { connected: true } });
    expect((await ask('clock')).stdout).toMatch(/^trusted: +yes$/m);
    expect((await ask('clock', 'accept')).stdout).toMatch(/^reason: +operator$/m);
    expect((await ask('controllers', 'resync', 'store-panel')).stdout).toMatch(/^compared: +1$/m);
    expect((await ask('facility', 'digest')).stdout).toMatch(/^credentials: +1$/m);

    expect(await agent.signal('SIGTERM')).toBe(0);
    expect(building.relays.output(0)).toBe(false);
    expect(existsSync(served.socket)).toBe(false);
    expect((await ask('status')).code).toBe(1);
  });

  it('serves its doors also where the built-in broker finds its port taken, and says so', async () => {
    const building = await raiseBuilding();
    const squatter = createServer();
    squatter.listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    onTestFinished(() => void squatter.close());
    const { port } = squatter.address() as AddressInfo;
    const file = readFileSync(building.file, 'utf8').replace(/^mqtt: .*$/m, `mqtt: {embedded: ${port}}`);
    expect(file).toContain(`embedded: ${port}`);
    writeFileSync(building.file, file);
    const { ask, agent } = await serveBuilding(building);
    expect(agent.stderr()).toMatch(new RegExp(`port ${port} on 127.0.0.1 is taken. Remedy: .*doors are served`));
    let opened = await ask('entrances', 'unlock', 'lobby');
    for (let i = 0; i < 50 && opened.code !== 0; i++) opened = await ask('entrances', 'unlock', 'lobby');
    expect(opened.stdout).toContain('unlocked');
    expect(parsed((await ask('status', '--json')).stdout)).toMatchObject({
      broker: { connected: false, problem: expect.stringContaining('is taken') },
    });
    expect(await agent.signal('SIGTERM')).toBe(0);
  });

  it('answers the same command again with the same reply, and another one of that id with a conflict', async () => {
    const { ask } = await serve();
    const create = ['users', 'create', '--command-id', 'once', '--json', '--full-name'];
    const first = await ask(...create, 'Jane');
    expect(await ask(...create, 'Jane')).toEqual(first);
    const other = await ask(...create, 'John');
    expect(other.code).toBe(1);
    expect(parsed(other.stdout)).toMatchObject({ ok: false, error: { type: 'command_conflict' } });
    expect((await ask('users', 'list')).stdout.split('\n')).toHaveLength(3);
  });

  it('takes many operations from a file, and fails when one of them failed', async () => {
    const { ask, building } = await serve();
    await ask('users', 'create', '--full-name', 'Jane', '--acs-user-id', USER);
    const file = join(building.folder, 'operations.json');
    const create = (number: number): unknown => ({
      op: 'create',
      params: {
        acs_user_id: USER,
        access_method: 'card',
        card_number: `H10301:1:${number}`,
        allowed_acs_entrance_ids: [],
      },
    });
    writeFileSync(file, JSON.stringify([create(1), create(2)]));
    expect((await ask('credentials', 'apply', '--file', file)).code).toBe(0);
    writeFileSync(file, JSON.stringify([create(3), { op: 'delete', params: { acs_credential_id: USER } }]));
    const mixed = await ask('credentials', 'apply', '--file', file);
    expect(mixed.code).toBe(1);
    expect(mixed.stdout).toContain('acs_credential_not_found');
    expect((await ask('credentials', 'list', '--json')).stdout.match(/"H10301"/g)).toHaveLength(3);
  });

  it('is refused a second time for the same facility, wherever its socket is', async () => {
    const { ask, building, socket } = await serve();
    const second = await lintel(runArguments(building.file, socket));
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('another lintel serves the database');
    const elsewhere = await lintel(runArguments(building.file, join(building.folder, 'other.sock')));
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toContain('another lintel serves the database');
    expect((await ask('status')).code).toBe(0);
  });

  it('comes back after kill -9 with everything it had acknowledged', async () => {
    const first = await serve();
    await first.ask('users', 'create', '--full-name', 'Jane', '--acs-user-id', USER, '--command-id', 'once', '--json');
    await first.agent.signal('SIGKILL');
    expect(existsSync(first.socket)).toBe(true);
    const second = await serveBuilding(first.building);
    const again = await second.ask(
      'users',
      'create',
      '--full-name',
      'Jane',
      '--acs-user-id',
      USER,
      '--command-id',
      'once',
      '--json',
    );
    expect(parsed(again.stdout)).toMatchObject({ command_id: 'once', ok: true });
    expect((await second.ask('users', 'list')).stdout).toContain('Jane');
    const events = await second.ask('events', '--from', '1', '--type', 'agent.started', '--json');
    expect(events.stdout.trim().split('\n').map(parsed)).toMatchObject([{ was_unclean: false }, { was_unclean: true }]);
  });

  it('names every mistake of its file, and opens nothing', async () => {
    const building = await raiseBuilding();
    const wrong = join(building.folder, 'wrong.yaml');
    writeFileSync(wrong, 'facility: riverside\nmqtt: {embedded: 70000}\n');
    const { code, stderr } = await lintel(runArguments(wrong, join(building.folder, 'control.sock')));
    expect(code).toBe(2);
    expect(stderr).toMatch(/wrong\.yaml:2:\d+ {2}mqtt\.embedded/);
    expect(existsSync(join(building.folder, 'control.sock'))).toBe(false);
  });

  it('refuses a unit of another name than its facility', async () => {
    const building = await raiseBuilding();
    const args = ['run', '--config', building.file];
    const env = { INVOCATION_ID: 'a', RUNTIME_DIRECTORY: join(building.folder, 'lakeside') };
    const { code, stderr } = await lintel(args, { env });
    expect(code).toBe(2);
    expect(stderr).toContain('the unit is lintel@lakeside, and its file says facility: riverside');
  });

  it('goes on letting people out when the database refuses, and says so to systemd and to whoever asks', async () => {
    const building = await raiseBuilding();
    const sound = await serveBuilding(building);
    await sound.agent.signal('SIGTERM');
    writeFileSync(join(building.folder, 'lintel.db'), 'this is no database, whatever it is called'.repeat(100));
    building.relays.requests.length = 0;
    const notified = await systemd(join(building.folder, 'notify'));
    const served = await serveBuilding(building, { env: { NOTIFY_SOCKET: notified.path } });
    await until(() => notified.said().includes('READY=1'), 'systemd to be told');
    expect(notified.said()).toMatch(/STATUS=NOBODY IS LET IN, leaving works: the database .*lintel\.db is damaged/);
    const looks = (): number => building.relays.requests.filter((pdu) => pdu[0] === READ_INPUTS).length;
    await until(() => looks() >= 2, 'the button to be seen at rest');
    building.relays.setInput(1, true);
    await until(() => building.relays.output(0), 'the exit button to drive the strike');
    building.relays.setInput(1, false);
    const status = await served.ask('status', '--json');
    expect(status.code).toBe(1);
    expect(status.stdout).toContain('"refusal":"the database ');
    const users = await served.ask('users', 'list');
    expect(users.code).toBe(1);
    expect(users.stderr).toContain('lintel.db');
    expect(await served.agent.signal('SIGTERM')).toBe(0);
  });

  it('takes one Ctrl-C that comes twice, from the terminal and from npm, for one', async () => {
    const { agent, socket } = await serve();
    const first = agent.signal('SIGINT');
    expect(await agent.signal('SIGINT')).toBe(0);
    expect(await first).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('ends at once when it is told a second time, though a device does not let it go', async () => {
    const served = await serve();
    await allOnline(served);
    served.building.relays.faults.deaf = true;
    const first = served.agent.signal('SIGINT');
    await served.agent.says(/stopping/);
    await new Promise((resolve) => setTimeout(resolve, 700)); // later than what counts as the same signal
    expect(await served.agent.signal('SIGINT')).toBe(130);
    expect(await first).toBe(130);
  });
});

describe('lintel events --follow', () => {
  it('shows what happens as it happens, until Ctrl-C', async () => {
    const { ask, socket } = await serve();
    const following = launch(['events', '--follow', '--from', '1', '--json', '--socket', socket]);
    await following.says(/"event_type":"agent.started"/);
    await ask('entrances', 'unlock', 'lobby');
    await following.says(/"event_type":"(lock.unlocked|acs_entrance.unlock_failed)"/);
    expect(await following.signal('SIGINT')).toBe(0);
    const sequences = following
      .stdout()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { sequence: number }).sequence);
    expect(sequences).toEqual(sequences.map((_, i) => i + 1));
  });

  it('says so when the agent ends', async () => {
    const { agent, socket } = await serve();
    const following = launch(['events', '--follow', '--from', '1', '--socket', socket]);
    await following.says(/agent\.started/);
    await agent.signal('SIGKILL');
    expect(await following.ended).toBe(1);
    expect(following.stderr()).toContain('lintel closed the connection');
  });
});

/** Stands for systemd at the far end of a notification socket. */
async function systemd(path: string): Promise<{ path: string; said: () => string }> {
  const child = spawn('/usr/bin/python3', [join(import.meta.dirname, '../ops/notify-socket.py'), path]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const out = createInterface({ input: child.stdout });
  out.on('line', (line) => lines.push((JSON.parse(line) as { text?: string }).text ?? ''));
  await once(out, 'line');
  return { path, said: () => lines.join('\n') };
}
