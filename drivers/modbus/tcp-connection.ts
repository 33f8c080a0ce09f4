// One connection to a Modbus TCP device or gateway, from opening it to its end; then another is made. The library sees
// to the header and to matching answers to questions by transaction number. The rest is kept here: the socket is ours
// (keep-alive, no delay), and an answer is read by our own codec from the raw bytes, because the library takes an
// acknowledgement without comparing what it acknowledges.

import { connect, type Socket } from 'node:net';
import modbusSerial from 'modbus-serial';
import { AnswerWatch, type Finding, type Question } from './answer-watch.ts';
import type { Attempt, LineUnit } from './bus-terms.ts';
import { decodeReply, encodeRequest, type Request } from './codec.ts';
import { Budget } from '../../src/domain/budget.ts';
import { memberOf } from '../../src/domain/named.ts';
import type { Clock } from '../../src/domain/ports.ts';

const CONNECT_MS = 5_000;
const KEEP_ALIVE_MS = 10_000;
const HEADER_BYTES = 7;
/**
 * So much is taken in one turn of the loop, and in all: far more than a device answers to so few questions. What it
 * sends beyond that waits on its side.
 */
const READ_BYTES = 2048;
const INTAKE = { atOnce: 256 * 1024, perSecond: 256 * 1024 } as const;

export type TcpAddress = { host: string; port: number };

/** Told once each, `ended` also where it never came to be. */
export type ConnectionEvents = {
  connected(): void;
  ended(reason: string): void;
  /** What comes is no Modbus TCP any more. */
  broken(fault: string): void;
};

type Client = InstanceType<typeof modbusSerial.default>;

export class TcpConnection {
  readonly #address: TcpAddress;
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  readonly #socket: Socket;
  readonly #watch = new AnswerWatch();
  #client: Client | null = null;
  #isOver = false;
  /** Whole answers that have come. */
  answers = 0;

  constructor(address: TcpAddress, clock: Clock, events: ConnectionEvents) {
    this.#address = address;
    this.#clock = clock;
    this.#events = events;
    this.#socket = this.#open();
  }

  get isOpen(): boolean {
    return this.wasOpen && !this.#isOver;
  }

  get wasOpen(): boolean {
    return this.#client !== null;
  }

  /** Nothing has come of an answer that is not whole. */
  get isWhole(): boolean {
    return this.#watch.isWhole;
  }

  /** Sends in this turn; `answered` is called when something has come, however late, that carries its number. */
  ask(unit: LineUnit, request: Request, answered: (attempt: Attempt) => void): Question {
    const question = this.#watch.ask(this.#clock.monotonicMs());
    const pdu = encodeRequest(request);
    unit.counters.bytesSent += HEADER_BYTES + pdu.length;
    this.#client?.writeCustomFC(unit.settings.unit, request.fc, dataOf(pdu), (error, result) =>
      answered(this.#read(unit, request, error, result)),
    );
    return question;
  }

  /** Asks everybody behind a gateway, and nobody answers. */
  tellAll(request: Request): void {
    this.#watch.ask(this.#clock.monotonicMs());
    this.#client?.writeCustomFC(0, request.fc, dataOf(encodeRequest(request)), () => undefined);
  }

  /** What came in place of the answer to this. */
  why(question: Question): Finding | null {
    return this.#watch.why(question);
  }

  /**
   * After a plain close the kernel goes on delivering what it has taken, for minutes: a strike among it would open a
   * door long after its time.
   */
  reset(): void {
    this.#isOver = true;
    this.#socket.resetAndDestroy();
  }

  /** Nothing is owed in either direction. */
  close(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  #open(): Socket {
    const intake = new Budget(INTAKE);
    const socket: Socket = connect({
      ...this.#address,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      // By small reads of our own: the socket itself would take megabytes in one turn.
      onread: {
        buffer: Buffer.allocUnsafe(READ_BYTES),
        callback: (count, bytes) => {
          this.#came(socket, Buffer.from(bytes.subarray(0, count)));
          const restMs = intake.spend(this.#clock.monotonicMs(), count);
          if (restMs === 0) this.#clock.immediate(() => socket.resume());
          else this.#clock.after(restMs, () => socket.resume());
          return false;
        },
      },
    });
    let reason = `no connection to ${this.#address.host}:${this.#address.port} within ${CONNECT_MS} ms: check its power, cable and address`;
    // What has come meanwhile is heard first: after a standstill of ours the connection may be there all the same.
    const giveUp = (): void => {
      if (socket.connecting) socket.destroy();
    };
    const deadline = this.#clock.after(CONNECT_MS, () => this.#clock.immediate(giveUp));
    const over = (why: string): void => {
      deadline.cancel();
      if (this.#isOver) return;
      this.#isOver = true;
      this.#events.ended(why);
    };
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#client === null) reason = explain(this.#address, error);
    });
    socket.once('connect', () => {
      deadline.cancel();
      reason = 'the connection broke';
      void this.#use(socket);
    });
    socket.once('end', () => over('the device closed the connection'));
    socket.once('close', () => over(reason));
    return socket;
  }

  async #use(socket: Socket): Promise<void> {
    // With this setting, which its types leave out, a result carries the raw bytes of the answer.
    const client = Object.assign(new modbusSerial.default(), { isDebugEnabled: true });
    client.on('error', () => undefined);
    await client.linkTCP(socket, { port: this.#address.port });
    if (this.#isOver || socket.destroyed) return;
    this.#client = client;
    this.#events.connected();
  }

  /** To the library goes one whole frame at a time, as if the socket had read it. */
  #came(socket: Socket, bytes: Buffer): void {
    if (this.#isOver) return;
    const { frames, fault } = this.#watch.take(bytes, this.#clock.monotonicMs());
    if (frames.length > 1) sendTogether(socket);
    for (const frame of frames) {
      this.answers++;
      socket.emit('data', frame);
    }
    // Whoever heard an answer may have ended it.
    if (fault !== null && this.isOpen) this.#events.broken(fault);
  }

  /** The raw answer stands in the result, or in the error when the library could make nothing of it. */
  #read(unit: LineUnit, request: Request, error: unknown, result: unknown): Attempt {
    const raw = rawAnswer(error ?? result);
    if (raw === null) return { result: 'lost', message: messageOf(error) };
    unit.counters.bytesReceived += raw.length + HEADER_BYTES - 3;
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
}

/**
 * Several answers that came in one piece have their askers ask on: what they ask in this turn of the loop goes out in
 * one piece as well, at its end, behind everything that was promised.
 */
function sendTogether(socket: Socket): void {
  socket.cork();
  queueMicrotask(() => process.nextTick(() => socket.uncork()));
}

/** What stands behind the function, as the library takes it. By hand: spreading bytes takes longer than sending them. */
function dataOf(pdu: Buffer): number[] {
  const data: number[] = [];
  for (let at = 1; at < pdu.length; at++) data.push(pdu[at] ?? 0);
  return data;
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
