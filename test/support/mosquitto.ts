// A real Mosquitto on loopback, which can be killed and started again on the same port, with the sessions it would
// keep.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort, until } from './ports.ts';
import { temporaryFolder } from './store.ts';

export type Broker = { port: number; url: string; start: () => Promise<void>; kill: () => Promise<void> };

/**
 * `acl`: the text of an ACL file (Mosquitto 2.0 has no deny rules: what no line allows is refused). `users`: passwords
 * by name; nobody else gets in then. `settings`: further lines of its configuration.
 */
export async function startMosquitto({
  acl = null,
  users = null,
  settings = '',
}: { acl?: string | null; users?: Record<string, string> | null; settings?: string } = {}): Promise<Broker> {
  const folder = temporaryFolder();
  const port = await freePort();
  const data = join(folder, 'data');
  mkdirSync(data);
  if (acl !== null) writeFileSync(join(folder, 'acl'), acl);
  const passwords = join(folder, 'passwords');
  if (users !== null) {
    writeFileSync(
      passwords,
      Object.entries(users)
        .map(([name, password]) => `${name}:${password}\n`)
        .join(''),
    );
    execFileSync('mosquitto_passwd', ['-U', passwords]);
  }
  writeFileSync(
    join(folder, 'mosquitto.conf'),
    `listener ${port} 127.0.0.1\nallow_anonymous ${users === null}\nuser root\npersistence true\npersistence_location ${data}/\nautosave_interval 1\nmax_queued_messages 100000\nmax_inflight_messages 1000\nset_tcp_nodelay true\n${acl === null ? '' : `acl_file ${join(folder, 'acl')}`}\n${users === null ? '' : `password_file ${passwords}`}\n${settings}\n`,
  );
  let child: ChildProcess | null = null;
  const broker: Broker = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async start() {
      child = spawn('mosquitto', ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' });
      await untilAsync(() => canConnect(port), `mosquitto listens on ${port}`);
    },
    async kill() {
      const running = child;
      child = null;
      if (running === null) return;
      const ended = new Promise<void>((resolve) => void running.once('exit', () => resolve()));
      running.kill('SIGTERM');
      await ended;
    },
  };
  onTestFinished(() => broker.kill());
  await broker.start();
  return broker;
}

const canConnect = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = dial(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

async function untilAsync(condition: () => Promise<boolean>, what: string): Promise<void> {
  let isThere = false;
  const look = async (): Promise<void> => {
    while (!isThere) {
      isThere = await condition();
      if (!isThere) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  void look();
  await until(() => isThere, what);
}
