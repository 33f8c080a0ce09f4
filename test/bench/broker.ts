// A Mosquitto of a measurement's own, on loopback and in a folder that goes with it.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../support/ports.ts';
import { benchFolder } from './building.ts';

export async function startBroker(): Promise<{ url: string; stop: () => void }> {
  const { folder, remove } = benchFolder();
  const port = await freePort();
  writeFileSync(
    join(folder, 'mosquitto.conf'),
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 200000\nmax_inflight_messages 1000\nset_tcp_nodelay true\n`,
  );
  const child = spawn('mosquitto', ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' });
  while (!(await listens(port))) await new Promise((resolve) => setTimeout(resolve, 20));
  return {
    url: `mqtt://127.0.0.1:${port}`,
    stop: () => {
      child.kill('SIGKILL');
      remove();
    },
  };
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = dial(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
