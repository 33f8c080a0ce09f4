// What the broker answers no to (a PUBACK of 0x80 and above): counted, said once and again when it changes, and shown
// until a message of that kind is taken.

import type { Log } from '../domain/ports.ts';

/** What goes out. */
export type Kind = 'reply' | 'event' | 'state';

const MOST_TOPICS = 100;
const BRANCH: Record<Kind, string> = { reply: 'reply topics', event: 'event topics', state: 'state topics' };
const PLURAL: Record<Kind, string> = { reply: 'replies', event: 'events', state: 'states' };

export class Refusals {
  readonly #log: Log;
  readonly #onChange: () => void;
  readonly #topics: Record<Kind, Set<string>> = { reply: new Set(), event: new Set(), state: new Set() };
  readonly #words: Record<Kind, string> = { reply: '', event: '', state: '' };
  readonly #counts: Record<Kind, number> = { reply: 0, event: 0, state: 0 };

  constructor(log: Log, onChange: () => void) {
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Returns it in words. */
  refused(kind: Kind, topic: string, reason: string): string {
    const words = `the broker refuses ${PLURAL[kind]} (${reason}). Remedy: allow this client to publish to its ${BRANCH[kind]}`;
    this.#counts[kind] += 1;
    const topics = this.#topics[kind];
    const isNew = topics.size === 0 || this.#words[kind] !== words;
    this.#words[kind] = words;
    if (topics.size < MOST_TOPICS) topics.add(topic);
    if (isNew) {
      this.#log.error(words, { topic });
      this.#onChange();
    }
    return words;
  }

  /** A reply has its topic for itself alone; a state that is taken says nothing of the others. */
  taken(kind: Kind, topic: string): void {
    const topics = this.#topics[kind];
    if (topics.size === 0) return;
    if (kind === 'reply') topics.clear();
    else topics.delete(topic);
    if (topics.size > 0) return;
    this.#log.info(`the broker takes ${PLURAL[kind]} again`);
    this.#onChange();
  }

  warnings(): string[] {
    return KINDS.filter((kind) => this.#topics[kind].size > 0).map((kind) => this.#words[kind]);
  }

  counts(): Record<Kind, number> {
    return { ...this.#counts };
  }
}

const KINDS: readonly Kind[] = ['reply', 'event', 'state'];
