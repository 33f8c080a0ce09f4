import { describe, expect, it } from 'vitest';
import { senderHere } from '../../src/cli/sender.ts';
import { until } from '../support/ports.ts';
import { USER } from '../support/room.ts';
import { launch, lintel } from './lintel.ts';
import { allOnline, serve, type Served } from './served.ts';

/** A 125 kHz tag that prints as 123,45678. */
const TAG = 'uid:00007BB26E';

async function enrol({ ask }: Served): Promise<void> {
  await ask('users', 'create', '--full-name', 'Jane', '--acs-user-id', USER);
  const card = ['--access-method', 'card', '--card-number', 'H10301:123:45678', '--acs-user-id', USER];
  expect((await ask('credentials', 'create', ...card, '--allowed-acs-entrance-ids', 'lobby')).code).toBe(0);
}

describe('lintel swipe', () => {
  it('explains step by step what a card would do at a reader, moves nothing, and leaves an event of who asked', async () => {
    const served = await serve();
    const { ask, building } = served;
    await allOnline(served);
    await enrol(served);
    const granted = await ask('swipe', '--reader', 'lobby-reader', '--card', 'H10301:123:45678');
    expect(granted).toMatchObject({ code: 0, stderr: '' });
    expect(granted.stdout).toMatch(/^lobby\n {2}✓ factor/);
    expect(granted.stdout).toMatch(/\ngranted\n$/);
    await ask('users', 'suspend', USER);
    const denied = await ask('swipe', '--entrance', 'lobby', '--card', 'H10301:123:45678');
    expect(denied.code).toBe(1);
    expect(denied.stdout).toMatch(/ {2}✗ user active +the user is suspended/);
    expect(denied.stdout).toMatch(/\ndenied: user suspended\n$/);
    const json = await ask('swipe', '--entrance', 'lobby', '--card', 'H10301:123:45678', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: true,
      result: { outcome: 'denied', reason: 'user_suspended' },
    });
    expect(building.relays.outputChanges).toEqual([]);
    expect((await ask('status', '--json')).stdout).toContain('"storage":"ok"');
    await until(
      () => building.tower.heard.some(({ topic }) => topic.endsWith('/event/agent.explained_by_secret')),
      'the event of the questions',
      30_000,
    );
    const told = building.tower.heard.find(({ topic }) => topic.endsWith('/event/agent.explained_by_secret'));
    expect(JSON.parse(told?.payload ?? '{}')).toMatchObject({
      source: 'local',
      sender: senderHere(false),
      count: 3,
      granted: 1,
      denied: 2,
    });
  }, 90_000);

  it('takes a code from standard input, so that no shell remembers it', async () => {
    const { socket } = await serve();
    const args = ['swipe', '--entrance', 'store-room', '--code', '-', '--socket', socket];
    const { code, stdout } = await lintel(args, { input: '824759\n' });
    expect(code).toBe(1);
    expect(stdout).toContain('nobody has this card or code');
  });

  it('asks a person for the code and does not show it; Ctrl-C gives none', async () => {
    const { socket } = await serve();
    const args = ['swipe', '--entrance', 'store-room', '--code', '-', '--socket', socket];
    const asked = launch(args, { isAtTerminal: true });
    await asked.says(/Code: /);
    asked.type('824\u007f4759\r');
    expect(await asked.ended).toBe(1);
    expect(asked.stdout()).toContain('nobody has this card or code');
    expect(asked.stdout()).not.toMatch(/82/);
    const stopped = launch(args, { isAtTerminal: true });
    await stopped.says(/Code: /);
    stopped.type('8247\u0003');
    expect(await stopped.ended).toBe(2);
    expect(stopped.stdout()).toContain('--code: nothing was given');
    expect(stopped.stdout()).not.toContain('8247');
  });

  it('presents nothing to a real reader, and says why', async () => {
    const { ask } = await serve();
    const { code, stderr } = await ask('swipe', '--entrance', 'lobby', '--card', TAG, '--present');
    expect(code).toBe(1);
    expect(stderr).toContain('lobby-reader is a real reader, and only a hand can show it a card');
  });

  it('names the reader that was meant', async () => {
    const { ask } = await serve();
    const { code, stderr } = await ask('swipe', '--reader', 'loby-reader', '--card', TAG);
    expect(code).toBe(1);
    expect(stderr).toContain('did you mean lobby-reader?');
  });

  it('really presents a card to a simulated reader, and the door opens', async () => {
    const served = await serve();
    const { building, ask } = served;
    await allOnline(served);
    await enrol(served);
    const port = building.reader.address ?? '';
    await building.reader.stop();
    const simulator = launch(['simulate', 'uart-reader', '--port', port]);
    const [, path = ''] = await simulator.says(/--simulator (\S+)/);
    await simulator.says(/somebody listens/);
    const presented = await lintel(['swipe', '--card', TAG, '--present', '--simulator', path]);
    expect(presented).toEqual({ code: 0, stdout: 'presented\n', stderr: '' });
    await until(() => building.relays.outputChanges.some(({ energised }) => energised), 'the strike');
    await until(() => building.tower.heard.some(({ topic }) => topic.endsWith('/event/lock.unlocked')), 'the event');
    expect(await simulator.signal('SIGINT')).toBe(0);
    const gone = await lintel(['swipe', '--card', TAG, '--present', '--simulator', path]);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('no simulator answers at');
    expect((await ask('status')).code).toBe(0);
  });
});

describe('a code of a credential', () => {
  it('is taken from standard input, so that it stands in no list of processes and no history', async () => {
    const served = await serve();
    const { ask, socket } = served;
    await ask('users', 'create', '--full-name', 'Jane', '--acs-user-id', USER);
    const about = ['--access-method', 'code', '--acs-user-id', USER, '--allowed-acs-entrance-ids', 'store-room'];
    const create = ['credentials', 'create', ...about, '--code', '-', '--socket', socket];
    const piped = await lintel(create, { input: '824759\n' });
    expect(piped).toMatchObject({ code: 0, stderr: '' });
    expect(piped.stdout).not.toContain('824759');
    // There the controller decides: it is asked once the code is in its table.
    const { tower } = served.building;
    await until(
      () => tower.heard.some(({ topic }) => topic.endsWith('/event/access_code.set_on_device')),
      'it to be set',
      30_000,
    );
    expect((await ask('swipe', '--entrance', 'store-room', '--code', '824759')).code).toBe(0);
    const asked = launch(create, { isAtTerminal: true });
    await asked.says(/Code: /);
    asked.type('935861\r');
    expect(await asked.ended).toBe(0);
    expect(asked.stdout()).not.toContain('935861');
    expect((await ask('swipe', '--entrance', 'store-room', '--code', '935861')).code).toBe(0);
    // As before, for scripts that know what they do.
    const typed = await ask('credentials', 'create', ...about, '--code', '714263');
    expect(typed.code).toBe(0);
    expect((await lintel(create, { input: '\n' })).stderr).toContain('--code: nothing was given on standard input');
    expect((await lintel(create, { input: '82x\n' })).stderr).not.toContain('82x');
    const both = await ask('credentials', 'create', ...about, '--code', '-', '--file', '-');
    expect(both).toMatchObject({ code: 2, stdout: '' });
    expect(both.stderr).toContain('both read standard input');
  });

  it('is offered so in the help', async () => {
    for (const verb of ['create', 'update'])
      expect((await lintel(['credentials', verb, '--help'])).stdout).toMatch(
        /--code TEXT[^-]*-\s+asks\s+for\s+it,\s+or\s+reads\s+it\s+from\s+standard\s+input/,
      );
  });
});
