// What a run of the agent did to its folder and said to the world, read from what strace wrote: writes and syncs of
// files, names made and taken away, and every byte that went to the broker or a device. strace is used because it needs
// no compiler and sees every library alike, SQLite's own calls as well as Node's.

import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A file is named by the path under which it was made or first seen; a file system's own name for it is a number. */
export type Op =
  | { kind: 'write'; path: string; offset: number | null; data: Buffer }
  | { kind: 'truncate'; path: string; size: number }
  | { kind: 'sync'; path: string }
  | { kind: 'create'; path: string; isEmptied: boolean }
  | { kind: 'folder'; path: string }
  | { kind: 'unlink'; path: string }
  | { kind: 'rename'; from: string; to: string }
  /** `to`: the port at the far end. */
  | { kind: 'sent'; socket: string; to: number; data: Buffer };

const CALLS = 'openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,sendto,sendmsg,sendmmsg'; // prettier-ignore
const LONGEST = 8 * 1024 * 1024;

/** Starts a program so that all it does is written to `trace`; killed, it leaves no tracer behind. */
export function traced(
  trace: string,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): ReturnType<typeof spawn> {
  const options = ['-f', '-qq', '-yy', '-xx', '-s', String(LONGEST), '--seccomp-bpf', '-e', `trace=${CALLS}`, '-e', 'signal=none', '-o', trace]; // prettier-ignore
  return spawn('strace', [...options, program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What was done under `folder`, and sent, in order. A call counts when it began; a sync and a name when it was done. */
export async function readTrace(trace: string, folder: string): Promise<Op[]> {
  const ops: Op[] = [];
  const unfinished = new Map<string, string>();
  for await (const line of createInterface({ input: createReadStream(trace, 'latin1') })) {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/s.exec(line) ?? [];
    const begun = /^(.*) <unfinished \.\.\.>$/s.exec(text)?.[1];
    if (begun !== undefined) {
      unfinished.set(thread, begun);
      if (isWrite(begun)) ops.push(...opsOf(`${begun}) = 0`, folder));
      continue;
    }
    const rest = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text)?.[1];
    if (rest === undefined) {
      ops.push(...opsOf(text, folder));
      continue;
    }
    const whole = (unfinished.get(thread) ?? '') + rest;
    unfinished.delete(thread);
    if (!isWrite(whole)) ops.push(...opsOf(whole, folder));
  }
  return ops;
}

const isWrite = (call: string): boolean => /^(p?writev?2?|pwrite64|sendto|sendmsg|sendmmsg|f?truncate)\(/.test(call);

const unhex = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex');
const nameOf = (hex: string): string => unhex(hex).toString('utf8');
const textsOf = (text: string): string[] => [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) => hex);

function opsOf(call: string, folder: string): Op[] {
  const [, name = '', rest = ''] = /^(\w+)\((.*)$/s.exec(call) ?? [];
  const result = Number(/\) += (-?\d+)/.exec(call)?.[1] ?? 0);
  if (result < 0) return [];
  const [, on = ''] = /^\d+<(TCP:\[[^\]]*\]|[^>]*)>/.exec(rest) ?? [];
  const path = on.startsWith('\\x') ? nameOf(on) : on;
  const isOurs = (one: string): boolean => one.startsWith(folder) && !/-shm$|\.lock|control\.sock/.test(one);
  const texts = textsOf(rest);
  const paths = (): string[] => texts.map(nameOf);
  const end = rest.slice(rest.lastIndexOf('"') + 1);
  switch (name) {
    case 'write':
    case 'writev':
    case 'sendto':
    case 'sendmsg': {
      const data = Buffer.concat(texts.map(unhex));
      const to = /^TCP:\[.*->127\.0\.0\.1:(\d+)\]/.exec(path)?.[1];
      if (to !== undefined) return [{ kind: 'sent', socket: path, to: Number(to), data }];
      return isOurs(path) ? [{ kind: 'write', path, offset: null, data }] : [];
    }
    case 'pwrite64':
      return isOurs(path) ? [{ kind: 'write', path, offset: Number(/, \d+, (\d+)/.exec(end)?.[1]), data: unhex(texts.at(-1) ?? '') }] : []; // prettier-ignore
    case 'ftruncate':
      return isOurs(path) ? [{ kind: 'truncate', path, size: Number(/>, (\d+)/.exec(rest)?.[1]) }] : [];
    case 'fsync':
    case 'fdatasync':
      return isOurs(path) ? [{ kind: 'sync', path }] : [];
    case 'openat':
    case 'open': {
      const [opened = ''] = paths();
      if (!isOurs(opened) || !/O_CREAT|O_TRUNC/.test(rest)) return [];
      return [{ kind: 'create', path: opened, isEmptied: rest.includes('O_TRUNC') }];
    }
    case 'mkdir':
    case 'mkdirat':
      return paths().filter(isOurs).map((made) => ({ kind: 'folder', path: made })); // prettier-ignore
    case 'unlink':
    case 'unlinkat':
      return paths().filter(isOurs).map((gone) => ({ kind: 'unlink', path: gone })); // prettier-ignore
    case 'rename':
    case 'renameat':
    case 'renameat2': {
      const [from = '', to = ''] = paths();
      return isOurs(from) ? [{ kind: 'rename', from, to }] : [];
    }
    default:
      // What nobody here knows how to play again must not pass unseen.
      if (isOurs(path) || paths().some(isOurs)) throw new Error(`a call that is not understood: ${call.slice(0, 200)}`);
      return [];
  }
}
