// Commands as they come in. One is acknowledged only behind the COMMIT of what it did: the socket is corked when a
// batch begins, each command joins one group commit and its PUBACK is buffered, and COMMIT, replies and PUBACKs leave
// together.

import type { IPublishPacket, MqttClient } from 'mqtt';
import type { Clock, Log } from '../domain/ports.ts';
import { isFull, isOfSqlite } from '../store/disk-errors.ts';
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

export type IntakePorts = {
  clock: Clock;
  log: Log;
  /**
   * Carries a command; a promise means that the next one must wait. `held`: it is not acknowledged, and those behind it
   * go on; the broker delivers it again at the next connection.
   */
  dispatch: (
    message: IncomingMessage,
    answer: (reply: OutgoingReply) => void,
    failed: (error: Error) => void,
  ) => Promise<void> | 'held' | null;
  /** Commits the open group; throws what COMMIT threw. */
  flush: () => void;
};

const BATCH_MS = 3;
const BATCH_COMMANDS = 64;

type Batch = { stream: MqttClient['stream']; startedMs: number; commands: number };

/** The intake of one connection. */
export class Intake {
  readonly #client: MqttClient;
  readonly #topics: Topics;
  readonly #replyTopics: readonly string[];
  readonly #ports: IntakePorts;
  readonly #reply: (reply: OutgoingReply) => void;
  /** Nothing that came by this connection may be acknowledged any more. */
  readonly #abandoned: (problem: string) => void;
  #batch: Batch | null = null;
  #isOver = false;

  constructor(
    client: MqttClient,
    settings: { topics: Topics; replyTopics: readonly string[] },
    ports: IntakePorts,
    reply: (reply: OutgoingReply) => void,
    abandoned: (problem: string) => void,
  ) {
    this.#client = client;
    this.#topics = settings.topics;
    this.#replyTopics = settings.replyTopics;
    this.#ports = ports;
    this.#reply = reply;
    this.#abandoned = abandoned;
  }

  /** The connection is gone. */
  close(): void {
    this.#isOver = true;
    this.#batch = null;
  }

  receive(packet: IPublishPacket, done: (error?: Error) => void): void {
    const { clock } = this.#ports;
    if (this.#isOver) return;
    const message = this.#messageOf(packet);
    if (message === null) {
      done();
      return;
    }
    const batch = this.#batch ?? this.#begin();
    batch.commands += 1;
    let waiting: Promise<void> | 'held' | null = null;
    try {
      waiting = this.#ports.dispatch(message, this.#reply, (error) => this.#abandon(error));
    } catch (error) {
      if (isOfSqlite(error)) {
        this.#abandon(asError(error));
        return;
      }
      // A mistake of ours, of which nothing was done: unacknowledged it would come again at every connection, and
      // nothing else would get through.
      this.#ports.log.error('a command met a mistake of ours; nothing of it was done', {
        command: `${message.resource}/${message.verb}`.slice(0, 100),
        error: asError(error).stack ?? String(error),
      });
    }
    // To mqtt.js an error here means: no PUBACK, and on with the next packet. The broker counts it as under way until
    // the connection ends.
    const isHeld = waiting === 'held';
    const finish = (): void => {
      if (isHeld) done(new Error('held back'));
      else done();
    };
    if (waiting !== null && waiting !== 'held') {
      // A long command goes on between turns: what is ready leaves now, its own acknowledgement when it is done.
      this.#end(batch);
      void waiting.then(() => {
        if (!this.#isOver) done();
      });
      return;
    }
    if (batch.commands < BATCH_COMMANDS && clock.monotonicMs() - batch.startedMs < BATCH_MS) {
      finish();
      return;
    }
    if (this.#end(batch)) {
      // The acknowledgement of this last one is on its own; the next packet is read on the next turn, so that doors
      // come in between.
      clock.immediate(finish);
    }
  }

  #begin(): Batch {
    const { stream } = this.#client;
    const batch: Batch = { stream, startedMs: this.#ports.clock.monotonicMs(), commands: 0 };
    this.#batch = batch;
    stream.cork();
    this.#ports.clock.immediate(() => {
      if (this.#batch === batch) this.#end(batch);
    });
    return batch;
  }

  /** COMMIT, then everything that waited behind it leaves in one write. False when nothing may leave. */
  #end(batch: Batch): boolean {
    if (this.#batch === batch) this.#batch = null;
    try {
      this.#ports.flush();
    } catch (error) {
      // Of a full disk each member of the batch was told, and has been answered or has given the connection up.
      if (!isFull(error)) this.#abandon(asError(error));
      if (!isOfSqlite(error)) throw error;
      if (!isFull(error)) return false;
    }
    if (this.#isOver) return false;
    if (this.#client.stream === batch.stream && !batch.stream.destroyed) batch.stream.uncork();
    return !batch.stream.destroyed;
  }

  /** Nothing of the batch happened: nothing is acknowledged, and the broker delivers it again on a new connection. */
  #abandon(error: Error): void {
    if (this.#isOver) return;
    this.close();
    this.#ports.log.error('commands cannot be stored; nothing is acknowledged, the broker will deliver them again', {
      error: error.message,
    });
    this.#abandoned(`commands cannot be stored: ${error.message}`);
  }

  #messageOf(packet: IPublishPacket): IncomingMessage | null {
    const parsed = this.#topics.parseCommand(packet.topic);
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
        responseTopic === undefined || this.#replyTopics.some((filter) => matchesFilter(responseTopic, filter)),
      correlation: correlationData ?? null,
      expiresAtMs:
        messageExpiryInterval === undefined ? null : this.#ports.clock.nowMs() + messageExpiryInterval * 1000,
    };
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
