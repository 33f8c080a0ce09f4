// The process of the agent, started and killed again and again on one folder. How long it takes from its start until
// doors are served is measured.

import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { program } from '../../support/program.ts';
import { Wrong } from './model.ts';
import type { Place } from './place.ts';

const SAID_CHARACTERS = 16_384;
/** A machine that is busy with other things starts programs slowly. */
const START_MS = 120_000;

export class Gateway {
  readonly #place: Place;
  #child: ChildProcess | null = null;
  #said = '';
  #isServing = false;
  #startedMs = 0;
  readonly recoveriesMs: number[] = [];

  constructor(place: Place) {
    this.#place = place;
    process.once('exit', () => this.#child?.kill('SIGKILL'));
  }

  get socket(): string {
    return join(this.#place.state, 'control.sock');
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** How long it has served; 0 while it does not. */
  get ageMs(): number {
    return this.#isServing ? performance.now() - this.#startedMs : 0;
  }

  /**
   * Resolves when doors are served, or when it was killed before. Rejects when it ended by itself. Only what starts as a
   * site's does is measured: Node's own cache of compiled code makes a start shorter that is to be killed anyway.
   */
  async start(isMeasured = true): Promise<void> {
    const begunMs = performance.now();
    const cache = isMeasured ? {} : { NODE_COMPILE_CACHE: join(this.#place.folder, 'compiled') };
    const child = spawn(program(), ['run', '--config', this.#place.file, '--socket', this.socket, '--json'], {
      env: { ...process.env, ...cache, LINTEL_LOG: 'info' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#said = '';
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const heard = (some: Buffer): void => {
      this.#said = (this.#said + some.toString()).slice(-SAID_CHARACTERS);
      if (this.#isServing || this.#child !== child || !this.#said.includes('doors are served')) return;
      this.#isServing = true;
      this.#startedMs = performance.now();
      if (isMeasured) this.recoveriesMs.push(this.#startedMs - begunMs);
      resolve(undefined);
    };
    child.stdout.on('data', heard);
    child.stderr.on('data', heard);
    const limit = setTimeout(() => reject(new Wrong(`it does not serve after ${START_MS} ms: ${this.#said}`)), START_MS); // prettier-ignore
    child.once('exit', (code, signal) => {
      if (this.#child === child) reject(new Wrong(`it ended by itself (${code ?? signal ?? ''}): ${this.#said}`));
      resolve(undefined);
    });
    try {
      await promise;
    } finally {
      clearTimeout(limit);
    }
  }

  /** Throws when it has ended by itself. */
  look(): void {
    const child = this.#child;
    if (child === null || (child.exitCode === null && child.signalCode === null)) return;
    throw new Wrong(`it ended by itself (${child.exitCode ?? child.signalCode ?? ''}): ${this.#said}`);
  }

  async kill(): Promise<void> {
    this.look();
    await this.#end('SIGKILL');
  }

  /** In order; its exit code. */
  async stop(): Promise<number | null> {
    this.look();
    return await this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    this.#isServing = false;
    if (child === null) return null;
    const ended = new Promise<number | null>((resolve) => void child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return await ended;
  }
}
