// For how long nobody above has been heard: what `policy.offline` is reckoned from. It goes on over restarts, whatever
// the clock shows after one: what is spent is stored ahead of being spent, as elapsed time, and where the clock is
// trusted the instant of the last word counts as well, for the machine may have been off.

import { newEvent, type NewEvent } from '../domain/events.ts';
import type { CredentialClass } from '../domain/offline.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { TimeWitness } from '../domain/window.ts';

/** For whom it is over when; `acsEntranceIds` null: everywhere. */
export type Limit = { credentialClass: CredentialClass; graceMs: number; acsEntranceIds: readonly string[] | null };

export type WordOptions = {
  clock: Clock;
  log: Log;
  time: () => TimeWitness;
  /** `connection`: commands can reach us; `command`: one has come. */
  word: 'connection' | 'command';
  limits: readonly Limit[];
  /** How long before a limit it is told. */
  warnMs: number;
  acsSystemId: string;
  /** `save` is durable when it returns, and may throw. */
  store: {
    load: () => { spentMs: number; lastMs: number | null };
    save: (spentMs: number, lastMs: number | null) => void;
  };
  record: (events: NewEvent[]) => void;
  onChange: () => void;
};

const LOOK_MS = 60_000;
/** A command that was under way for longer than this is no word of now. */
const STALE_MS = 5 * 60_000;

export class WordFromAbove {
  readonly #options: WordOptions;
  /** Spent before this process, or before the last word. */
  #carriedMs: number;
  #storedMs: number;
  /** Since when it is spent, monotonic; null: somebody is there. */
  #sinceMs: number | null;
  /** The last word by a trusted clock. */
  #lastMs: number | null;
  #told = new Set<string>();
  #timer: Timer | null = null;
  #hasFailed = false;

  constructor(options: WordOptions) {
    this.#options = options;
    const { spentMs, lastMs } = options.store.load();
    this.#carriedMs = this.#storedMs = spentMs;
    this.#lastMs = lastMs;
    this.#sinceMs = options.clock.monotonicMs();
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** How long nobody was heard, ms; null: somebody is there. */
  forMs(): number | null {
    if (this.#sinceMs === null) return null;
    const elapsedMs = this.#carriedMs + this.#options.clock.monotonicMs() - this.#sinceMs;
    const { trusted, nowMs } = this.#options.time();
    return Math.max(elapsedMs, trusted && this.#lastMs !== null ? nowMs - this.#lastMs : 0);
  }

  /** Whether commands can reach us. */
  listening(isListening: boolean): void {
    if (this.#options.word === 'connection') this.#heard(isListening);
  }

  /** A command came that is no repeat and has not expired. */
  commandCame(issuedAtMs: number | null): void {
    if (this.#options.word !== 'command') return;
    const { trusted, nowMs } = this.#options.time();
    if (issuedAtMs === null || !trusted || nowMs - issuedAtMs <= STALE_MS) this.#heard(false);
  }

  /** `isThere`: it goes on as long as nobody says otherwise. */
  #heard(isThere: boolean): void {
    const { clock, time, record, acsSystemId, onChange } = this.#options;
    const wasForMs = this.forMs();
    if (isThere && wasForMs === null) return;
    const { trusted, nowMs } = time();
    // A connection that is lost was word until now; one that was not there is none.
    if (wasForMs !== null && !isThere && this.#options.word === 'connection') return;
    this.#carriedMs = 0;
    this.#sinceMs = isThere ? null : clock.monotonicMs();
    if (trusted) this.#lastMs = nowMs;
    if (this.#told.size > 0)
      record([newEvent('agent.word_again', { acs_system_id: acsSystemId, after_ms: Math.round(wasForMs ?? 0) })]);
    this.#told.clear();
    this.#save();
    onChange();
  }

  #look(): void {
    const { clock, limits } = this.#options;
    const { trusted, nowMs } = this.#options.time();
    if (this.#sinceMs === null && trusted) this.#lastMs = nowMs;
    this.#tell();
    if (limits.length > 0) this.#save();
    this.#timer = clock.after(this.#nextMs(), () => this.#look());
  }

  #nextMs(): number {
    const forMs = this.forMs();
    if (forMs === null) return LOOK_MS;
    const ahead = this.#options.limits
      .flatMap(({ graceMs }) => [graceMs - this.#options.warnMs, graceMs])
      .map((atMs) => atMs - forMs + 1)
      .filter((ms) => ms > 0);
    return Math.min(LOOK_MS, ...ahead);
  }

  #tell(): void {
    const { limits, warnMs, acsSystemId, record, onChange } = this.#options;
    const forMs = this.forMs();
    if (forMs === null) return;
    const news: NewEvent[] = [];
    for (const { credentialClass, graceMs, acsEntranceIds } of limits) {
      const isOver = forMs > graceMs;
      if (!isOver && forMs < graceMs - warnMs) continue;
      const key = `${isOver ? 'over' : 'ending'} ${credentialClass} ${graceMs}`;
      if (this.#told.has(key)) continue;
      this.#told.add(key);
      const body = {
        acs_system_id: acsSystemId,
        credential_class: credentialClass,
        acs_entrance_ids: acsEntranceIds === null ? null : [...acsEntranceIds],
        offline_for_ms: Math.round(forMs),
      };
      if (isOver) news.push(newEvent('agent.offline_over', body));
      else news.push(newEvent('agent.offline_ending', { ...body, in_ms: Math.round(graceMs - forMs) }));
    }
    if (news.length === 0) return;
    record(news);
    onChange();
  }

  /** Ahead of what is spent until the next look: a process that ends in whatever way gets none of it twice. */
  #save(): void {
    const { store, log, limits } = this.#options;
    if (limits.length === 0) return;
    const forMs = this.forMs();
    const spentMs = forMs === null ? 0 : Math.ceil(forMs) + LOOK_MS;
    try {
      store.save(spentMs, this.#lastMs);
      this.#storedMs = spentMs;
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed)
        log.error('how long nobody above was heard could not be stored: a restart may give some of it back', {
          error: String(error),
          stored_ms: this.#storedMs,
        });
      this.#hasFailed = true;
    }
  }
}
