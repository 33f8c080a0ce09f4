// The daemon's local control socket: who may open it is decided by the file's group (0660), so that a site can be run
// from its gateway with the broker gone. It knows lines, deadlines and bounds; what a request means is the business of
// `handle`.

import { chmodSync, lstatSync, mkdirSync, renameSync, unlinkSync, type Stats } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { OperatingError, type ApiError } from '../domain/errors.ts';
import { quoted } from '../domain/outside-text.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import { tryConnect } from './control-connect.ts';
import {
  LineReader,
  MAX_SOCKET_PATH,
  readRequest,
  type ControlItem,
  type ControlReply,
  type ControlRequest,
} from './control-protocol.ts';

export type ControlContext = {
  /**
   * Sends an item; resolves once the client has room for more. Rejects when the request is over, and drops a client
   * that does not read.
   */
  stream: (item: unknown) => Promise<void>;
  /**
   * Aborted, with an `OperatingError` as its reason, when the client has gone or cancelled, the deadline has passed or
   * the daemon stops.
   */
  signal: AbortSignal;
};

export type ControlServerOptions = {
  clock: Clock;
  log: Log;
  path: string;
  facility: string;
  /**
   * Answers with the reply's result. An `OperatingError` becomes the reply's error; anything else thrown is a mistake
   * of ours, which costs this request and no more: it is answered `internal` and logged, as one in a command is.
   */
  handle: (request: ControlRequest, context: ControlContext) => Promise<unknown>;
  /** How long a request may take; null: as long as its client stays. Default: two minutes. */
  timeoutMs?: (request: ControlRequest) => number | null;
  limits?: Partial<ControlLimits>;
};

export type ControlLimits = {
  clients: number;
  requestsPerClient: number;
  lineBytes: number;
  /** A client with no request under way is dropped after this. */
  idleMs: number;
  /** A line that has begun must end within this. */
  lineMs: number;
  /** What a client has been sent must be read within this. */
  sendMs: number;
};

const LIMITS: ControlLimits = {
  clients: 32,
  requestsPerClient: 16,
  lineBytes: 1024 * 1024,
  idleMs: 60_000,
  lineMs: 10_000,
  sendMs: 30_000,
};
const REQUEST_TIMEOUT_MS = 120_000;
const MODE = 0o660;
/** Handlers get this long to end what they do when the daemon stops. */
const STOP_MS = 2_000;

export type ControlServer = {
  readonly path: string;
  clients: () => number;
  /** Ends every request (`interrupted`), closes all connections and removes the socket. */
  close: () => Promise<void>;
};

/** Listens at `path`. Takes the place of a socket that a dead daemon left; rejects when another daemon serves there. */
export async function openControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path, clock, log } = options;
  const limits = { ...LIMITS, ...options.limits };
  const connections = new Set<Connection>();
  await claim(options);

  const server = createServer((socket) => {
    if (connections.size >= limits.clients) {
      refuse(socket, `more than ${limits.clients} clients at once`);
      return;
    }
    const connection = new Connection(socket, options, limits, () => connections.delete(connection));
    connections.add(connection);
  });
  server.on('error', (error) => log.error('the control socket failed', { error }));
  const inode = await listen(server, path);
  log.info('the control socket is open', { path });

  return {
    path,
    clients: () => connections.size,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      if (statOf(path)?.ino === inode) unlinkSync(path); // it may be our successor's by now
      await Promise.all([...connections].map((connection) => connection.end(clock)));
      await closed;
    },
  };
}

/** Makes sure that nobody lives at the path. */
async function claim({ clock, path, facility }: ControlServerOptions): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH - NEW_SUFFIX_BYTES) {
    throw new OperatingError(
      'invalid_input',
      `the control socket's path is too long (at most ${MAX_SOCKET_PATH - NEW_SUFFIX_BYTES} bytes): ${path}`,
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  const there = statOf(path);
  if (there === null) return;
  if (!there.isSocket()) {
    throw new OperatingError(
      'invalid_input',
      `${path} is in the way of the control socket: it is no socket, move it away`,
    );
  }
  const outcome = await tryConnect(clock, path, 2_000);
  if (outcome.state === 'connected') outcome.socket.destroy();
  if (outcome.state === 'nobody') return;
  throw new OperatingError(
    'not_permitted',
    outcome.state === 'forbidden'
      ? `${path} belongs to another user: remove it, or run as that user`
      : `another lintel serves ${facility} (it answers at ${path}): stop it first, e.g. systemctl stop lintel@${facility}`,
  );
}

const NEW_SUFFIX = '.new';
const NEW_SUFFIX_BYTES = NEW_SUFFIX.length;

/**
 * Listens under another name and moves the socket to its place only with its mode set, so that nobody sees it open to
 * others or half made.
 */
async function listen(server: Server, path: string): Promise<number> {
  const first = `${path}${NEW_SUFFIX}`;
  if (statOf(first) !== null) unlinkSync(first);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(first, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((error: unknown) => {
    throw new OperatingError('internal', `cannot open the control socket ${path}: ${String(error)}`);
  });
  chmodSync(first, MODE);
  renameSync(first, path);
  return lstatSync(path).ino;
}

function statOf(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

function refuse(socket: Socket, message: string): void {
  socket.on('error', () => undefined);
  socket.end(`${JSON.stringify({ id: null, ok: false, error: { type: 'not_permitted', message } })}\n`);
  socket.resume();
}

/** One client: its lines, its requests under way, its deadlines. */
class Connection {
  readonly #socket: Socket;
  readonly #options: ControlServerOptions;
  readonly #limits: ControlLimits;
  readonly #reader: LineReader;
  readonly #running = new Map<string | number, { abort: AbortController; done: Promise<void> }>();
  #idle: Timer | null = null;
  #line: Timer | null = null;
  #draining: Promise<void> | null = null;
  #closed = false;

  constructor(socket: Socket, options: ControlServerOptions, limits: ControlLimits, gone: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#limits = limits;
    this.#reader = new LineReader(limits.lineBytes);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => undefined); // `close` follows
    socket.on('close', () => {
      this.#closed = true;
      this.#idle?.cancel();
      this.#line?.cancel();
      this.#abortAll('the client has gone');
      gone();
    });
    this.#watchIdle();
  }

  /** The daemon stops. */
  async end(clock: Clock): Promise<void> {
    this.#abortAll('lintel is stopping');
    const done = Promise.all([...this.#running.values()].map((request) => request.done));
    await Promise.race([done, new Promise<void>((resolve) => clock.after(STOP_MS, resolve))]);
    await new Promise<void>((resolve) => {
      if (this.#closed) {
        resolve();
        return;
      }
      this.#socket.once('close', () => resolve());
      this.#socket.end();
      clock.after(200, () => this.#socket.destroy());
    });
  }

  #abortAll(why: string): void {
    for (const { abort } of this.#running.values()) abort.abort(new OperatingError('interrupted', why));
  }

  // ---- lines in -----------------------------------------------------------------------------------------------------

  #receive(bytes: Buffer): void {
    const lines = this.#reader.push(bytes);
    this.#line?.cancel();
    this.#line = null;
    for (const line of lines ?? []) this.#take(line);
    if (lines === null) {
      this.#refuseAndClose(`a line may have at most ${this.#limits.lineBytes} bytes`);
    } else if (this.#reader.isInLine) {
      this.#line = this.#options.clock.after(this.#limits.lineMs, () =>
        this.#refuseAndClose('the line did not end in time'),
      );
    }
    this.#watchIdle();
  }

  #take(line: Buffer): void {
    const request = readRequest(line);
    if (request.id === null) {
      this.#reply({ id: null, ok: false, error: { type: 'invalid_input', message: request.problem } });
    } else if (request.kind === 'cancel') {
      this.#running.get(request.id)?.abort.abort(new OperatingError('interrupted', 'cancelled by the client'));
    } else if (this.#running.has(request.id)) {
      this.#fail(request.id, { type: 'invalid_input', message: 'a request of this id is under way' });
    } else if (this.#running.size >= this.#limits.requestsPerClient) {
      const message = `more than ${this.#limits.requestsPerClient} requests at once`;
      this.#fail(request.id, { type: 'not_permitted', message });
    } else {
      const abort = new AbortController();
      this.#running.set(request.id, { abort, done: this.#run(request, abort) });
    }
  }

  #watchIdle(): void {
    this.#idle?.cancel();
    this.#idle =
      this.#running.size > 0 || this.#closed
        ? null
        : this.#options.clock.after(this.#limits.idleMs, () => this.#socket.destroy());
  }

  // ---- requests -----------------------------------------------------------------------------------------------------

  /** Carries one request through to its one reply. Never rejects. */
  async #run(request: ControlRequest, abort: AbortController): Promise<void> {
    const { clock, handle, timeoutMs } = this.#options;
    const limitMs = timeoutMs === undefined ? REQUEST_TIMEOUT_MS : timeoutMs(request);
    let replied = false;
    const reply = (answer: ControlReply): void => {
      if (!replied) this.#reply(answer);
      replied = true;
    };
    const fail = (error: OperatingError): void => reply({ id: request.id, ok: false, error: error.toApiError() });
    // The client is told at once that its request is over, even if the handler takes longer to notice; until it has,
    // its place stays taken.
    abort.signal.addEventListener('abort', () => fail(reasonOf(abort.signal)));
    const deadline =
      limitMs === null
        ? null
        : clock.after(limitMs, () =>
            clock.immediate(() => abort.abort(new OperatingError('timed_out', `not done within ${limitMs} ms`))),
          );
    const stream = (item: unknown): Promise<void> => this.#stream({ id: request.id, item }, abort.signal);
    try {
      // On a turn of its own, so that the map holds the request before its handler runs.
      await new Promise<void>((resolve) => clock.immediate(resolve));
      if (!abort.signal.aborted)
        reply({ id: request.id, ok: true, result: await handle(request, { stream, signal: abort.signal }) });
    } catch (error) {
      fail(
        error instanceof OperatingError
          ? error
          : new OperatingError('internal', 'lintel failed on this request: see its log'),
      );
      if (!(error instanceof OperatingError))
        this.#options.log.error('a control request met a mistake of ours', { kind: quoted(request.kind), error });
    } finally {
      deadline?.cancel();
      this.#running.delete(request.id);
      this.#watchIdle();
    }
  }

  // ---- lines out ----------------------------------------------------------------------------------------------------

  #fail(id: string | number, error: ApiError): void {
    this.#reply({ id, ok: false, error });
  }

  /** A client that asks and asks and reads no answers is not read either, until it does. */
  #reply(reply: ControlReply): void {
    if (this.#write(reply)) return;
    this.#socket.pause();
    void this.#drained().then(() => this.#socket.resume());
  }

  async #stream(item: ControlItem, signal: AbortSignal): Promise<void> {
    throwIfOver(signal);
    if (!this.#write(item)) await this.#drained();
    throwIfOver(signal);
  }

  /** False: the client has to read before more is sent. */
  #write(answer: ControlReply | ControlItem): boolean {
    return this.#closed || !this.#socket.writable || this.#socket.write(`${JSON.stringify(answer)}\n`);
  }

  /** Resolves when the client has read what it was sent, or has gone; drops a client that does not read in time. */
  #drained(): Promise<void> {
    this.#draining ??= new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(this.#limits.sendMs, () => this.#socket.destroy());
      const done = (): void => {
        timer.cancel();
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        this.#draining = null;
        resolve();
      };
      this.#socket.once('drain', done);
      this.#socket.once('close', done);
    });
    return this.#draining;
  }

  #refuseAndClose(message: string): void {
    this.#reply({ id: null, ok: false, error: { type: 'invalid_input', message } });
    this.#abortAll(message);
    this.#socket.pause();
    this.#socket.end();
    this.#options.clock.after(200, () => this.#socket.destroy());
  }
}

function throwIfOver(signal: AbortSignal): void {
  if (signal.aborted) throw reasonOf(signal);
}

function reasonOf(signal: AbortSignal): OperatingError {
  const reason: unknown = signal.reason;
  return reason instanceof OperatingError ? reason : new OperatingError('interrupted', 'the request is over');
}
