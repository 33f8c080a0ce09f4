// Tells people what in the database is not as Lintel wrote it: rows that a decision came upon, and what the check of
// all rows finds. Each once, by table and id and never by value. Nothing here opens or closes a door: what does not fit
// opens nothing already.

import { newEvent, type BodyOf, type EventType, type NewEvent } from '../domain/events.ts';
import type { Clock, Log, Timer } from '../domain/ports.ts';
import type { Store } from '../store/store.ts';
import type { Tampered } from '../store/seals.ts';
import type { Background } from '../store/background.ts';
import type { Findings } from '../store/verification.ts';

export type TamperWatchOptions = {
  store: Store;
  background: Background;
  clock: Clock;
  log: Log;
  /** Durable where the disk allows, with what `change` writes (access/recorder.ts). */
  record: (events: readonly NewEvent[], change?: () => void) => void;
  onChange: () => void;
};

/** Once the doors are served and the building has woken up. */
const FIRST_MS = 60_000;
const SHOWN = 20;
const TOLD_GAPS = 'told_event_gaps';
export const REMEDY =
  'Remedy: find out who had access to the file; delete what is named and create it anew, or restore a backup (docs/operations.md)';

export class TamperWatch {
  readonly #options: TamperWatchOptions;
  #timer: Timer | null = null;
  #isStopped = false;
  #isExchanged = false;
  #isUnremembered = false;

  constructor(options: TamperWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { store, clock } = this.#options;
    store.seals.onTampered((found) => this.#tell(found));
    this.#tellStart();
    this.#timer = clock.after(store.wasUnclean ? 0 : FIRST_MS, () => void this.#verifyQuietly());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  get isTampered(): boolean {
    return this.#isExchanged || this.#options.store.seals.tampered().rows.length > 0;
  }

  /** For people, in the status; null: all is as it was written. */
  problem(): string | null {
    const { store } = this.#options;
    const { rows, beyond } = store.seals.tampered();
    const problem = store.generation.problem;
    const named = rows.slice(0, SHOWN).map(({ table, id }) => `${table} ${id}`.trim());
    const more = rows.length + beyond - named.length;
    const parts = [
      ...(named.length === 0
        ? []
        : [
            `not as Lintel wrote it, and opens nothing: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}. ${REMEDY}`,
          ]),
      ...(this.#isExchanged ? [`rows vanished or came back from an older copy. ${REMEDY}`] : []),
      ...(problem === null ? [] : [`what tells an older copy of the database cannot be written: ${problem}`]),
    ];
    return parts.length === 0 ? null : parts.join('; ');
  }

  /** Looks at every row. Rejects when the file cannot be read. */
  async verify(): Promise<void> {
    const { store, background, log } = this.#options;
    this.#watchGeneration();
    const findings = await background.verify(store.path, store.secrets.rowKey(store.past.storeId));
    if (this.#isStopped || !store.isAlive()) return;
    store.seals.noteAll(findings.tampered);
    this.#tellGaps(findings);
    this.#correctDigest(findings);
    if (findings.isExchanged && !this.#isExchanged) this.#tellExchanged();
    this.#isExchanged = findings.isExchanged;
    log.debug('all sealed rows were looked at', { rows: findings.rows, tampered: findings.count });
  }

  async #verifyQuietly(): Promise<void> {
    try {
      await this.verify();
    } catch (error) {
      this.#options.log.error('the rows could not be checked; it is tried again with the weekly check', {
        error: String(error),
      });
    }
  }

  #tellStart(): void {
    const { store, log, clock } = this.#options;
    const { sealedRows, record } = store.past;
    if (sealedRows !== null && sealedRows > 0) {
      log.info('the rows that decide are sealed from now on, as they stand', { rows: sealedRows });
      this.#add('agent.storage_sealed', { rows: sealedRows });
    }
    const last = store.events.lastSequence();
    if (last >= record.sequence) return;
    log.error(`the newest events are gone: the last is ${last}, and ${record.sequence} was there. ${REMEDY}`);
    // The numbers were given once: the next event follows them.
    const body = { first_sequence: last + 1, last_sequence: record.sequence };
    this.#options.record([], () => {
      store.events.add(newEvent('agent.events_missing', body), clock.nowMs(), record.sequence + 1);
      store.meta.set(TOLD_GAPS, [store.meta.text(TOLD_GAPS) ?? '', nameOf(body)].join(' ').trim());
    });
  }

  #tell(found: readonly Tampered[]): void {
    const { store, log, onChange } = this.#options;
    if (this.#isStopped || !store.isAlive()) return;
    for (const { table, id } of found) {
      log.error(`a row of the database is not as Lintel wrote it: it opens nothing. ${REMEDY}`, { table, id });
      this.#add('agent.storage_tampered', { what: 'row', table, id: id === '' ? null : id });
    }
    onChange();
  }

  #tellExchanged(): void {
    const { log, onChange } = this.#options;
    log.error(`rows of the database vanished, or came back from an older copy of it. ${REMEDY}`);
    this.#add('agent.storage_tampered', { what: 'rows_exchanged', table: null, id: null });
    onChange();
  }

  #tellGaps({ gaps }: Findings): void {
    const { store, log, record } = this.#options;
    if (gaps.length === 0) return;
    const told = store.meta.text(TOLD_GAPS)?.split(' ') ?? [];
    const bodies = gaps.map(({ first, last }) => ({ first_sequence: first, last_sequence: last }));
    const news = bodies.filter((body) => !told.includes(nameOf(body)));
    if (news.length === 0) return;
    for (const body of news) log.error(`events are gone from the log. ${REMEDY}`, body);
    record(
      news.map((body) => newEvent('agent.events_missing', body)),
      () => store.meta.set(TOLD_GAPS, bodies.map(nameOf).join(' ')),
    );
  }

  /** The digest is that of the rows, so that the sender sees what is not as it was sent. */
  #correctDigest({ digest }: Findings): void {
    const { store, log, record } = this.#options;
    if (digest === null) return;
    log.error(
      `the stored digest was not that of the rows, and was counted anew: compare it with the sender. ${REMEDY}`,
    );
    record([newEvent('agent.storage_tampered', { what: 'digest', table: null, id: null })], () =>
      store.digest.correct(digest),
    );
  }

  #watchGeneration(): void {
    const { store, log } = this.#options;
    const { problem } = store.generation;
    if (problem !== null && !this.#isUnremembered)
      log.error(
        `what tells an older copy of the database cannot be written: ${problem}. Remedy: see that Lintel's user may write beside the database`,
      );
    this.#isUnremembered = problem !== null;
  }

  #add<T extends EventType>(type: T, body: BodyOf<T>): void {
    this.#options.record([newEvent(type, body)]);
  }
}

const nameOf = (gap: { first_sequence: number; last_sequence: number }): string =>
  `${gap.first_sequence}-${gap.last_sequence}`;
