import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { launch, lintel } from './lintel.ts';

/** Children of a process, by its pid. */
const childrenOf = (pid: number): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => statOf(name).split(') ')[1]?.split(' ')[1] === String(pid));

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}

describe('lintel demo', () => {
  it('--once plays the whole story, sees every step, and leaves nothing behind', async () => {
    const demo = launch(['demo', '--once', '--port', '0']);
    const [, log = ''] = await demo.says(/log: (\S+)/);
    expect(await demo.ended).toBe(0);
    const said = demo.stdout();
    expect(said).not.toContain('✗');
    for (const step of [
      'the controller really holds the code, in its own table',
      'Lintel has read it back: state set',
      'its controller opened the door itself',
      'the strike is energised',
      'the strike has not moved',
      'the exit button is never refused',
      'it has a key of its own, which nobody sees',
      'it proves its key, and the strike is energised',
      'the decision names her phone',
      'the door opens all the same',
      'the opening meanwhile has arrived',
    ])
      expect(said).toContain(`✓ ${step}`);
    expect(said).toMatch(/✓ events 1 to \d+ came in order, none missing\n/);
    expect(said.endsWith('\nEvery step was seen.\n')).toBe(true);
    expect(demo.stderr()).toBe('');
    expect(existsSync(dirname(log))).toBe(false);
  });

  it('says when a port is taken and takes another, stays up for the commands it prints, and ends with Ctrl-C', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const demo = launch(['demo', '--port', String(port)]);
    await demo.says(new RegExp(`port ${port} is taken, so the broker is on \\d+`));
    await demo.says(/Ctrl-C ends it\./, 60_000);
    const commands = [...demo.stdout().matchAll(/^ {3}\S*bin\/lintel (.+)$/gm)].map((match) =>
      (match[1] ?? '').split(' '),
    );
    expect(commands).toHaveLength(3);
    const [swipe = [], follow = [], create = []] = commands;

    const following = launch(follow);
    await following.says(/events from \d+ on/);
    const shown = await lintel(swipe);
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain('lock.unlocked');
    await following.says(/lock\.unlocked/);
    const created = await lintel(create);
    expect(created).toMatchObject({ code: 0, stderr: '' });
    const [, code = ''] = /^code: +(\d+)$/m.exec(created.stdout) ?? [];
    await following.says(/access_code\.set_on_device/);
    const socket = swipe.at(-1) ?? '';
    const opened = await lintel(['swipe', '--entrance', 'store-room', '--code', code, '--present', '--socket', socket]);
    expect(opened).toMatchObject({ code: 0 });
    expect(opened.stdout).toContain('store-room: granted');

    expect(await demo.signal('SIGINT')).toBe(0);
    expect(demo.stdout()).toContain('Stopped; nothing is left behind.');
    expect(existsSync(dirname(socket))).toBe(false);
    await following.ended;
  });

  it('ends cleanly also in the middle of its story', async () => {
    const demo = launch(['demo', '--port', '0']);
    const [, log = ''] = await demo.says(/log: (\S+)/);
    await demo.says(/command\/users\/create/);
    expect(await demo.signal('SIGINT')).toBe(0);
    expect(demo.stderr()).toBe('');
    expect(existsSync(dirname(log))).toBe(false);
  });

  it('has its serial lines on pseudo terminals with --pty, and ends what makes them', async () => {
    const demo = launch(['demo', '--once', '--pty', '--port', '0']);
    const [, line = ''] = await demo.says(/lobby +(\S+) /);
    expect(line.startsWith(tmpdir())).toBe(true);
    const children = childrenOf(demo.pid);
    expect(children).toHaveLength(2);
    expect(await demo.ended).toBe(0);
    expect(children.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  });
});
