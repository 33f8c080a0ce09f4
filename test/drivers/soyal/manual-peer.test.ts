// The driver against a peer in another language, on a serial line, that accepts the manual's examples byte by byte and
// refuses everything else.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openPtyPair, until } from '../../support/ports.ts';
import { clockOf, content, eventsOf, later, outputsOf, slotsOf, soon, startDriver } from './site.ts';

/** Debian's Python, which has Debian's python3-serial. */
const PYTHON = '/usr/bin/python3';

async function startPeer(path: string): Promise<string[]> {
  const peer = spawn(PYTHON, [join(import.meta.dirname, 'manual_peer.py'), path]);
  later(
    () =>
      new Promise((resolve) => {
        peer.once('exit', () => resolve());
        peer.kill('SIGKILL');
      }),
  );
  const said: string[] = [];
  let complaints = '';
  peer.stdout.setEncoding('utf8').on('data', (text: string) => said.push(...text.trim().split('\n')));
  peer.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  await until(() => {
    if (peer.exitCode !== null) throw new Error(`the peer ended (is python3-serial installed?): ${complaints}`);
    return said.includes('ready');
  }, 'the peer to listen');
  return said;
}

test('a peer that knows only the manual’s examples is met, written to, read, pulsed and asked for events', async () => {
  const pair = await openPtyPair();
  later(() => pair.close());
  const said = await startPeer(pair.b);
  const line = startDriver(pair.a, [{ address: 1, zone: 1 }], { baud: 9600 });
  await line.seen('online');
  const device = line.device();
  expect(device.status().identity).toBe('soyal 6V3 type 26 id 01 door 9985');

  const user = content({ card: 'uid:0441EA4B', pin: '1234' });
  expect(await slotsOf(device).write([{ slot: 1, content: user }])).toEqual([{ slot: 1, outcome: 'written' }]);
  expect(said).toContain('7e0e018300010441ea4b04d202014d25');
  expect(await slotsOf(device).write([{ slot: 2, content: user }])).toMatchObject([{ outcome: 'refused' }]);
  const [reading] = await slotsOf(device).read([2]);
  expect(reading?.state).toBe('occupied');
  expect(reading?.image.toString('hex')).toBe('0441ea4b04d2020b');
  expect(await clockOf(device).read()).toBe(Date.UTC(2005, 11, 9, 13, 22, 10));
  expect(await eventsOf(device).read(1)).toEqual({ events: [], lost: false });
  expect(await outputsOf(device).pulse(0, 5_000, soon())).toEqual({ outcome: 'done', confirmed: true });
  expect(await outputsOf(device).set(0, true)).toEqual({ outcome: 'done', confirmed: true });
  expect(device.status().counters).toMatchObject({ timeouts: 0, crcErrors: 0 });
});
