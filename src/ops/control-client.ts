// The other end of the control socket, for the command line: requests with deadlines, and streams whose reader sets the
// pace.

import type { Socket } from 'node:net';
import { OperatingError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';
import { tryConnect } from './control-connect.ts';
import { LineReader, readAnswer, type ControlReply } from './control-protocol.ts';

export type ControlClient = {
  /**
   * Sends `{id, kind, …fields}` and resolves to the reply's result; rejects with the reply's error as an
   * `OperatingError`, with `timed_out` after `timeoutMs` (null: never), or with `interrupted` when the daemon goes away
   * or `signal` is aborted, which cancels the request there.
   */
  request: (kind: string, fields: Readonly<Record<string, unknown>>, options: RequestOptions) => Promise<unknown>;
  close: () => void;
};

export type RequestOptions = {
  timeoutMs: number | null;
  /**
   * Called with each streamed item, one after another; a promise it returns holds up the next one, and in the end the
   * daemon.
   */
  onItem?: (item: unknown) => void | Promise<void>;
  signal?: AbortSignal;
};

export type ControlConnection =
  | { connected: true; client: ControlClient }
  /**
   * `nobody`: no daemon serves there. `forbidden`: this user may not. `busy`: a daemon is there and does not answer.
   * `message` says so, with the remedy.
   */
  | { connected: false; why: 'nobody' | 'forbidden' | 'busy'; message: string };

/** Longest line taken from the daemon. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

export async function connectControl(clock: Clock, path: string, timeoutMs: number): Promise<ControlConnection> {
  const outcome = await tryConnect(clock, path, timeoutMs);
  if (outcome.state === 'connected') return { connected: true, client: new Client(clock, outcome.socket) };
  return { connected: false, why: outcome.state, message: MESSAGES[outcome.state](path) };
}

const MESSAGES = {
  nobody: (path: string) => `no lintel answers at ${path}: is it running (systemctl status 'lintel@*')?`,
  forbidden: (path: string) =>
    `you may not open ${path}: add yourself to the group lintel (sudo usermod -aG lintel "$USER", then log in again)`,
  busy: (path: string) => `lintel is there (${path}) but does not answer: see journalctl -u 'lintel@*'`,
} as const;

type Pending = {
  settle: (reply: ControlReply) => void;
  fail: (error: OperatingError) => void;
  onItem: ((item: unknown) => void | Promise<void>) | null;
};

class Client implements ControlClient {
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #pending = new Map<string | number, Pending>();
  #nextId = 1;
  #over: OperatingError | null = null;

  constructor(clock: Clock, socket: Socket) {
    this.#clock = clock;
    this.#socket = socket;
    socket.on('error', () => undefined);
    void this.#read();
  }

  request = async (
    kind: string,
    fields: Readonly<Record<string, unknown>>,
    { timeoutMs, onItem, signal }: RequestOptions,
  ): Promise<unknown> => {
    if (this.#over !== null) throw this.#over;
    if (signal?.aborted === true) throw new OperatingError('interrupted', 'cancelled');
    const id = this.#nextId++;
    let end = (): void => undefined;
    try {
      return await new Promise<unknown>((resolve, reject) => {
        const giveUp = (error: OperatingError): void => {
          this.#send({ id, kind: 'cancel' });
          reject(error);
        };
        const cancelled = (): void => giveUp(new OperatingError('interrupted', 'cancelled'));
        const timer =
          timeoutMs === null
            ? null
            : this.#clock.after(timeoutMs, () =>
                this.#clock.immediate(() =>
                  giveUp(new OperatingError('timed_out', `lintel did not answer within ${timeoutMs} ms`)),
                ),
              );
        signal?.addEventListener('abort', cancelled);
        end = () => {
          timer?.cancel();
          signal?.removeEventListener('abort', cancelled);
        };
        const settle = (reply: ControlReply): void => {
          if (reply.ok) resolve(reply.result);
          else reject(new OperatingError(reply.error.type, reply.error.message, reply.error.path));
        };
        this.#pending.set(id, { settle, fail: giveUp, onItem: onItem ?? null });
        this.#send({ ...fields, id, kind });
      });
    } finally {
      end();
      this.#pending.delete(id);
    }
  };

  close = (): void => {
    this.#socket.end();
    this.#finish('the connection was closed');
  };

  #send(request: Readonly<Record<string, unknown>>): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(request)}\n`);
  }

  /** Takes answers one by one, in order; while an item is being dealt with nothing more is read. */
  async #read(): Promise<void> {
    const reader = new LineReader(MAX_LINE_BYTES);
    try {
      for await (const bytes of this.#socket) {
        if (!Buffer.isBuffer(bytes)) continue;
        const lines = reader.push(bytes);
        if (lines === null) break;
        for (const line of lines) await this.#take(line);
      }
      this.#finish('lintel closed the connection');
    } catch {
      this.#finish('the connection to lintel was lost');
    }
    this.#socket.destroy();
  }

  async #take(line: Buffer): Promise<void> {
    const answer = readAnswer(line);
    if (answer === null) return;
    if (answer.id === null) {
      // About the connection itself: too many clients, a line too long.
      if ('ok' in answer && !answer.ok) this.#finish(answer.error.message);
      return;
    }
    const pending = this.#pending.get(answer.id);
    if (!('item' in answer)) {
      pending?.settle(answer);
      return;
    }
    try {
      await pending?.onItem?.(answer.item);
    } catch (error) {
      pending?.fail(error instanceof OperatingError ? error : new OperatingError('internal', String(error)));
    }
  }

  #finish(why: string): void {
    this.#over ??= new OperatingError('interrupted', why);
    for (const { fail } of this.#pending.values()) fail(this.#over);
  }
}
