import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { raiseRelays } from '../support/relay-site.ts';
import { until } from '../support/ports.ts';

const BOTH = ['north/0', 'south/5'];

describe('a daemon whose relays are on', { timeout: 180_000 }, () => {
  it.each([
    ['SIGTERM', 0],
    ['SIGINT', 0],
    ['SIGQUIT', 0],
    ['SIGPWR', 0],
    ['SIGXCPU', 0],
  ] as const)('switches them off before it ends by %s', async (signal, code) => {
    const site = await raiseRelays();
    const agent = await site.run();
    await site.openAll();
    expect(site.on()).toEqual(BOTH);
    expect(await agent.signal(signal)).toBe(code);
    expect(site.on()).toEqual([]);
  });

  it('is ended by no signal that is no reason to: it says so, serves on, and opens no debugger', async () => {
    const site = await raiseRelays();
    const agent = await site.run();
    await site.openAll();
    const refused = ['SIGHUP', 'SIGPIPE', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGXFSZ'] as const;
    for (const signal of refused) {
      process.kill(agent.pid, signal);
      await agent.says(new RegExp(`${signal} is refused`));
    }
    process.kill(agent.pid, 'SIGUSR1');
    expect((await site.ask('status')).code).toBe(0);
    expect(agent.stderr()).toMatch(/SIGHUP is refused: .*Remedy: restart/);
    expect(agent.stderr()).not.toContain('Debugger');
    expect(site.on()).toEqual(BOTH);
    expect(await agent.signal('SIGTERM')).toBe(0);
    expect(site.on()).toEqual([]);
  });

  it.each([
    ['an error that nobody caught', 'SIGWINCH', 'uncaughtException'],
    ['a promise that nobody awaited', 'SIGURG', 'unhandledRejection'],
  ] as const)('switches them off before it ends by %s, and says what it was', async (_, signal, origin) => {
    const site = await raiseRelays();
    const fault = join(site.folder, 'fault.mjs');
    writeFileSync(
      fault,
      `process.on('SIGWINCH', () => { throw new Error('a mistake') });
       process.on('SIGURG', () => void Promise.reject(new Error('a mistake')));`,
    );
    const agent = await site.run({ env: { NODE_OPTIONS: `--import=${fault}` } });
    await site.openAll();
    process.kill(agent.pid, signal);
    expect(await agent.ended).toBe(1);
    expect(site.on()).toEqual([]);
    expect(agent.stderr()).toMatch(new RegExp(`"a mistake".*"origin":"${origin}".*a mistake of Lintel itself`));
  });

  it('switches them off before it ends at once, told a second time while the first stop is held up', async () => {
    const site = await raiseRelays();
    const agent = await site.run();
    await site.openAll();
    const north = site.lines.north.unit(1);
    north.faults.deaf = true;
    process.kill(agent.pid, 'SIGTERM');
    await until(() => !site.on().includes('south/5'), 'the other board to be at rest');
    await new Promise((resolve) => setTimeout(resolve, 700)); // later than what counts as the same signal
    process.kill(agent.pid, 'SIGTERM');
    await agent.says(/told a second time/);
    north.faults.deaf = false;
    expect(await agent.ended).toBe(143);
    expect(site.on()).toEqual([]);
  });

  it('drives nothing any more once it is told to stop, whoever still asks', async () => {
    const site = await raiseRelays();
    const agent = await site.run();
    await site.openAll();
    const [north, south] = [site.lines.north.unit(1), site.lines.south.unit(1)];
    north.faults.deaf = true; // holds the stop up
    process.kill(agent.pid, 'SIGTERM');
    await until(() => !site.on().includes('south/5'), 'the other board to be at rest');
    south.requests.length = 0;
    south.setInput(1, true); // somebody presses the exit button
    await until(() => south.requests.length > 3, 'the button to be seen');
    expect(south.outputChanges.at(-1)).toMatchObject({ energised: false });
    north.faults.deaf = false;
    expect(await agent.ended).toBe(0);
    expect(site.on()).toEqual([]);
  });

  it('serves on when nobody reads what it says, and switches them off when it is told to', async () => {
    const site = await raiseRelays();
    const agent = await site.run();
    agent.stopReading();
    await site.openAll();
    process.kill(agent.pid, 'SIGHUP'); // has it log, and write to where nobody reads
    expect((await site.ask('status')).code).toBe(0);
    expect(await agent.signal('SIGTERM')).toBe(0);
    expect(site.on()).toEqual([]);
  });
});
