// The link to the broker. A command is acknowledged only behind the COMMIT of what it did: the socket is corked when a batch begins, each command joins one
// group commit and its PUBACK is buffered, and COMMIT, replies and PUBACKs leave together. Every connection is a fresh client; the broker keeps the session.

import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import type { Clock, Log, Random, Timer } from '../domain/ports.ts';
import type { PublishEvent } from './outbox.ts';
import { matchesFilter, type Topics } from './topics.ts';

/** Structurally `Incoming` and `Reply` of src/commands: this room knows only topics and bytes. */
export type IncomingMessage = {
  resource: string;
  verb: string;
  payload: Buffer;
  source: 'mqtt';
  isRetained: boolean;
  responseTopic: string | null;
  isResponseTopicAllowed: boolean;
  correlation: Buffer | null;
  expiresAtMs: number | null;
};
export type OutgoingReply = {
  topic: string | null;
  commandId: string | null;
  json: string;
  correlation: Buffer | null;
  isKept: boolean;
};

export type LinkOptions = {
  url: string;
  clientId: string;
  username: string | null;
  password: string | null;
  ca: Buffer | null;
  cert: Buffer | null;
  key: Buffer | null;
  replyTopics: readonly string[];
  topics: Topics;
  /** 5 first, with 3.1.1 where the broker knows no better; or one of them alone. */
  protocol: 'auto' | 5 | 4;
};

export type LinkPorts = {
  clock: Clock;
  random: Random;
  log: Log;
  /**
   * Carries a command; a promise means that the next one must wait. `held`: it is not acknowledged, and those behind it go on; the broker delivers it again at the next
   * connection.
   */
  dispatch: (
    message: IncomingMessage,
    answer: (reply: OutgoingReply) => void,
    failed: (error: Error) => void,
  ) => Promise<void> | 'held' | null;
  /** Commits the open group; throws what COMMIT threw. */
  flush: () => void;
  /** The broker has acknowledged this kept reply. */
  delivered: (commandId: string) => void;
  onConnected: () => void;
  onDisconnected: () => void;
};

const BATCH_MS = 3;
const BATCH_COMMANDS = 64;
const KEEPALIVE_S = 30;
const CONNECT_TIMEOUT_MS = 15_000;
const SESSION_EXPIRY_S = 7 * 24 * 3600;
const RECEIVE_MAXIMUM = 256;
const MAXIMUM_PACKET_BYTES = 1024 * 1024;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 30_000;
const UNSUPPORTED_PROTOCOL = new Set([0x84, 0x01]);
/** Closed this many times before any CONNACK, a broker is taken for one that knows only the other version. */
const SILENT_CLOSES = 2;

type Batch = { stream: MqttClient['stream']; startedMs: number; commands: number };

export class MqttLink {
  readonly #options: LinkOptions;
  readonly #ports: LinkPorts;
  #client: MqttClient | null = null;
  #batch: Batch | null = null;
  #isConnected = false;
  /** The broker has answered: a resumed session delivers at once, before our subscription is confirmed, and its replies must leave. */
  #isOpen = false;
  #isStopped = true;
  #attempts = 0;
  #silentCloses = 0;
  #protocol: 5 | 4;
  #retry: Timer | null = null;
  #watch: Timer | null = null;
  #mostReplyBytes = Infinity;
  #problem: string | null = null;

  constructor(options: LinkOptions, ports: LinkPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#protocol = options.protocol === 4 ? 4 : 5;
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
    const client = this.#client;
    this.#client = null;
    this.#isConnected = false;
    this.#isOpen = false;
    if (client === null) return;
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

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Why there is no connection, for people. */
  get problem(): string | null {
    return this.#problem;
  }

  get protocol(): 5 | 4 {
    return this.#protocol;
  }

  /** Sends a reply when there is a connection; a kept one comes again at the next otherwise. */
  reply(reply: OutgoingReply): void {
    const client = this.#client;
    if (client === null || !this.#isOpen || reply.topic === null) return;
    const json =
      Buffer.byteLength(reply.json) > this.#mostReplyBytes
        ? tooLarge(reply.commandId, this.#mostReplyBytes)
        : reply.json;
    const properties =
      this.#protocol === 5 && reply.correlation !== null ? { correlationData: reply.correlation } : undefined;
    client.publish(reply.topic, json, properties === undefined ? { qos: 1 } : { qos: 1, properties }, (error) => {
      if (reply.isKept && reply.commandId !== null && (!error || isRefusal(error)))
        this.#ports.delivered(reply.commandId);
    });
  }

  readonly publishEvent: PublishEvent = (eventType, json, done) => {
    const client = this.#client;
    if (client === null || !this.#isConnected) {
      done('lost', 'no connection');
      return;
    }
    client.publish(this.#options.topics.event(eventType), json, { qos: 1 }, (error) => {
      if (!error) done('acknowledged', '');
      else done(isRefusal(error) ? 'refused' : 'lost', error.message);
    });
  };

  /** Publishes a retained state; lost without a connection, for every state is published anew at the next one. */
  publishState(topic: string, json: string, done: () => void = () => undefined): void {
    const client = this.#client;
    if (client === null || !this.#isConnected) {
      done();
      return;
    }
    client.publish(topic, json, { qos: 1, retain: true }, () => done());
  }

  /** A new connection: the broker delivers again whatever was not acknowledged. */
  redeliver(): void {
    this.#client?.stream.destroy();
  }

  // ---- connecting ----

  #open(): void {
    const { clock } = this.#ports;
    const client = connect(this.#options.url, this.#clientOptions());
    this.#client = client;
    let hasAnswered = false;
    let refusal: number | null = null;
    client.handleMessage = (packet, done) => this.#receive(client, packet, done);
    client.on('connect', (connack) => {
      hasAnswered = true;
      this.#isOpen = true;
      this.#watch?.cancel();
      const limit = connack.properties?.maximumPacketSize;
      this.#mostReplyBytes = limit === undefined ? Infinity : limit - 1024;
      this.#subscribe(client);
    });
    client.on('error', (error) => {
      const { code } = error as { code?: unknown };
      if (typeof code === 'number') refusal = code;
      this.#problem = error.message;
    });
    client.once('close', () => {
      if (this.#client !== client) return;
      client.end(true);
      this.#closed(hasAnswered, refusal);
    });
    // Name look-ups and half-open sockets are outside mqtt.js's own time-outs.
    this.#watch = clock.after(CONNECT_TIMEOUT_MS * 2, () => {
      this.#problem = 'no answer from the broker';
      client.stream.destroy();
    });
    client.connect();
  }

  #subscribe(client: MqttClient): void {
    const { topics } = this.#options;
    const options = this.#protocol === 5 ? { qos: 1 as const, rap: true, rh: 2 } : { qos: 1 as const };
    client.subscribe(topics.commands, options, (error, granted) => {
      if (this.#client !== client) return;
      const refused = granted?.find((grant) => grant.qos >= 128);
      if (error !== null || refused !== undefined) {
        this.#problem = `the broker refuses the subscription to ${topics.commands}. Remedy: allow this client to subscribe to it`;
        this.#ports.log.error(this.#problem);
        client.stream.destroy();
        return;
      }
      this.#isConnected = true;
      this.#attempts = 0;
      this.#silentCloses = 0;
      this.#problem = null;
      this.#ports.log.info('connected to the broker', { url: this.#options.url, protocol: this.#protocol });
      this.#ports.onConnected();
    });
  }

  #closed(hasAnswered: boolean, refusal: number | null): void {
    const { clock, random, log } = this.#ports;
    const wasConnected = this.#isConnected;
    this.#isConnected = false;
    this.#isOpen = false;
    this.#client = null;
    this.#batch = null;
    this.#watch?.cancel();
    if (wasConnected) {
      log.warn('the broker is gone', { url: this.#options.url, problem: this.#problem });
      this.#ports.onDisconnected();
    }
    if (this.#isStopped) return;
    if (!hasAnswered) this.#chooseProtocol(refusal);
    const most = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#attempts, 10));
    this.#attempts += 1;
    if (!wasConnected && (this.#attempts === 1 || this.#attempts % 20 === 0)) {
      log.warn('no broker; doors go on, trying again', {
        url: this.#options.url,
        problem: this.#problem ?? 'connection closed',
      });
    }
    this.#retry = clock.after(most / 2 + random.fraction() * (most / 2), () => this.#open());
  }

  #chooseProtocol(refusal: number | null): void {
    if (this.#options.protocol !== 'auto') return;
    const isVersionRefused = refusal !== null && UNSUPPORTED_PROTOCOL.has(refusal);
    this.#silentCloses = refusal === null && this.#problem === null ? this.#silentCloses + 1 : 0;
    if (!isVersionRefused && this.#silentCloses < SILENT_CLOSES) return;
    this.#silentCloses = 0;
    this.#protocol = this.#protocol === 5 ? 4 : 5;
    this.#problem = null;
  }

  #clientOptions(): IClientOptions {
    const { options } = { options: this.#options };
    const isV5 = this.#protocol === 5;
    return {
      protocolVersion: this.#protocol,
      clientId: options.clientId,
      clean: false,
      keepalive: KEEPALIVE_S,
      reschedulePings: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: 0,
      reconnectOnConnackError: false,
      resubscribe: false,
      queueQoSZero: false,
      manualConnect: true,
      rejectUnauthorized: true,
      ...(options.username === null ? {} : { username: options.username }),
      ...(options.password === null ? {} : { password: options.password }),
      ...(options.ca === null ? {} : { ca: options.ca }),
      ...(options.cert === null ? {} : { cert: options.cert }),
      ...(options.key === null ? {} : { key: options.key }),
      ...(isV5
        ? {
            properties: {
              sessionExpiryInterval: SESSION_EXPIRY_S,
              receiveMaximum: RECEIVE_MAXIMUM,
              maximumPacketSize: MAXIMUM_PACKET_BYTES,
            },
          }
        : {}),
      will: { topic: options.topics.state('agent'), payload: Buffer.from('{"online":false}'), qos: 1, retain: true },
    };
  }

  // ---- receiving ----

  #receive(client: MqttClient, packet: IPublishPacket, done: (error?: Error) => void): void {
    const { clock } = this.#ports;
    if (this.#client !== client) return;
    const message = this.#messageOf(packet);
    if (message === null) {
      done();
      return;
    }
    const batch = this.#batch ?? this.#begin(client.stream);
    batch.commands += 1;
    const abandon = (error: Error): void => this.#abandon(client, error);
    let waiting: Promise<void> | 'held' | null;
    try {
      waiting = this.#ports.dispatch(message, (reply) => this.reply(reply), abandon);
    } catch (error) {
      abandon(asError(error));
      if (isStorage(error)) return;
      throw error;
    }
    // To mqtt.js an error here means: no PUBACK, and on with the next packet. The broker counts it as under way until the connection ends.
    const finish = (): void => (waiting === 'held' ? done(new Error('held back')) : done());
    if (waiting !== null && waiting !== 'held') {
      // A long command goes on between turns: what is ready leaves now, its own acknowledgement when it is done.
      this.#end(client, batch);
      void waiting.then(() => {
        if (this.#client === client) done();
      });
      return;
    }
    if (batch.commands < BATCH_COMMANDS && clock.monotonicMs() - batch.startedMs < BATCH_MS) {
      finish();
      return;
    }
    if (this.#end(client, batch)) {
      // The acknowledgement of this last one is on its own; the next packet is read on the next turn, so that doors come in between.
      clock.immediate(finish);
    }
  }

  #begin(stream: MqttClient['stream']): Batch {
    const batch: Batch = { stream, startedMs: this.#ports.clock.monotonicMs(), commands: 0 };
    this.#batch = batch;
    stream.cork();
    const client = this.#client;
    this.#ports.clock.immediate(() => {
      if (this.#batch === batch && client !== null) this.#end(client, batch);
    });
    return batch;
  }

  /** COMMIT, then everything that waited behind it leaves in one write. False when nothing may leave. */
  #end(client: MqttClient, batch: Batch): boolean {
    if (this.#batch === batch) this.#batch = null;
    try {
      this.#ports.flush();
    } catch (error) {
      this.#abandon(client, asError(error));
      if (isStorage(error)) return false;
      throw error;
    }
    if (client.stream === batch.stream && !batch.stream.destroyed) batch.stream.uncork();
    return !batch.stream.destroyed;
  }

  /** Nothing of the batch happened: nothing is acknowledged, and the broker delivers it again on a new connection. */
  #abandon(client: MqttClient, error: Error): void {
    if (client.stream.destroyed) return;
    this.#problem = `commands cannot be stored: ${error.message}`;
    this.#ports.log.error('commands cannot be stored; nothing is acknowledged, the broker will deliver them again', {
      error: error.message,
    });
    this.#batch = null;
    client.stream.destroy();
  }

  #messageOf(packet: IPublishPacket): IncomingMessage | null {
    const parsed = this.#options.topics.parseCommand(packet.topic);
    if (parsed === null) return null;
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    // An empty retained message clears a topic: it is how a retained command is taken back, and no command.
    if (packet.retain && payload.length === 0) return null;
    const { responseTopic, correlationData, messageExpiryInterval } = packet.properties ?? {};
    return {
      ...parsed,
      payload,
      source: 'mqtt',
      isRetained: packet.retain,
      responseTopic: responseTopic ?? null,
      isResponseTopicAllowed:
        responseTopic === undefined || this.#options.replyTopics.some((filter) => matchesFilter(responseTopic, filter)),
      correlation: correlationData ?? null,
      expiresAtMs:
        messageExpiryInterval === undefined ? null : this.#ports.clock.nowMs() + messageExpiryInterval * 1000,
    };
  }
}

/** A PUBACK with a reason of 0x80 and above: the broker has it and says no. */
function isRefusal(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' && code >= 0x80;
}

function isStorage(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_')
  );
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const tooLarge = (commandId: string | null, most: number): string =>
  JSON.stringify({
    command_id: commandId,
    ok: false,
    error: {
      type: 'invalid_input',
      message: `the reply is larger than the ${most} bytes that the broker lets through. Remedy: a smaller limit`,
      path: ['params', 'limit'],
    },
  });
