// A real Mosquitto for runs outside a test runner: it keeps its sessions on disk, is killed as a broker on a bad day is,
// and comes back on the same port.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../support/ports.ts';

const KNOCK_MS = 20;

export class BrokerProcess {
  readonly port: number;
  readonly url: string;
  readonly #settings: string;
  #child: ChildProcess | null = null;

  static async make(folder: string): Promise<BrokerProcess> {
    const data = join(folder, 'broker');
    mkdirSync(data, { recursive: true });
    const port = await freePort();
    const settings = join(data, 'mosquitto.conf');
    writeFileSync(
      settings,
      [
        `listener ${port} 127.0.0.1`,
        'allow_anonymous true',
        'user root',
        'persistence true',
        `persistence_location ${data}/`,
        'autosave_interval 1',
        'max_queued_messages 1000000',
        'max_inflight_messages 1000',
        'set_tcp_nodelay true',
        '',
      ].join('\n'),
    );
    return new BrokerProcess(port, settings);
  }

  private constructor(port: number, settings: string) {
    this.port = port;
    this.url = `mqtt://127.0.0.1:${port}`;
    this.#settings = settings;
    process.once('exit', () => this.#child?.kill('SIGKILL'));
  }

  get isUp(): boolean {
    return this.#child !== null;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const child = spawn('mosquitto', ['-c', this.#settings], { stdio: 'ignore' });
    this.#child = child;
    while (this.#child === child && !(await canConnect(this.port))) {
      if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, KNOCK_MS));
    }
  }

  /** SIGKILL: what it had not saved is lost. SIGTERM: it saves everything first. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
  }
}

const canConnect = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
