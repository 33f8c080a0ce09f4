import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { connectControl, type ControlClient } from '../../src/ops/control-client.ts';
import { LineReader, controlPath, type ControlRequest } from '../../src/ops/control-protocol.ts';
import {
  openControlServer,
  type ControlContext,
  type ControlServer,
  type ControlServerOptions,
} from '../../src/ops/control-socket.ts';
import { atRest, until } from '../support/ports.ts';
import { keptLog } from './silent-log.ts';

let folder = '';
let path = '';
const closing: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lintel-control-'));
  path = join(folder, 'riverside', 'control.sock');
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

type Handle = (request: ControlRequest, context: ControlContext) => Promise<unknown>;
const echo: Handle = (request) => Promise.resolve({ echoed: request });

async function serve(handle: Handle = echo, options: Partial<ControlServerOptions> = {}): Promise<ControlServer> {
  const server = await openControlServer({
    clock: systemClock,
    log: keptLog(),
    path,
    facility: 'riverside',
    handle,
    ...options,
  });
  closing.push(() => server.close());
  return server;
}

async function connect(): Promise<ControlClient> {
  const connection = await connectControl(systemClock, path, 2000);
  if (!connection.connected) throw new Error(connection.message);
  closing.push(() => connection.client.close());
  return connection.client;
}

type RawClient = { socket: Socket; lines: string[]; send: (text: string) => void; closed: Promise<unknown> };

/** A client that says exactly what the test says. */
async function raw(): Promise<RawClient> {
  const socket = createConnection({ path });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  closing.push(() => void socket.destroy());
  const lines: string[] = [];
  const closed = once(socket, 'close');
  createInterface({ input: socket }).on('line', (line) => lines.push(line));
  return { socket, lines, send: (text) => void socket.write(text), closed };
}

const failure = (work: Promise<unknown>): Promise<OperatingError> =>
  work.then(
    () => {
      throw new Error('should have failed');
    },
    (error: unknown) => {
      if (error instanceof OperatingError) return error;
      throw error;
    },
  );

/** A handler that goes on until it is told to end, and tells why it was. */
function endless(): { handle: Handle; reasons: string[]; running: () => number } {
  const reasons: string[] = [];
  let running = 0;
  const handle: Handle = async (_request, { signal }) => {
    running += 1;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    running -= 1;
    reasons.push(String(signal.reason));
    return 'too late';
  };
  return { handle, reasons, running: () => running };
}

describe('a request', () => {
  test('is answered with what the daemon makes of it', async () => {
    await serve();
    const client = await connect();
    const result = await client.request(
      'command',
      { resource: 'users', verb: 'create', envelope: { x: 'æ\n' } },
      { timeoutMs: 2000 },
    );
    expect(result).toEqual({
      echoed: { id: 1, kind: 'command', resource: 'users', verb: 'create', envelope: { x: 'æ\n' } },
    });
  });

  test('does not wait for an earlier one on the same connection', async () => {
    const { handle } = endless();
    await serve((request, context) => (request.kind === 'slow' ? handle(request, context) : echo(request, context)));
    const client = await connect();
    const slow = failure(client.request('slow', {}, { timeoutMs: null }));
    expect(await client.request('status', {}, { timeoutMs: 2000 })).toMatchObject({ echoed: { kind: 'status' } });
    client.close();
    expect((await slow).type).toBe('interrupted');
  });

  test('that fails is answered with the error, and the next one is served', async () => {
    await serve((request) => {
      if (request.kind === 'bad') throw new OperatingError('acs_user_not_found', 'no such user', ['acs_user_id']);
      return Promise.resolve('fine');
    });
    const client = await connect();
    const error = await failure(client.request('bad', {}, { timeoutMs: 2000 }));
    expect(error.toApiError()).toEqual({ type: 'acs_user_not_found', message: 'no such user', path: ['acs_user_id'] });
    expect(await client.request('good', {}, { timeoutMs: 2000 })).toBe('fine');
  });

  test('that takes too long is over for both sides', async () => {
    const { handle, reasons } = endless();
    await serve(handle, { timeoutMs: () => 60 });
    const error = await failure((await connect()).request('slow', {}, { timeoutMs: 5000 }));
    expect(error.toApiError()).toEqual({ type: 'timed_out', message: 'not done within 60 ms' });
    expect(reasons).toEqual([expect.stringContaining('not done within 60 ms')]);
  });

  test('that its client gives up on is cancelled in the daemon, and the connection stays good', async () => {
    const { handle, reasons, running } = endless();
    await serve((request, context) => (request.kind === 'slow' ? handle(request, context) : echo(request, context)));
    const client = await connect();
    expect((await failure(client.request('slow', {}, { timeoutMs: 60 }))).type).toBe('timed_out');
    const abort = new AbortController();
    const second = failure(client.request('slow', {}, { timeoutMs: null, signal: abort.signal }));
    await until(() => running() === 1 && reasons.length === 1, 'the second to run');
    abort.abort();
    expect((await second).type).toBe('interrupted');
    await until(() => reasons.length === 2, 'the daemon to end it');
    expect(reasons[1]).toContain('cancelled by the client');
    expect(await client.request('status', {}, { timeoutMs: 2000 })).toBeTruthy();
  });

  test('that meets a mistake of ours is answered and logged, and costs nobody else anything', async () => {
    const { handle } = endless();
    await serve((request, context) => {
      if (request.kind === 'bad') throw new TypeError('a mistake');
      return request.kind === 'slow' ? handle(request, context) : echo(request, context);
    });
    const client = await connect();
    const other = failure((await connect()).request('slow', {}, { timeoutMs: 300 }));
    const error = await failure(client.request('bad', {}, { timeoutMs: 5000 }));
    expect(error.toApiError()).toEqual({ type: 'internal', message: 'lintel failed on this request: see its log' });
    expect(await client.request('status', {}, { timeoutMs: 5000 })).toMatchObject({ echoed: { kind: 'status' } });
    expect((await other).type).toBe('timed_out');
  });
});

describe('a stream', () => {
  test('brings its items in order and then one reply', async () => {
    await serve(async (request, { stream }) => {
      for (let i = Number(request['from_sequence']); i < 2000; i += 1) await stream({ sequence: i });
      return { next: 2000 };
    });
    const items: unknown[] = [];
    const result = await (
      await connect()
    ).request('events', { from_sequence: 5 }, { timeoutMs: 20_000, onItem: (item) => void items.push(item) });
    expect(result).toEqual({ next: 2000 });
    expect(items).toEqual(Array.from({ length: 1995 }, (_, i) => ({ sequence: i + 5 })));
  });

  test('goes at the pace of its reader', async () => {
    let sent = 0;
    await serve(async (_request, { stream }) => {
      for (; sent < 2000; sent += 1) await stream('x'.repeat(10_000));
      return null;
    });
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let got = 0;
    const onItem = async (): Promise<void> => {
      got += 1;
      await gate;
    };
    const done = (await connect()).request('events', {}, { timeoutMs: 20_000, onItem });
    await until(() => got === 1, 'the first item');
    await atRest(() => sent);
    expect(sent).toBeLessThan(1000); // the buffers between them hold far less than 20 MB
    release();
    await done;
    expect(got).toBe(2000);
  });

  test('follows for as long as its client stays, and ends when it goes', async () => {
    const ended: string[] = [];
    await serve(
      async (_request, { stream, signal }) => {
        try {
          for (;;) {
            await stream('event');
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        } finally {
          ended.push(String(signal.reason));
        }
      },
      { timeoutMs: () => null },
    );
    const client = await connect();
    let items = 0;
    const following = failure(
      client.request('events', { follow: true }, { timeoutMs: null, onItem: () => void (items += 1) }),
    );
    await until(() => items > 5, 'some events');
    client.close();
    await following;
    await until(() => ended.length === 1, 'the daemon to notice');
    expect(ended[0]).toContain('the client has gone');
  });

  test('ends with the error of a reader that fails', async () => {
    await serve(async (_request, { stream }) => {
      for (;;) await stream('event');
    });
    const onItem = (): void => {
      throw new OperatingError('storage_full', 'cannot write');
    };
    expect((await failure((await connect()).request('events', {}, { timeoutMs: 5000, onItem }))).type).toBe(
      'storage_full',
    );
  });

  test('drops a client that does not read', async () => {
    const server = await serve(
      async (_request, { stream }) => {
        for (;;) await stream('x'.repeat(10_000));
      },
      { limits: { sendMs: 100 } },
    );
    const client = createConnection({ path });
    client.on('error', () => undefined).pause();
    closing.push(() => void client.destroy());
    client.write('{"id":1,"kind":"events"}\n');
    await until(() => server.clients() === 1, 'the client');
    await until(() => server.clients() === 0, 'the client to be dropped');
  });
});

describe('a client that misbehaves', () => {
  test.each([
    ['nonsense', 'one JSON object'],
    ['[1]', 'one JSON object'],
    ['', 'one JSON object'],
    ['\u0000\u00ff', 'one JSON object'],
    ['{"kind":"x"}', '`id`'],
    ['{"id":1.5,"kind":"x"}', '`id`'],
    [`{"id":"${'x'.repeat(129)}","kind":"x"}`, '`id`'],
    ['{"id":1}', '`kind`'],
  ])('is told what is wrong with %j and may go on', async (line, why) => {
    await serve();
    const { lines, send } = await raw();
    send(`${line}\n{"id":"next","kind":"status"}\n`);
    await until(() => lines.length === 2, 'two answers');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      id: null,
      ok: false,
      error: { type: 'invalid_input', message: expect.stringContaining(why) },
    });
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ id: 'next', ok: true });
  });

  test('may neither use an id twice at once nor have too many requests under way', async () => {
    await serve(endless().handle, { limits: { requestsPerClient: 2 } });
    const { lines, send } = await raw();
    for (const id of [1, 1, 2, 3]) send(`{"id":${id},"kind":"slow"}\n`);
    await until(() => lines.length === 2, 'two refusals');
    const messages = lines.map((line) => JSON.parse(line) as { id: number; error: { message: string } });
    expect(messages.map(({ id, error }) => `${id}: ${error.message}`)).toEqual([
      '1: a request of this id is under way',
      '3: more than 2 requests at once',
    ]);
  });

  test('is cut off at a line that is too long', async () => {
    await serve(echo, { limits: { lineBytes: 1000 } });
    const { lines, send, closed } = await raw();
    send('x'.repeat(5000));
    await closed;
    expect(lines.join('')).toContain('at most 1000 bytes');
  });

  test('is cut off when its line does not end, and when it asks for nothing', async () => {
    const server = await serve(echo, { limits: { lineMs: 80, idleMs: 300 } });
    const half = await raw();
    half.send('{"id":');
    await half.closed;
    expect(half.lines.join('')).toContain('did not end in time');
    await (
      await raw()
    ).closed;
    await until(() => server.clients() === 0, 'both to be gone');
  });

  test('is not read while it reads no answers', async () => {
    await serve();
    const socket = createConnection({ path });
    socket.on('error', () => undefined).pause();
    closing.push(() => void socket.destroy());
    for (let i = 0; i < 300; i += 1) socket.write('x\n'.repeat(10_000));
    await atRest(() => socket.writableLength);
    expect(socket.writableLength).toBeGreaterThan(1_000_000); // of six
  });

  test('is refused when there are too many', async () => {
    const server = await serve(echo, { limits: { clients: 2 } });
    await Promise.all([raw(), raw()]);
    await until(() => server.clients() === 2, 'two clients');
    const third = await failure((await connect()).request('status', {}, { timeoutMs: 2000 }));
    expect(third.message).toMatch(/more than 2 clients|closed the connection/);
    expect(server.clients()).toBe(2);
  });
});

describe('the socket file', () => {
  test('is open to its group and to nobody else, and gone after the stop', async () => {
    const server = await serve();
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await server.close();
    expect(existsSync(path)).toBe(false);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test('of a daemon that was killed is replaced', async () => {
    const child = spawn('node', [
      '-e',
      `require('net').createServer().listen(process.argv[1], () => console.log('up'))`,
      join(folder, 's'),
    ]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    path = join(folder, 's');
    expect(existsSync(path)).toBe(true);
    await serve();
    expect(await (await connect()).request('status', {}, { timeoutMs: 2000 })).toBeTruthy();
  });

  test('of a living daemon is left to it', async () => {
    await serve(() => Promise.resolve('the first'));
    const error = await failure(
      openControlServer({ clock: systemClock, log: keptLog(), path, facility: 'riverside', handle: echo }),
    );
    expect(error.message).toContain('another lintel serves riverside');
    expect(await (await connect()).request('status', {}, { timeoutMs: 2000 })).toBe('the first');
  });

  test('is never put in the place of something else', async () => {
    path = join(folder, 'notes.txt');
    writeFileSync(path, 'mine');
    expect((await failure(serve())).message).toContain('is no socket');
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test('with a path too long for the system is refused with the limit', async () => {
    path = join(folder, 'x'.repeat(110));
    expect((await failure(serve())).message).toContain('too long (at most 103 bytes)');
  });

  test('of a successor is not removed by a daemon that stops late', async () => {
    const first = await serve();
    rmSync(path);
    await serve(() => Promise.resolve('the second'));
    await first.close();
    expect(await (await connect()).request('status', {}, { timeoutMs: 2000 })).toBe('the second');
  });

  test('lies where the facility names it', () => {
    expect(controlPath('riverside')).toBe('/run/lintel/riverside/control.sock');
  });
});

describe('the stop', () => {
  test('ends what is under way and tells its client', async () => {
    const { handle, reasons, running } = endless();
    const server = await serve(handle);
    const request = failure((await connect()).request('slow', {}, { timeoutMs: null }));
    await until(() => running() === 1, 'the request');
    await server.close();
    expect((await request).toApiError()).toEqual({ type: 'interrupted', message: 'lintel is stopping' });
    expect(reasons).toHaveLength(1);
  });

  test('does not wait for a handler that never ends', async () => {
    let isStuck = false;
    const server = await serve(() => {
      isStuck = true;
      return new Promise(() => undefined);
    });
    const request = failure((await connect()).request('stuck', {}, { timeoutMs: null }));
    await until(() => isStuck, 'the handler to begin');
    await server.close();
    expect((await request).type).toBe('interrupted');
  });
});

describe('a client without a daemon', () => {
  test('is told that nobody is there', async () => {
    expect(await connectControl(systemClock, path, 500)).toMatchObject({
      connected: false,
      why: 'nobody',
      message: expect.stringContaining('systemctl status'),
    });
  });

  test('is told to join the group when it may not', async () => {
    await serve();
    chmodSync(path, 0o600);
    chmodSync(folder, 0o755);
    const script = `
      import { connectControl } from './src/ops/control-client.ts';
      import { systemClock } from './src/ops/clock.ts';
      if (process.getuid() === 0) process.setuid(65534); else (await import('node:fs')).chmodSync(process.argv[1], 0);
      console.log(JSON.stringify(await connectControl(systemClock, process.argv[1], 500)));
    `;
    const child = spawn('node', ['--input-type=module', '-e', script, path]);
    let said = '';
    child.stdout.on('data', (text) => (said += String(text)));
    await once(child, 'close');
    expect(JSON.parse(said)).toMatchObject({
      connected: false,
      why: 'forbidden',
      message: expect.stringContaining('group lintel'),
    });
  });

  test('is told when a daemon is there that does not accept', async () => {
    path = join(folder, 'busy.sock');
    const python = `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(0)
print("up", flush=True); sys.stdin.read()`;
    const stuck = spawn('/usr/bin/python3', ['-c', python, path]);
    closing.push(() => void stuck.kill('SIGKILL'));
    await once(stuck.stdout, 'data');
    const fill = createConnection({ path: path });
    fill.on('error', () => undefined);
    closing.push(() => void fill.destroy());
    await once(fill, 'connect');
    expect(await connectControl(systemClock, path, 300)).toMatchObject({ connected: false, why: 'busy' });
    const error = await failure(
      openControlServer({ clock: systemClock, log: keptLog(), path: path, facility: 'riverside', handle: echo }),
    );
    expect(error.message).toContain('another lintel serves riverside');
  });

  test('learns that the daemon has gone while it waited', async () => {
    const server = await serve(endless().handle);
    const client = await connect();
    const request = failure(client.request('slow', {}, { timeoutMs: null }));
    await until(() => server.clients() === 1, 'the client');
    await server.close();
    expect((await request).type).toBe('interrupted');
    expect((await failure(client.request('status', {}, { timeoutMs: 500 }))).type).toMatch(/interrupted|timed_out/);
  });
});

test('lines are the same however they are cut into chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.string().filter((line) => !line.includes('\n'))), fc.array(fc.nat(40)), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const reader = new LineReader(1000);
      const read: string[] = [];
      let from = 0;
      for (const size of [...cuts, bytes.length]) {
        read.push(...(reader.push(bytes.subarray(from, from + size))?.map(String) ?? ['too long']));
        from += size;
      }
      expect(read).toEqual(lines.map((line) => Buffer.from(line).toString()));
      expect(reader.isInLine).toBe(false);
    }),
  );
});
