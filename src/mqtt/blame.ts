// Which message a broker will not carry, when all that it does is end the connection: the one that was in flight,
// alone, each time. After a first such end messages go one at a time, so that it is known; an end that says why counts
// for all. What is learnt of sizes and topics spares the next message the same way.

export type Sent = { key: string; topic: string; bytes: number; isShort: boolean };
/** `short`: its short form goes from now on. `topic`: not even that does, or its size cannot be the reason. */
export type Verdict = 'short' | 'topic';

/** Connections that ended right behind a message, before it is set aside. */
const ENDS = 3;
const MOST_REMEMBERED = 1000;
/**
 * What was under way comes again before what is newer. After so many others in a row none of it comes any more (a state
 * that has changed since, a reply that waits for nobody), and nobody else need go alone for its sake.
 */
const OTHERS_IN_A_ROW = 100;
const SMALL_BYTES = 512;
/** A broker's settings change: what was learnt of its sizes is tried anew after a day. */
const SIZE_HOLDS_MS = 24 * 3_600_000;
const TOPIC_HOLDS_MS = 600_000;

export class Blame {
  readonly #nowMs: () => number;
  /** In flight when a connection ended, and how many times so in first place. */
  readonly #suspects = new Map<string, number>();
  readonly #shortened = new Map<string, number>();
  readonly #topics = new Map<string, number>();
  /** The largest payload that was acknowledged, and the smallest that seems to have been too large. */
  #carried = 0;
  #refused = { bytes: Infinity, atMs: 0, key: '' };
  #areDotsRefused = false;
  /** Answered since one that is suspected was. */
  #others = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** While true, one message at a time. */
  get isCareful(): boolean {
    return this.#suspects.size > 0 && this.#others < OTHERS_IN_A_ROW;
  }

  /**
   * Whether a message of this size was carried before. Until then nothing is known of what it does to the connection.
   */
  isProven(bytes: number): boolean {
    return bytes <= Math.max(SMALL_BYTES, this.#carried);
  }

  /** The connection has held with nothing in flight: whoever was suspected is gone, or was not it. */
  relax(): void {
    this.#suspects.clear();
  }

  /** Topics that the broker does not take, for people. */
  topics(): string[] {
    return [...this.#topics.keys()];
  }

  acknowledged(sent: Sent): void {
    this.answered(sent);
    this.#carried = Math.max(this.#carried, sent.bytes);
    this.#topics.delete(sent.topic);
    if (sent.topic.includes('.')) this.#areDotsRefused = false;
    if (sent.bytes >= this.#refused.bytes) this.#refused = { bytes: Infinity, atMs: 0, key: '' };
  }

  /** Answered at all, if only with a refusal: it ends no connection. */
  answered(sent: Sent): void {
    this.#others = this.#suspects.delete(sent.key) ? 0 : this.#others + 1;
  }

  /** Whether a message of this size goes in its short form from the start. */
  isShortened(key: string, bytes: number): boolean {
    return this.#shortened.has(key) || bytes >= this.#limit();
  }

  /** Whether a topic was found to end connections a short while ago, or is of the kind that does. */
  isAvoided(topic: string): boolean {
    const atMs = this.#topics.get(topic);
    if (atMs !== undefined && this.#nowMs() - atMs < TOPIC_HOLDS_MS) return true;
    return this.#areDotsRefused && topic.includes('.');
  }

  /**
   * Most bytes that a payload should have: a quarter of what was refused, for the border may lie anywhere below;
   * Infinity while nothing is known.
   */
  mostBytes(): number {
    const limit = this.#limit();
    return limit === Infinity ? Infinity : Math.max(Math.min(this.#carried, limit - 1), Math.floor(limit / 4));
  }

  /**
   * A connection ended behind these, in the order in which they were sent. Returns what is now known of the first of
   * them.
   */
  ended(flying: readonly Sent[], isCertain: boolean): Verdict | null {
    const [first] = flying;
    this.#others = 0;
    if (first === undefined) return null;
    for (const { key } of flying)
      if (!this.#suspects.has(key) && this.#suspects.size < MOST_REMEMBERED) this.#suspects.set(key, 0);
    const ends = (this.#suspects.get(first.key) ?? 0) + 1;
    const isAlone = flying.length === 1;
    const isKnown = isAlone && (isCertain || this.#topics.has(first.topic));
    if (!isKnown && ends < ENDS) {
      this.#suspects.set(first.key, ends);
      return null;
    }
    this.#suspects.delete(first.key);
    return this.#judge(first);
  }

  #judge(sent: Sent): Verdict {
    if (!sent.isShort && sent.bytes > this.#carried) {
      remember(this.#shortened, sent.key, this.#nowMs());
      if (sent.bytes < this.#limit()) this.#refused = { bytes: sent.bytes, atMs: this.#nowMs(), key: sent.key };
      return 'short';
    }
    // It was not the size, then.
    if (this.#refused.key === sent.key) this.#refused = { bytes: Infinity, atMs: 0, key: '' };
    remember(this.#topics, sent.topic, this.#nowMs());
    if (sent.topic.includes('.')) this.#areDotsRefused = true;
    return 'topic';
  }

  #limit(): number {
    return this.#nowMs() - this.#refused.atMs < SIZE_HOLDS_MS ? this.#refused.bytes : Infinity;
  }
}

function remember(map: Map<string, number>, key: string, nowMs: number): void {
  map.delete(key);
  map.set(key, nowMs);
  const [oldest] = map.keys();
  if (map.size > MOST_REMEMBERED && oldest !== undefined) map.delete(oldest);
}
