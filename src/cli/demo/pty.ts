// A serial line on this machine: a pair of pseudo terminals that socat connects. Only for `--pty`; the demonstration
// needs nothing but npm without it.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OperatingError } from '../../domain/errors.ts';
import { systemClock } from '../../ops/clock.ts';
import { pause } from '../pause.ts';

export type PtyLine = { gateway: string; device: string; close(): Promise<void> };

const READY_MS = 5_000;

/** Throws an OperatingError when socat is not there, or does not do it. */
export async function openPtyLine(folder: string, name: string): Promise<PtyLine> {
  const [gateway, device] = [join(folder, name), join(folder, `${name}-device`)];
  const child = spawn('socat', ['-d', '-d', `pty,raw,echo=0,link=${gateway}`, `pty,raw,echo=0,link=${device}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = (): void => void child.kill('SIGKILL');
  process.on('exit', end);
  const outcome: { said: string; failure: string | null } = { said: '', failure: null };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.said = (outcome.said + text).slice(-4096)));
  child.on('error', (error: NodeJS.ErrnoException) => {
    outcome.failure =
      error.code === 'ENOENT' ? 'socat is not here. Remedy: apt-get install socat, or leave out --pty' : error.message;
  });
  const endsAtMs = systemClock.monotonicMs() + READY_MS;
  const isReady = (): boolean =>
    existsSync(gateway) && existsSync(device) && outcome.said.includes('starting data transfer loop');
  while (outcome.failure === null && child.exitCode === null && !isReady() && systemClock.monotonicMs() < endsAtMs)
    await pause(10);
  if (!isReady()) {
    end();
    throw new OperatingError('internal', outcome.failure ?? `socat made no pseudo terminals: ${outcome.said.trim()}`);
  }
  return {
    gateway,
    device,
    async close() {
      process.off('exit', end);
      await ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
