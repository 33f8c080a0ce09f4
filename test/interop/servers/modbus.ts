// Far ends whose Modbus nobody here wrote: pymodbus, libmodbus and jsmodbus as servers with plain memory and the
// strikes of the reference map, mbpoll as a master.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { until } from '../../support/ports.ts';

const fileOf = (name: string): string => join(import.meta.dirname, name);

export type ModbusServer = {
  /** All that it has said: `coil 0 on` when a strike moves. */
  said: () => string;
  /** Something happens at the device: an input, a register. */
  set: (area: 'co' | 'di' | 'hr' | 'ir', at: number, value: number) => void;
  /** What stands in its memory. */
  get: (area: 'co' | 'di' | 'hr' | 'ir', at: number, count: number) => Promise<number[]>;
  /** Gone at once, memory and all. */
  kill: () => Promise<void>;
};

/** Starts a server and waits until it says that it serves; it ends with the test. */
async function startServer(command: string, args: readonly string[]): Promise<ModbusServer> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  let error: Error | null = null;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (reason) => {
      error = reason;
      resolve();
    });
  });
  const hear = (text: Buffer): void => void (said += text.toString());
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  child.stdin.on('error', () => undefined);
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  onTestFinished(kill);
  await until(
    () => {
      if (error !== null || child.exitCode !== null) throw new Error(`${command} ended: ${error?.message ?? said}`);
      return said.includes('ready');
    },
    `${command} serves`,
    20_000,
  );
  return {
    said: () => said,
    set: (area, at, value) => void child.stdin.write(`set ${area} ${at} ${value}\n`),
    async get(area, at, count) {
      const before = said.length;
      const answer = (): string | undefined => new RegExp(`^${area} ${at}: (.*)\\n`, 'm').exec(said.slice(before))?.[1];
      child.stdin.write(`get ${area} ${at} ${count}\n`);
      await until(() => answer() !== undefined, `${command} says what stands in ${area} ${at}`);
      return (answer() ?? '').split(' ').map(Number);
    },
    kill,
  };
}

/**
 * python3-pymodbus of Debian. `where`: a serial device, or a TCP port. `before`: what happened at it before it serves,
 * as `set di 3 1`; `late`: its strikes follow a scan or more after they were acknowledged.
 */
export const startPymodbus = (
  kind: 'rtu' | 'tcp' | 'rtu-over-tcp',
  where: string | number,
  before: readonly string[] = [],
): Promise<ModbusServer> =>
  startServer('/usr/bin/python3', [fileOf('pymodbus_server.py'), kind, String(where), ...before]);

/** A C program on Debian's libmodbus, compiled here and now. */
export async function startLibmodbus(kind: 'rtu' | 'tcp', where: string | number): Promise<ModbusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-libmodbus-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }));
  const flags = execFileSync('pkg-config', ['--cflags', '--libs', 'libmodbus'], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);
  const program = join(folder, 'server');
  execFileSync('gcc', ['-O1', '-Wall', '-o', program, fileOf('libmodbus_server.c'), ...flags]);
  return await startServer(program, [kind, String(where)]);
}

/** jsmodbus of npm. It speaks Modbus TCP. */
export const startJsmodbus = (_kind: 'tcp', where: string | number): Promise<ModbusServer> =>
  startServer(process.execPath, [fileOf('jsmodbus-server.ts'), String(where)]);

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
