// The link to the broker: connections one after the other, each a fresh client, while the broker keeps the session.
// What comes in is the intake's, what goes out the sending's; here is when to connect, why a connection ended, and how
// long to wait.

import { connect, type MqttClient } from 'mqtt';
import { OperatingError } from '../domain/errors.ts';
import type { Random, Timer } from '../domain/ports.ts';
import {
  CONNECT_TIMEOUT_MS,
  guestOptions,
  MAXIMUM_PACKET_BYTES,
  sessionOptions,
  type LinkSecrets,
} from './client-options.ts';
import { frameWatch } from './frame-watch.ts';
import { Intake, type IntakePorts, type OutgoingReply } from './intake.ts';
import { lookAt } from './onlooker.ts';
import type { PublishEvent } from './outbox.ts';
import { Pace } from './pace.ts';
import { connectRefusal, disconnectReason, FOR_A_MESSAGE, FOR_NO_MESSAGE, TAKEN_OVER } from './reasons.ts';
import { Rivals, strangerIn, type Ended } from './rivals.ts';
import { Sending, type End, type Outcome } from './sending.ts';
import { shortReply, shortState } from './short-forms.ts';
import type { Topics } from './topics.ts';

export type LinkOptions = {
  url: string;
  clientId: string;
  username: string | null;
  /** Asked at every connection; throws an OperatingError where one cannot be read. */
  secrets: () => LinkSecrets;
  replyTopics: readonly string[];
  topics: Topics;
  /** 5 first, with 3.1.1 where the broker knows no better; or one of them alone. */
  protocol: 'auto' | 5 | 4;
  /** By what the state that we publish is told from that of another agent under the same name. */
  identity: { started_at: string; host: string };
};

export type LinkPorts = IntakePorts & {
  random: Random;
  /** This kept reply needs no other try: the broker has acknowledged it, or will never carry it. */
  delivered: (commandId: string) => void;
  onConnected: () => void;
  onDisconnected: () => void;
  /** Whether commands reach us: not the same as a connection, where the broker refuses the subscription. */
  onListening: (isListening: boolean) => void;
  /** What `report` says has changed. */
  onChange: () => void;
};

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 30_000;
/** A connection has proved itself when it has lived so long and carried something. */
const PROVED_MS = 5_000;
const SUBSCRIBE_FIRST_MS = 30_000;
const SUBSCRIBE_MOST_MS = 600_000;
/**
 * On 3.1.1 nothing bounds what comes: up to here it is read and refused as a command, beyond the connection is ended.
 */
const MOST_INCOMING_BYTES = 16 * MAXIMUM_PACKET_BYTES;
const LOOK_MS = 3_000;
const UNSUPPORTED_PROTOCOL = new Set([0x84, 0x01]);
/** Closed this many times before any CONNACK, a broker is taken for one that knows only the other version. */
const SILENT_CLOSES = 2;
const SAY_EVERY = 20;
const KEEPALIVE_ERROR = 'Keepalive timeout';

/** One connection, from the attempt to its end. */
type Connection = {
  client: MqttClient;
  intake: Intake;
  /**
   * The CONNACK said yes. A resumed session delivers at once, before our subscription is confirmed, and its replies
   * must leave.
   */
  isOpen: boolean;
  openedMs: number;
  /** The code of a CONNACK that said no. */
  refusal: number | null;
  /** The code of the broker's DISCONNECT. */
  disconnect: number | null;
  /** We ended it ourselves. */
  ownEnd: End | null;
  error: string | null;
};

/** What the house sees of a link. */
export type Link = { [Member in keyof MqttLink]: MqttLink[Member] };
export type OpenLink = (options: LinkOptions, ports: LinkPorts) => Link;
export const openMqttLink: OpenLink = (options, ports) => new MqttLink(options, ports);

export class MqttLink {
  readonly #options: LinkOptions;
  readonly #ports: LinkPorts;
  readonly #sending: Sending;
  readonly #rivals: Rivals;
  readonly #pace: Pace;
  readonly #subscribePace: Pace;
  #connection: Connection | null = null;
  #isConnected = false;
  #isStopped = true;
  #silentCloses = 0;
  #protocol: 5 | 4;
  #retry: Timer | null = null;
  /** The deadline of whatever the connection waits for before it is up. */
  #watch: Timer | null = null;
  #problem: string | null = null;
  #said: string | null = null;
  /** Connections in a row that were up and did not last. */
  #unproved = 0;
  #unsubscribed: string | null = null;
  #hasWarnedOf311 = false;

  constructor(options: LinkOptions, ports: LinkPorts) {
    const { clock, random, log, onChange } = ports;
    this.#options = options;
    this.#ports = ports;
    this.#protocol = options.protocol === 4 ? 4 : 5;
    this.#sending = new Sending(clock, log, onChange);
    this.#rivals = new Rivals(ports, options.clientId, () => this.#lookForRival(), onChange);
    this.#pace = new Pace(random, BACKOFF_FIRST_MS, BACKOFF_MOST_MS);
    this.#subscribePace = new Pace(random, SUBSCRIBE_FIRST_MS, SUBSCRIBE_MOST_MS);
  }

  /** Begins to connect, again and again without end; never throws because there is no broker. */
  start(): void {
    this.#isStopped = false;
    this.#open();
  }

  /** Says goodbye (`state/agent` is the caller's to publish) and closes within `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    this.#watch?.cancel();
    this.#rivals.stop();
    const connection = this.#connection;
    this.#connection = null;
    this.#isConnected = false;
    this.#sending.closed('other');
    if (connection === null) return;
    const { client } = connection;
    connection.intake.close();
    await new Promise<void>((resolve) => {
      const timer = this.#ports.clock.after(timeoutMs, () => {
        client.stream.destroy();
        resolve();
      });
      client.end(false, {}, () => {
        timer.cancel();
        resolve();
      });
    });
  }

  // ---- how it stands ----

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Why there is no connection, or what keeps going wrong with it; for people. */
  get problem(): string | null {
    return this.#rivals.problem ?? this.#problem ?? this.#unsubscribed;
  }

  get protocol(): 5 | 4 {
    return this.#protocol;
  }

  /** Most bytes that a reply should have to get through; Infinity while no bound is known. */
  mostReplyBytes(): number {
    return this.#sending.mostBytes();
  }

  report(): { problem: string | null; warnings: string[]; counts: Record<string, unknown> } {
    return {
      problem: this.problem,
      warnings: this.#sending.warnings(),
      counts: { ...this.#sending.counts(), taken_over: this.#rivals.count },
    };
  }

  // ---- sending ----

  /** Sends a reply when there is a connection; a kept one comes again at the next otherwise. */
  reply(reply: OutgoingReply): void {
    const { topic, json, commandId, isKept, correlation } = reply;
    if (topic === null) return;
    this.#sending.send({
      kind: 'reply',
      key: `reply ${topic} ${commandId ?? ''}`,
      topic,
      json,
      correlation: this.#protocol === 5 ? correlation : null,
      isOnlyHere: !isKept,
      shorten: (why) => shortReply(json, isKept, why),
      done: ({ type }) => {
        if (isKept && commandId !== null && type !== 'lost') this.#ports.delivered(commandId);
      },
    });
  }

  readonly publishEvent: PublishEvent = (event, json, stub, done) => {
    this.#sending.send({
      kind: 'event',
      key: `event ${event.sequence}`,
      topic: this.#options.topics.event(event.event_type),
      json,
      correlation: null,
      isOnlyHere: false,
      shorten: stub,
      done,
    });
  };

  /** Publishes a retained state; lost without a connection, for every state is published anew at the next one. */
  publishState(topic: string, json: string, done: (outcome: Outcome) => void = () => undefined): void {
    this.#sending.send({
      kind: 'state',
      key: `state ${topic}`,
      topic,
      json,
      correlation: null,
      isOnlyHere: false,
      shorten: (why) => shortState(json, why),
      done,
    });
  }

  /** A new connection: the broker delivers again whatever was not acknowledged. */
  redeliver(): void {
    if (this.#connection !== null)
      this.#end(this.#connection, 'commands that were held back are asked for again', 'other');
  }

  // ---- connecting ----

  #open(): void {
    const { clock } = this.#ports;
    const { url, topics, replyTopics } = this.#options;
    let secrets: LinkSecrets;
    try {
      secrets = this.#options.secrets();
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.#tryAgain(error.message, this.#pace.next());
      return;
    }
    const client = connect(url, sessionOptions(this.#protocol, this.#options, secrets, topics));
    const connection: Connection = {
      client,
      intake: new Intake(
        client,
        { topics, replyTopics },
        this.#ports,
        (reply) => this.reply(reply),
        (problem) => this.#end(connection, problem, 'other'),
      ),
      isOpen: false,
      openedMs: clock.monotonicMs(),
      refusal: null,
      disconnect: null,
      ownEnd: null,
      error: null,
    };
    this.#connection = connection;
    client.handleMessage = (packet, done) => {
      this.#sending.heard();
      connection.intake.receive(packet, done);
    };
    client.on('connect', (connack) => this.#opened(connection, connack.properties ?? {}));
    client.on('disconnect', (packet) => (connection.disconnect = packet.reasonCode ?? 0));
    client.on('error', (error) => this.#onError(connection, error));
    client.once('close', () => {
      client.end(true);
      if (this.#connection === connection) this.#closed(connection);
    });
    // Name look-ups and half-open sockets are outside mqtt.js's own time-outs.
    this.#expect(connection, CONNECT_TIMEOUT_MS * 2, 'no answer from the broker');
    client.connect();
    const isTooLarge = frameWatch(MOST_INCOMING_BYTES);
    client.stream.on('data', (chunk: Buffer) => {
      if (isTooLarge(chunk))
        this.#end(
          connection,
          `the broker sends a message of more than ${MOST_INCOMING_BYTES} bytes. Remedy: a message size limit at the broker, and take that message back there`,
          'other',
        );
    });
  }

  #expect(connection: Connection, withinMs: number, problem: string): void {
    this.#watch?.cancel();
    this.#watch = this.#ports.clock.after(withinMs, () => this.#end(connection, problem, 'other'));
  }

  #opened(connection: Connection, limits: { maximumPacketSize?: number; receiveMaximum?: number }): void {
    if (this.#connection !== connection) return;
    connection.isOpen = true;
    connection.openedMs = this.#ports.clock.monotonicMs();
    const { client } = connection;
    this.#sending.opened({
      mostPacketBytes: limits.maximumPacketSize ?? Infinity,
      mostInFlight: limits.receiveMaximum ?? Infinity,
      publish: (topic, json, correlation, retain, answered) => {
        const properties = correlation === null ? {} : { properties: { correlationData: correlation } };
        client.publish(topic, json, { qos: 1, retain, ...properties }, (error) => answered(error ?? null));
      },
      end: (problem) => this.#end(connection, problem, 'unanswered'),
    });
    this.#subscribe(connection);
  }

  #subscribe(connection: Connection): void {
    const { topics } = this.#options;
    this.#expect(connection, CONNECT_TIMEOUT_MS, 'the broker does not answer our subscription');
    const options = this.#protocol === 5 ? { qos: 1 as const, rap: true, rh: 2 } : { qos: 1 as const };
    connection.client.subscribe(topics.commands, options, (error, granted) => {
      if (this.#connection !== connection) return;
      const isRefused = error !== null || granted?.some((grant) => grant.qos >= 128) === true;
      this.#listening(connection, !isRefused);
      if (!this.#isConnected) this.#up();
    });
  }

  /** Without commands events and states go on, and the subscription is asked for again. */
  #listening(connection: Connection, isListening: boolean): void {
    const { clock, log, onListening, onChange } = this.#ports;
    const { commands } = this.#options.topics;
    const problem = isListening
      ? null
      : `the broker refuses the subscription to ${commands}: no command arrives. Remedy: allow this client to subscribe to it`;
    if (this.#unsubscribed !== problem) {
      if (problem === null) log.info('the broker allows the subscription now', { topic: commands });
      else log.error(problem);
      this.#unsubscribed = problem;
      onChange();
    }
    onListening(isListening);
    this.#watch?.cancel();
    if (isListening) {
      this.#subscribePace.proved();
      return;
    }
    this.#watch = clock.after(this.#subscribePace.next(), () => {
      if (this.#connection === connection) this.#subscribe(connection);
    });
  }

  #up(): void {
    const { log, onConnected } = this.#ports;
    this.#isConnected = true;
    this.#silentCloses = 0;
    this.#problem = null;
    this.#rivals.connected();
    // Of connections that come and go one in so many is told.
    if (this.#unproved % SAY_EVERY === 0)
      log.info('connected to the broker', { url: this.#options.url, protocol: this.#protocol });
    if (this.#protocol === 4 && !this.#hasWarnedOf311) {
      this.#hasWarnedOf311 = true;
      log.warn(
        'the broker speaks MQTT 3.1.1, which does not show the retain flag of a command that arrives live: one published with it is carried out, and refused only when it comes again',
      );
    }
    onConnected();
  }

  // ---- the end of a connection ----

  #end(connection: Connection, problem: string, how: End): void {
    if (this.#connection !== connection || connection.ownEnd !== null) return;
    connection.ownEnd = how;
    connection.error = problem;
    connection.client.stream.destroy();
  }

  /** After an error mqtt.js may go on without its parser; what was parsed before is still handed out first. */
  #onError(connection: Connection, error: Error): void {
    const { code } = error as { code?: unknown };
    if (!connection.isOpen && typeof code === 'number') connection.refusal = code;
    connection.error ??= error.message;
    const isAnswer = /^Invalid pub(ack|rec) reason code/.test(error.message);
    this.#ports.clock.immediate(() => {
      if (connection.client.stream.destroyed || typeof code === 'string') return;
      const problem = isAnswer ? 'the broker does not carry a message of ours' : error.message;
      connection.error = null;
      this.#end(connection, problem, isAnswer ? 'certain' : 'other');
    });
  }

  #closed(connection: Connection): void {
    const { clock, onDisconnected, onListening } = this.#ports;
    const wasConnected = this.#isConnected;
    const livedMs = clock.monotonicMs() - connection.openedMs;
    this.#connection = null;
    this.#isConnected = false;
    connection.intake.close();
    this.#watch?.cancel();
    const isProved = connection.isOpen && livedMs >= PROVED_MS && this.#sending.hasAnswered;
    if (isProved) {
      this.#pace.proved();
      this.#said = null;
    }
    this.#unproved = isProved || !wasConnected ? 0 : this.#unproved + 1;
    const how = endOf(connection);
    const { isIdle } = this.#sending;
    if (this.#sending.closed(how.end) && this.#sending.hasAnswered) this.#pace.proved();
    if (wasConnected) {
      onListening(false);
      onDisconnected();
    }
    if (this.#isStopped) return;
    if (!connection.isOpen) this.#chooseProtocol(connection);
    const theirs = this.#rivals.ended(this.#endedBy(connection, wasConnected && isIdle), livedMs);
    this.#tryAgain(how.problem, Math.max(this.#pace.next(), theirs));
  }

  /**
   * A connection that was up, with nothing in flight, and that the broker ended without a word: it had no reason to.
   */
  #endedBy({ disconnect, ownEnd, error }: Connection, wasIdle: boolean): Ended {
    if (disconnect === TAKEN_OVER) return 'taken_over';
    const isCut = ownEnd === null && disconnect === null && error !== KEEPALIVE_ERROR;
    return wasIdle && isCut ? 'for_no_reason' : 'otherwise';
  }

  /** Said when it changes, and now and then. */
  #tryAgain(problem: string, delayMs: number): void {
    const { clock, log, onChange } = this.#ports;
    if (this.#isStopped) return;
    this.#problem = problem;
    if (this.#said !== problem || this.#pace.failures % SAY_EVERY === 0) {
      log.warn('no broker; doors go on, trying again', { url: this.#options.url, problem });
      if (this.#said !== problem) onChange();
      this.#said = problem;
    }
    this.#retry = clock.after(delayMs, () => this.#open());
  }

  #chooseProtocol({ refusal, error }: Connection): void {
    if (this.#options.protocol !== 'auto') return;
    const isVersionRefused = refusal !== null && UNSUPPORTED_PROTOCOL.has(refusal);
    this.#silentCloses = refusal === null && error === null ? this.#silentCloses + 1 : 0;
    if (!isVersionRefused && this.#silentCloses < SILENT_CLOSES) return;
    this.#silentCloses = 0;
    this.#protocol = this.#protocol === 5 ? 4 : 5;
  }

  #lookForRival(): Promise<string | null> {
    const { url, topics, clientId, username, identity } = this.#options;
    const guest = { clientId: `${clientId}-look-${this.#ports.random.uuid().slice(0, 8)}`, username };
    return lookAt(
      url,
      guestOptions(this.#protocol, guest, this.#options.secrets()),
      topics.state('agent'),
      (payload) => strangerIn(payload, identity),
      this.#ports.clock,
      LOOK_MS,
    );
  }
}

/** Why it ended: for people, and for whoever asks whether it was a message of ours. */
function endOf({ isOpen, refusal, disconnect, ownEnd, error }: Connection): { end: End; problem: string } {
  if (refusal !== null) return { end: 'other', problem: connectRefusal(refusal) ?? error ?? 'the broker refuses us' };
  if (ownEnd !== null) return { end: ownEnd, problem: error ?? 'the connection was ended' };
  if (disconnect !== null) {
    const problem = disconnect === TAKEN_OVER ? 'another client took our session over' : disconnectReason(disconnect);
    if (FOR_A_MESSAGE.has(disconnect)) return { end: 'certain', problem };
    return { end: FOR_NO_MESSAGE.has(disconnect) ? 'other' : 'broker', problem };
  }
  if (error === KEEPALIVE_ERROR) return { end: 'other', problem: 'the broker does not answer any more' };
  return { end: isOpen ? 'broker' : 'other', problem: error ?? 'the broker closed the connection' };
}
