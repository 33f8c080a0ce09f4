// The one way out: replies, events and states in order, a bounded number of them in flight. Outlives connections, so
// that it can tell which message ends them: that one is set aside (see blame.ts), and never blocks what stands behind
// it.

import type { Clock, Log, Timer } from '../domain/ports.ts';
import { Blame, type Sent } from './blame.ts';
import { Refusals, type Kind } from './refusals.ts';
import type { TooLarge } from './short-forms.ts';

export type Outcome =
  | { type: 'acknowledged' }
  /** The broker answered no. */
  | { type: 'refused'; reason: string }
  /** It ends the connection, in every form; or no form of it is small enough. */
  | { type: 'not_carried'; reason: string }
  | { type: 'lost' };

export type Outgoing = {
  kind: Kind;
  /** The same message at the next connection has the same key. */
  key: string;
  topic: string;
  json: string;
  correlation: Buffer | null;
  /** Nobody else offers it again at the next connection: it is kept here for a while. */
  isOnlyHere: boolean;
  shorten: (why: TooLarge) => string;
  done: (outcome: Outcome) => void;
};

/** One connection, as far as sending goes. */
export type Wire = {
  /** From the CONNACK: the largest packet, and the most unacknowledged messages; Infinity where it says nothing. */
  mostPacketBytes: number;
  mostInFlight: number;
  publish: (topic: string, json: string, correlation: Buffer | null, isRetained: boolean, answered: Answered) => void;
  /** Ends the connection, for this reason. */
  end: (problem: string) => void;
};
export type Answered = (error: Error | null) => void;
/**
 * How a connection ended. `certain`: the broker said that it was a message. `unanswered`: we ended it, for nothing came
 * back.
 */
export type End = 'broker' | 'certain' | 'unanswered' | 'other';

type Flight = { item: Outgoing; sent: Sent; atMs: number };

/** More than the commands that may be under way to us: the acknowledgement of a reply comes behind those. */
const MOST_IN_FLIGHT = 1_024;
/**
 * Replies wait here while the broker is slow; what is beyond comes again at the next connection where the journal has
 * it.
 */
const MOST_WAITING = 50_000;
const MOST_WAITING_BYTES = 32 * 1024 * 1024;
const MOST_ONLY_HERE = 500;
const ONLY_HERE_MS = 120_000;
const ANSWER_MS = 30_000;
const LOOK_EVERY_MS = 5_000;
/** An end that comes later than this after a message is not for its sake. */
const RIGHT_BEHIND_MS = 5_000;
/** Fixed header, packet id, topic length, property lengths. */
const OVERHEAD_BYTES = 24;

export class Sending {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #blame: Blame;
  readonly #refusals: Refusals;
  readonly #flying = new Map<number, Flight>();
  readonly #waiting: Outgoing[] = [];
  #waitingBytes = 0;
  #onlyHere: { item: Outgoing; atMs: number }[] = [];
  #wire: Wire | null = null;
  #look: Timer | null = null;
  #flights = 0;
  #answers = 0;
  /**
   * An event under way that is larger than all before: no other follows until it is answered, or those behind it would
   * be heard first.
   */
  #probe: number | null = null;
  readonly #behindProbe: Outgoing[] = [];
  #heardMs = 0;
  readonly #setAside: Record<Kind, number> = { reply: 0, event: 0, state: 0 };
  #dropped = 0;
  /** Of which it was said that their short form goes. */
  readonly #noted = new Set<string>();

  constructor(clock: Clock, log: Log, onChange: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#blame = new Blame(() => clock.monotonicMs());
    this.#refusals = new Refusals(log, onChange);
  }

  // ---- one connection after the other ----

  opened(wire: Wire): void {
    this.#wire = wire;
    this.#answers = 0;
    this.#lookAgain();
    const youngest = this.#clock.monotonicMs() - ONLY_HERE_MS;
    for (const { item, atMs } of this.#onlyHere.splice(0)) if (atMs >= youngest) this.send(item);
  }

  /** True when something is known now that was not: the next connection will go better. */
  closed(end: End): boolean {
    this.#wire = null;
    this.#look?.cancel();
    const flights = [...this.#flying.values()];
    const waiting = [...this.#behindProbe.splice(0), ...this.#waiting.splice(0)];
    this.#probe = null;
    this.#waitingBytes = 0;
    this.#flying.clear();
    const verdict = this.#isForAMessage(end, flights)
      ? this.#blame.ended(
          flights.map(({ sent }) => sent),
          end === 'certain',
        )
      : null;
    const [first, ...others] = flights;
    if (first !== undefined) {
      if (verdict === 'topic') this.#avoid(first.item);
      else this.#lose(first.item);
      if (verdict === 'short') this.#noteShort(first.item, first.sent.bytes);
    }
    for (const { item } of others) this.#lose(item);
    for (const item of waiting) this.#lose(item);
    return verdict !== null;
  }

  #isForAMessage(end: End, [first]: readonly Flight[]): boolean {
    if (end === 'certain') return true;
    if (end === 'unanswered') return this.#answers > 0;
    return end === 'broker' && first !== undefined && this.#clock.monotonicMs() - first.atMs < RIGHT_BEHIND_MS;
  }

  #lose(item: Outgoing): void {
    item.done({ type: 'lost' });
    if (item.isOnlyHere && this.#onlyHere.length < MOST_ONLY_HERE)
      this.#onlyHere.push({ item, atMs: this.#clock.monotonicMs() });
  }

  /** Whether the broker has answered anything on this connection. */
  get hasAnswered(): boolean {
    return this.#answers > 0;
  }

  /**
   * A command came: an answer to us may stand behind thousands of them (Mosquitto 2.0.11 sends all that it has,
   * whatever Receive Maximum says).
   */
  heard(): void {
    this.#heardMs = this.#clock.monotonicMs();
  }

  /** Nothing waits for an answer. */
  get isIdle(): boolean {
    return this.#flying.size === 0;
  }

  // ---- sending ----

  send(item: Outgoing): void {
    if (this.#wire === null) {
      this.#lose(item);
      return;
    }
    // Events keep their order: whether one may be tried again is the outbox's to say.
    if (item.kind !== 'event' && this.#blame.isAvoided(item.topic)) {
      this.#refuse(item);
      return;
    }
    if (item.kind === 'state') this.#forgetOlder(item.topic);
    if (this.#waiting.length >= MOST_WAITING || this.#waitingBytes + item.json.length > MOST_WAITING_BYTES) {
      if (this.#dropped++ % 1000 === 0)
        this.#log.warn('the broker takes replies too slowly: some wait for the next connection', { topic: item.topic });
      item.done({ type: 'lost' });
      return;
    }
    this.#waiting.push(item);
    this.#waitingBytes += item.json.length;
    this.#pump();
  }

  /** Of a retained state only the newest counts. */
  #forgetOlder(topic: string): void {
    const at = this.#waiting.findIndex((other) => other.kind === 'state' && other.topic === topic);
    if (at < 0) return;
    const [older] = this.#waiting.splice(at, 1);
    this.#waitingBytes -= older?.json.length ?? 0;
    older?.done({ type: 'lost' });
  }

  #pump(): void {
    while (this.#wire !== null) {
      const room = this.#blame.isCareful ? 1 : Math.min(MOST_IN_FLIGHT, this.#wire.mostInFlight);
      if (this.#flying.size >= room) return;
      const item = this.#waiting.shift();
      if (item === undefined) return;
      if (item.kind === 'event' && this.#probe !== null) {
        this.#behindProbe.push(item);
        continue;
      }
      this.#waitingBytes -= item.json.length;
      this.#fly(this.#wire, item);
    }
  }

  #fly(wire: Wire, item: Outgoing): void {
    const whole = Buffer.byteLength(item.json);
    const isShort = this.#blame.isShortened(item.key, whole) || packetBytes(item, whole) > wire.mostPacketBytes;
    const most = wire.mostPacketBytes === Infinity ? null : wire.mostPacketBytes;
    const json = isShort ? item.shorten({ bytes: whole, most }) : item.json;
    const bytes = isShort ? Buffer.byteLength(json) : whole;
    if (packetBytes(item, bytes) > wire.mostPacketBytes) {
      this.#setAside[item.kind] += 1;
      const reason = `even its short form is more than the ${wire.mostPacketBytes} bytes that the broker carries. Remedy: a larger limit at the broker`;
      this.#log.error('a message is too large for the broker', { topic: item.topic, bytes: whole });
      item.done({ type: 'not_carried', reason });
      return;
    }
    if (isShort && !this.#noted.has(item.key)) this.#noteShort(item, whole);
    const id = ++this.#flights;
    const sent: Sent = { key: item.key, topic: item.topic, bytes, isShort };
    if (item.kind === 'event' && !this.#blame.isProven(bytes)) this.#probe = id;
    this.#flying.set(id, { item, sent, atMs: this.#clock.monotonicMs() });
    wire.publish(item.topic, json, item.correlation, item.kind === 'state', (error) => this.#answer(id, error));
  }

  #answer(id: number, error: Error | null): void {
    const flight = this.#flying.get(id);
    if (flight === undefined) return;
    this.#flying.delete(id);
    if (this.#probe === id) {
      this.#probe = null;
      this.#waiting.unshift(...this.#behindProbe.splice(0));
    }
    const { item, sent } = flight;
    if (error === null) {
      this.#answers += 1;
      this.#blame.acknowledged(sent);
      if (sent.isShort) this.#setAside[item.kind] += 1;
      this.#noted.delete(sent.key);
      this.#refusals.taken(item.kind, item.topic);
      item.done({ type: 'acknowledged' });
    } else if (isRefusal(error)) {
      this.#answers += 1;
      this.#blame.answered(sent);
      item.done({ type: 'refused', reason: this.#refusals.refused(item.kind, item.topic, error.message) });
    } else {
      this.#lose(item);
    }
    this.#pump();
  }

  /** Every wait has an end: a broker that takes messages and answers none is left, and tried anew. */
  #lookAgain(): void {
    this.#look = this.#clock.after(LOOK_EVERY_MS, () => {
      const [oldest] = this.#flying.values();
      if (oldest !== undefined && this.#clock.monotonicMs() - Math.max(oldest.atMs, this.#heardMs) > ANSWER_MS) {
        this.#wire?.end(`the broker has not acknowledged a message to ${oldest.sent.topic} for ${ANSWER_MS / 1000} s`);
        return;
      }
      if (oldest === undefined && this.#waiting.length === 0) this.#blame.relax();
      this.#lookAgain();
    });
  }

  // ---- set aside ----

  #noteShort(item: Outgoing, bytes: number): void {
    if (this.#noted.size >= MOST_ONLY_HERE) this.#noted.clear();
    this.#noted.add(item.key);
    this.#log.warn(
      `the broker does not carry a message of this size: a short one goes in its place. Remedy: a larger limit at the broker; until then ${WHOLE[item.kind]}`,
      { topic: item.topic, bytes },
    );
  }

  #avoid(item: Outgoing): void {
    this.#log.error(topicTrouble(item), { topic: item.topic });
    this.#refuse(item);
  }

  #refuse(item: Outgoing): void {
    // An event is not given up: the outbox waits with it.
    if (item.kind !== 'event') this.#setAside[item.kind] += 1;
    item.done({ type: 'not_carried', reason: topicTrouble(item) });
  }

  // ---- how it stands ----

  /** Most bytes that a reply should have to get through; Infinity while no bound is known. */
  mostBytes(): number {
    const announced = this.#wire?.mostPacketBytes ?? Infinity;
    return Math.min(
      this.#blame.mostBytes(),
      announced === Infinity ? Infinity : announced - Math.min(1024, announced / 4),
    );
  }

  /** What does not come through though there is a connection, for people. */
  warnings(): string[] {
    const [topic] = this.#blame.topics();
    return [
      ...this.#refusals.warnings(),
      ...(topic === undefined ? [] : [`the broker ends the connection at messages to ${topic}`]),
    ];
  }

  counts(): { set_aside: Record<Kind, number>; refused: Record<Kind, number>; dropped: number } {
    return { set_aside: { ...this.#setAside }, refused: this.#refusals.counts(), dropped: this.#dropped };
  }
}

const WHOLE: Record<Kind, string> = {
  reply: 'ask for less at once',
  event: 'events/list has it whole',
  state: 'the state is published without its members',
};

function topicTrouble({ kind, topic }: Outgoing): string {
  const why = `the broker ends the connection at a message to ${topic}`;
  const level = topic.slice(topic.lastIndexOf('/') + 1);
  if (!level.includes('.')) return `${why}. Remedy: allow this client to publish there, and look into the broker's log`;
  return kind === 'event'
    ? `${why}; some brokers take no dot in a topic. Remedy: mqtt.event_topics: slashes in the facility file`
    : `${why}; some brokers take no dot in a topic. Remedy: command_ids without dots`;
}

const packetBytes = (item: Outgoing, payloadBytes: number): number =>
  OVERHEAD_BYTES + Buffer.byteLength(item.topic) + (item.correlation?.length ?? 0) + payloadBytes;

/** A PUBACK with a reason of 0x80 and above: the broker has it and says no. */
function isRefusal(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' && code >= 0x80;
}
