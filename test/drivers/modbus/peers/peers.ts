// Far ends whose Modbus nobody here wrote: pymodbus and libmodbus as servers with plain memory, mbpoll as a master. All from Debian packages.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { later } from '../site.ts';

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Starts a server and waits until it says that it serves; it ends with the test. Returns how to end it earlier. */
async function startServer(command: string, args: readonly string[]): Promise<() => Promise<void>> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  later(stop);
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${String(code)}: ${said}`)));
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString();
      if (said.includes('ready')) resolve();
    });
  });
  return stop;
}

/** python3-pymodbus 3.0 of Debian 12. `where`: a serial device, or a TCP port. */
export const startPymodbus = (
  kind: 'rtu' | 'tcp' | 'rtu-over-tcp',
  where: string | number,
): Promise<() => Promise<void>> => startServer('/usr/bin/python3', [fileOf('pymodbus_server.py'), kind, String(where)]);

/** A C program on libmodbus, compiled here and now. */
export async function startLibmodbus(kind: 'rtu' | 'tcp', where: string | number): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-libmodbus-'));
  later(() => rm(folder, { recursive: true, force: true }));
  const flags = execFileSync('pkg-config', ['--cflags', '--libs', 'libmodbus'], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);
  const program = join(folder, 'server');
  execFileSync('gcc', ['-O1', '-Wall', '-o', program, fileOf('libmodbus_server.c'), ...flags]);
  return await startServer(program, [kind, String(where)]);
}

/** mbpoll as master; resolves to the values it read, by address. Fails when mbpoll does. */
export async function mbpoll(args: readonly string[]): Promise<Map<number, number>> {
  const output = await new Promise<string>((resolve, reject) => {
    const child = spawn('mbpoll', ['-q', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const hear = (text: Buffer): void => void (said += text.toString());
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve(said) : reject(new Error(`mbpoll ${args.join(' ')}: ${said}`))));
  });
  const values = [...output.matchAll(/^\[(\d+)\]:\s+(\d+)/gm)];
  return new Map(values.map(([, at, value]) => [Number(at), Number(value)]));
}
