// `/healthz`, `/readyz` and `/metrics` on 127.0.0.1. For this machine alone: whoever is elsewhere goes through something
// that asks for a password. A page in somebody's browser on this machine, which can reach loopback under a name of its
// own, is told nothing.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fieldsIn, isFields } from '../domain/fields.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { Measured } from './measures.ts';
import { isServing, Metrics } from './metrics.ts';

export type MonitorOptions = {
  /** 0: any that is free. */
  port: number;
  facility: string;
  measured: Measured;
  clock: Clock;
  log: Log;
};

const ADDRESS = '127.0.0.1';
const MOST_CONNECTIONS = 16;
const REQUEST_MS = 5_000;
const AGAIN_MS = 60_000;
const NAMES: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);

type Answer = { status: number; type: string; text: string };

/** Opened with the agent and closed with it; a port that is taken is tried again, and no reason not to serve doors. */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #metrics: Metrics;
  #server: Server | null = null;
  #again: Timer | null = null;
  #isStopped = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#metrics = new Metrics(options.measured, options.facility);
  }

  /** Where it listens; null: it does not. */
  get port(): number | null {
    const address = this.#server?.address();
    return address === undefined || address === null ? null : (address as AddressInfo).port;
  }

  /** Resolves when it listens, or cannot. */
  async start(): Promise<void> {
    const { clock, log, port } = this.#options;
    const server = createServer(
      { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: 1 },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
    server.maxConnections = MOST_CONNECTIONS;
    // Whoever connects and says nothing keeps nobody else out for longer.
    server.setTimeout(REQUEST_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, ADDRESS, resolve);
      });
      server.on('error', (error) => log.warn('monitoring', { problem: error.message }));
      this.#server = server;
      if (this.#isStopped) await this.stop();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      log.error('nobody can ask how Lintel is. Remedy: another monitoring.port, or end what listens there', {
        port,
        problem,
      });
      if (!this.#isStopped) this.#again = clock.after(AGAIN_MS, () => void this.start());
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#again?.cancel();
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answerTo(request);
    } catch (error) {
      this.#options.log.error('monitoring', { problem: String(error) });
      answer = plain(500, 'a mistake of Lintel: see its log');
    }
    const { status, type, text } = answer;
    response.writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  }

  async #answerTo({ method, url, headers }: IncomingMessage): Promise<Answer> {
    if (!NAMES.has((headers.host ?? '').replace(/:\d+$/, '')))
      return plain(403, `ask for http://${ADDRESS}, not for a name that leads here`);
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'GET or HEAD');
    switch ((url ?? '').split('?', 1)[0]) {
      case '/healthz':
        return this.#health();
      case '/readyz':
        return this.#readiness();
      case '/metrics': {
        const { type, text } = await this.#metrics.text();
        return { status: 200, type, text };
      }
      default:
        return plain(404, 'there are /healthz, /readyz and /metrics');
    }
  }

  /** Whether it should be restarted: does it still turn, and answer? */
  #health(): Answer {
    const { health } = this.#options.measured.read().status;
    const isHealthy = isFields(health) && health['healthy'] === true;
    const failing = isFields(health) ? fieldsIn(health['failing']) : [];
    return json(isHealthy, { healthy: isHealthy, failing });
  }

  /** Whether cards open doors by it. */
  #readiness(): Answer {
    const { status } = this.#options.measured.read();
    const ready = isServing(status);
    return json(ready, { ready, problem: status['refusal'] ?? (ready ? null : 'it starts') });
  }
}

const plain = (status: number, text: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  text: `${text}\n`,
});
const json = (isGood: boolean, value: object): Answer => ({
  status: isGood ? 200 : 503,
  type: 'application/json',
  text: `${JSON.stringify(value)}\n`,
});
