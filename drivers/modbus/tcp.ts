// Modbus TCP over modbus-serial, which is used for what it does well: the MBAP header and matching answers to questions by transaction number. Everything else is
// kept here: the socket is ours (keep-alive, no delay, a new client after each loss), every call ends by a deadline or with the socket, and an answer is read by our
// own codec from the raw bytes, because the library takes an acknowledgement without comparing what it acknowledges.

import { connect, type Socket } from 'node:net';
import modbusSerial from 'modbus-serial';
import type { Attempt, Line, LineEvents, LineUnit, SendOptions } from './bus-terms.ts';
import { decodeReply, encodeRequest, type Request } from './codec.ts';
import { Budget } from '../../src/domain/budget.ts';
import { assert } from '../../src/domain/errors.ts';
import type { Clock, Log, Random, Timer } from '../../src/domain/ports.ts';
import { memberOf } from '../../src/domain/named.ts';

const CONNECT_MS = 5_000;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 5_000;
const KEEP_ALIVE_MS = 10_000;
/** What a network and a gateway's own queue may add to a device's turnaround. */
const NETWORK_SLACK_MS = 250;
const MBAP_BYTES = 7;
/** A gateway that looks for a unit in vain keeps everybody behind it waiting meanwhile. So long, at most, others that ask through it are waited for on that account. */
const GATEWAY_BUSY_MS = 5_000;
/** How often it is looked at whether it is done. */
const GATEWAY_LOOK_MS = 100;
/** So much is taken in one turn of the loop, and in all: far more than a device answers to so few questions. What it sends beyond that waits on its side. */
const READ_BYTES = 2048;
const INTAKE = { atOnce: 256 * 1024, perSecond: 256 * 1024 } as const;

export type TcpAddress = { host: string; port: number };
export type TcpContext = { clock: Clock; random: Random; log: Log };

type Client = InstanceType<typeof modbusSerial.default>;
type Connection = {
  socket: Socket;
  client: Client;
  pending: Map<(attempt: Attempt) => void, LineUnit>;
  /** Since when a unit that is offline owes an answer that is no longer waited for. */
  owed: Map<LineUnit, number>;
  /** Units for which it was waited like that in vain: the gateway drops what it cannot deliver. */
  dropped: Set<LineUnit>;
  /** When the last answer that was owed came. */
  owedCameAtMs: number;
};

export class TcpLine implements Line {
  readonly maxInFlight: number;
  readonly #address: TcpAddress;
  readonly #context: TcpContext;
  readonly #clock: Clock;
  #events: LineEvents | null = null;
  #state: 'stopped' | 'running' = 'stopped';
  #connection: Connection | null = null;
  #opening: Socket | null = null;
  #timer: Timer | null = null;
  #failures = 0;
  /** When each unit was last asked, for its least pause. */
  readonly #askedAtMs = new Map<number, number>();

  constructor(address: TcpAddress, maxInFlight: number, context: TcpContext) {
    assert(maxInFlight >= 1, 'at least one request is in flight');
    this.#address = address;
    this.maxInFlight = maxInFlight;
    this.#context = context;
    this.#clock = context.clock;
  }

  start(events: LineEvents): void {
    this.#events = events;
    this.#state = 'running';
    this.#open();
  }

  stop(): Promise<void> {
    this.#state = 'stopped';
    this.#timer?.cancel();
    this.#opening?.destroy();
    this.#let('the connection is being closed')?.destroy();
    return Promise.resolve();
  }

  abandonProbe(): void {
    const connection = this.#connection;
    for (const [settle, unit] of [...(connection?.pending ?? [])]) {
      if (unit.online) continue;
      connection?.owed.set(unit, this.#clock.monotonicMs());
      settle({ result: 'timed_out', message: 'not waited for: a strike came' });
    }
  }

  renew(reason: string): void {
    if (this.#connection !== null) this.#lost(this.#connection, reason);
  }

  lengthMs(): number {
    return 0;
  }

  waitMs(unit: LineUnit, nowMs: number): number {
    const askedAtMs = this.#askedAtMs.get(unit.settings.unit) ?? Number.NEGATIVE_INFINITY;
    return Math.max(0, askedAtMs + unit.settings.minGapMs - nowMs);
  }

  async exchange(unit: LineUnit, request: Request, options: SendOptions): Promise<Attempt> {
    const connection = this.#connection;
    if (connection === null) return { result: 'lost', message: 'there is no connection' };
    const pdu = encodeRequest(request);
    const sentAtMs = this.#clock.monotonicMs();
    unit.counters.bytesSent += MBAP_BYTES + pdu.length;
    const isKnock = !unit.online;
    const attempt = await new Promise<Attempt>((resolve) => {
      // A device that takes several requests at once may still see to them one after the other.
      const before = [...connection.pending.values()].filter((other) => other === unit).length;
      const timeoutMs = unit.settings.turnaroundMs * (before + 1) + NETWORK_SLACK_MS;
      const settle = (result: Attempt): void => {
        if (!connection.pending.delete(settle)) return;
        deadline.cancel();
        resolve(result);
      };
      const giveUp = (): void => {
        // A strike whose time is over is called back, whoever keeps the gateway.
        const busyMs = options.notAfterMonotonicMs === undefined ? this.#busyMs(connection, unit, timeoutMs) : 0;
        if (busyMs > 0) {
          deadline = this.#clock.after(Math.min(busyMs, GATEWAY_LOOK_MS), () => this.#clock.immediate(giveUp));
          return;
        }
        const waitedMs = Math.round(this.#clock.monotonicMs() - sentAtMs);
        if (isKnock) connection.owed.set(unit, sentAtMs);
        settle({ result: 'timed_out', message: `no answer within ${waitedMs} ms` });
      };
      let deadline = this.#clock.after(timeoutMs, () => this.#clock.immediate(giveUp));
      connection.pending.set(settle, unit);
      connection.client.writeCustomFC(unit.settings.unit, request.fc, [...pdu.subarray(1)], (error, result) => {
        const answer = this.#read(unit, request, error, result);
        if (!connection.pending.has(settle) && isKnock && answer.result !== 'lost')
          this.#cameLate(connection, unit, sentAtMs, answer);
        settle(answer);
      });
      options.onSent?.();
    });
    this.#askedAtMs.set(unit.settings.unit, Math.max(sentAtMs, this.#clock.monotonicMs()));
    return attempt;
  }

  /** For how long the gateway may still be kept by a unit that is not there, ms, and need its usual time for this one after that. 0: no reason to wait. */
  #busyMs(connection: Connection, unit: LineUnit, usualMs: number): number {
    if (!unit.online) return 0;
    const nowMs = this.#clock.monotonicMs();
    let untilMs = connection.owedCameAtMs + usualMs;
    for (const [other, sinceMs] of [...connection.owed]) {
      if (other === unit || connection.dropped.has(other)) continue;
      if (nowMs >= sinceMs + GATEWAY_BUSY_MS) {
        connection.owed.delete(other);
        connection.dropped.add(other);
      } else untilMs = Math.max(untilMs, sinceMs + GATEWAY_BUSY_MS);
    }
    return untilMs - nowMs;
  }

  #cameLate(connection: Connection, unit: LineUnit, sentAtMs: number, answer: Attempt): void {
    const nowMs = this.#clock.monotonicMs();
    connection.owed.delete(unit);
    connection.dropped.delete(unit);
    connection.owedCameAtMs = nowMs;
    unit.answeredLate(nowMs - sentAtMs, answer);
  }

  /** TCP knows no broadcast of its own; a gateway hands unit 0 on to its serial side and answers nothing. */
  async broadcast(request: Request): Promise<boolean> {
    const connection = this.#connection;
    if (connection === null) return false;
    connection.client.writeCustomFC(0, request.fc, [...encodeRequest(request).subarray(1)], () => undefined);
    await new Promise<void>((resolve) => this.#clock.after(NETWORK_SLACK_MS, resolve));
    return this.#connection === connection;
  }

  /** The raw answer stands in the result, or in the error when the library could make nothing of it. */
  #read(unit: LineUnit, request: Request, error: unknown, result: unknown): Attempt {
    const raw = rawAnswer(error ?? result);
    if (raw === null) return { result: 'lost', message: messageOf(error) };
    unit.counters.bytesReceived += raw.length + MBAP_BYTES - 3;
    if (raw[0] !== unit.settings.unit) {
      return { result: 'garbled', message: `unit ${raw[0] ?? 'none'} answered where ${unit.settings.unit} was asked` };
    }
    // The library dresses TCP answers as RTU frames: address in front, CRC behind.
    const decoded = decodeReply(request, raw.subarray(1, -2));
    if (decoded.outcome === 'mismatch')
      return { result: 'garbled', message: `the answer does not fit: ${decoded.why}` };
    return decoded.outcome === 'exception'
      ? { result: 'exception', code: decoded.code }
      : { result: 'reply', reply: decoded.reply, atMonotonicMs: this.#clock.monotonicMs() };
  }

  // ---- the connection ----------------------------------------------------------------------------------------------------------------------------

  #open(): void {
    const intake = new Budget(INTAKE);
    const socket: Socket = connect({
      ...this.#address,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      // By small reads of our own, handed on as the socket itself would: it would take megabytes in one turn.
      onread: {
        buffer: Buffer.allocUnsafe(READ_BYTES),
        callback: (count, bytes) => {
          socket.emit('data', Buffer.from(bytes.subarray(0, count)));
          const restMs = intake.spend(this.#clock.monotonicMs(), count);
          if (restMs === 0) this.#clock.immediate(() => socket.resume());
          else this.#clock.after(restMs, () => socket.resume());
          return false;
        },
      },
    });
    this.#opening = socket;
    let reason = `no connection to ${this.#address.host}:${this.#address.port} within ${CONNECT_MS} ms: check its power, cable and address`;
    const deadline = this.#clock.after(CONNECT_MS, () => socket.destroy());
    socket.on('error', (error: NodeJS.ErrnoException) => (reason = explain(this.#address, error)));
    socket.once('close', () => {
      deadline.cancel();
      if (this.#opening === socket) this.#again(reason);
    });
    socket.once('connect', () => {
      deadline.cancel();
      void this.#use(socket);
    });
  }

  async #use(socket: Socket): Promise<void> {
    // With this setting, which its types leave out, a result carries the raw bytes of the answer.
    const client = Object.assign(new modbusSerial.default(), { isDebugEnabled: true });
    client.on('error', () => undefined);
    await client.linkTCP(socket, { port: this.#address.port });
    if (this.#opening !== socket || socket.destroyed) return;
    this.#opening = null;
    const connection: Connection = {
      socket,
      client,
      pending: new Map(),
      owed: new Map(),
      dropped: new Set(),
      owedCameAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#connection = connection;
    this.#failures = 0;
    socket.once('end', () => this.#lost(connection, 'the device closed the connection'));
    socket.once('close', () => this.#lost(connection, 'the connection broke'));
    this.#events?.up();
  }

  #lost(connection: Connection, reason: string): void {
    if (this.#connection !== connection) return;
    // After a plain close the kernel goes on delivering what it has taken, for minutes: a strike among it would open a door long after its time.
    this.#let(reason)?.resetAndDestroy();
    this.#again(reason);
  }

  /** Lets go of the connection: who waits for an answer hears at once that there will be none. */
  #let(reason: string): Socket | null {
    const connection = this.#connection;
    if (connection === null) return null;
    this.#connection = null;
    for (const settle of [...connection.pending.keys()]) settle({ result: 'lost', message: reason });
    return connection.socket;
  }

  #again(reason: string): void {
    this.#opening = null;
    if (this.#state === 'stopped') return;
    this.#events?.down(reason);
    const longestMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures++, 10));
    this.#timer = this.#clock.after(longestMs * (0.5 + 0.5 * this.#context.random.fraction()), () => this.#open());
  }
}

/** The library's own errors are not all of class Error; only what they carry counts. */
function rawAnswer(carrier: unknown): Buffer | null {
  if (typeof carrier !== 'object' || carrier === null) return null;
  const answers: unknown =
    'responses' in carrier ? carrier.responses : 'modbusResponses' in carrier ? carrier.modbusResponses : null;
  const raw: unknown = Array.isArray(answers) ? answers.at(-1) : null;
  return raw instanceof Uint8Array && raw.length >= 4 ? Buffer.from(raw) : null;
}

const messageOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
    ? error.message
    : 'the request could not be sent';

const CONNECT_REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused. The device is there but does not serve Modbus on this port, or has no connection left for us',
  ENOTFOUND: 'the name is not known. Give the IP address, so that doors do not depend on name service',
  EAI_AGAIN: 'name service does not answer. Give the IP address, so that doors do not depend on it',
  EHOSTUNREACH: 'the host does not answer. Check its power, cable and address',
  ENETUNREACH: 'no route to its network. Check this gateway’s address and cable',
};

const explain = (address: TcpAddress, error: NodeJS.ErrnoException): string =>
  `cannot connect to ${address.host}:${address.port}: ${memberOf(CONNECT_REMEDIES, error.code ?? '') ?? error.message}`;
