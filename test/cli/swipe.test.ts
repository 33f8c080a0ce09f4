import { describe, expect, it } from 'vitest';
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
  it('explains step by step what a card would do at a reader, moves nothing and records nothing', async () => {
    const served = await serve();
    const { ask, building } = served;
    await allOnline(served);
    await enrol(served);
    const before = (await ask('status', '--json')).stdout;
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
    const sequence = (text: string): unknown => (JSON.parse(text) as { sequence: unknown }).sequence;
    expect(sequence((await ask('status', '--json')).stdout)).toBe(sequence(before));
  });

  it('takes a code from standard input, so that no shell remembers it', async () => {
    const { socket } = await serve();
    const args = ['swipe', '--entrance', 'store-room', '--code', '-', '--socket', socket];
    const { code, stdout } = await lintel(args, { input: '824759\n' });
    expect(code).toBe(1);
    expect(stdout).toContain('nobody has this card or code');
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
