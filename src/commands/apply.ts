// credentials/apply: many operations in one command. An atomic one is a single transaction. Any other goes in slices,
// between which doors are served; each slice and the results so far are one transaction, so that after a crash the
// repeated command goes on where it stood and nothing is done twice.

import type { ApiError } from '../domain/errors.ts';
import { OperatingError } from '../domain/errors.ts';
import type { JournalRow, NewEntry } from '../store/journal.ts';
import { COMMANDS } from './contract.ts';
import { apiErrorOf, bounded, errorJson, okJson, readParams } from './answers.ts';
import type { ResultOf } from './contract/results.ts';
import { NOW } from './handlers.ts';
import type { Asker, Room } from './room.ts';

const SLICE_MS = 2;
/**
 * A reply weighs at most 128 KiB: with more operations than this, or heavier objects, each result is shortened to its
 * id.
 */
const MOST_WHOLE_RESULTS = 20;
const MOST_REPLY_BYTES = 126 * 1024;
/** Then 500 errors fit as well. */
const SHORT_MESSAGE = 60;

type Operation = { op: 'create' | 'update' | 'delete'; params: Record<string, unknown> };
type Result = ResultOf<'credentials/apply'>['results'][number];
type Shown = NonNullable<Extract<Result, { ok: true }>['acs_credential']>;
/**
 * `stale`: why only what takes access away is done; kept, for the number of the command is taken down with the first
 * slice.
 */
type Progress = { results: Result[]; hasCode: boolean; stale?: ApiError | null };

class Stopping extends Error {}

export class Apply {
  readonly #room: Room;
  readonly #entry: NewEntry;
  readonly #asker: Asker;
  /** Takes the number of the command down, inside a transaction; the answer is why it may not grant anything. */
  readonly #followStream: () => ApiError | null;
  readonly #codeShownMs: number;
  readonly #isStopping: () => boolean;
  readonly #wake = new Set<string>();

  constructor(
    room: Room,
    entry: NewEntry,
    asker: Asker,
    followStream: () => ApiError | null,
    codeShownMs: number,
    isStopping: () => boolean,
  ) {
    this.#room = room;
    this.#entry = entry;
    this.#asker = asker;
    this.#followStream = followStream;
    this.#codeShownMs = codeShownMs;
    this.#isStopping = isStopping;
  }

  /**
   * Resolves with the reply once all is durable; rejects when the disk failed, or at a stop, and then nothing may be
   * acknowledged.
   */
  async run(params: unknown, known: JournalRow | null): Promise<string> {
    try {
      return await this.#run(params, known);
    } catch (error) {
      if (error instanceof Stopping) throw error;
      const json = errorJson(this.#entry.commandId, apiErrorOf(error, this.#room.log));
      this.#durably(() => this.#end(json));
      return json;
    }
  }

  /** A mistake of ours amid the slices: those before it stand, and the command is over. */
  #end(json: string): void {
    const { store, clock } = this.#room;
    const { commandId } = this.#entry;
    const answer = { json, isSecret: false, codeShownUntilMs: null };
    if (store.journal.get(commandId) === undefined) store.journal.addDone(this.#entry, answer);
    else store.journal.finish(commandId, answer, clock.nowMs());
  }

  async #run(params: unknown, known: JournalRow | null): Promise<string> {
    const { store } = this.#room;
    let operations: readonly Operation[];
    let isAtomic: boolean;
    try {
      const valid = readParams(COMMANDS['credentials/apply'].params, params);
      if (valid.acs_system_id !== undefined && valid.acs_system_id !== this.#room.acsSystemId) {
        throw new OperatingError('acs_system_not_found', `this facility is acs_system ${this.#room.acsSystemId}`, [
          'params',
          'acs_system_id',
        ]);
      }
      operations = valid.operations;
      isAtomic = valid.atomic;
    } catch (error) {
      const json = errorJson(this.#entry.commandId, apiErrorOf(error, this.#room.log));
      this.#durably(() => {
        this.#followStream();
        store.journal.addDone(this.#entry, { json, isSecret: false, codeShownUntilMs: null });
      });
      return json;
    }
    const json = isAtomic ? this.#atomic(operations) : await this.#inSlices(operations, known);
    this.#room.sync.wake([...this.#wake]);
    return json;
  }

  #atomic(operations: readonly Operation[]): string {
    const { store, clock } = this.#room;
    let json = '';
    this.#durably(() => {
      const progress: Progress = { results: [], hasCode: false, stale: this.#followStream() };
      try {
        store.attempt(() => {
          for (const [i, operation] of operations.entries())
            this.#carryOut(operation, i, progress, { isAtomic: true, isShort: false });
        });
        json = this.#reply(progress);
        store.journal.addDone(this.#entry, {
          json,
          isSecret: true,
          codeShownUntilMs: progress.hasCode ? clock.nowMs() + this.#codeShownMs : null,
        });
      } catch (error) {
        this.#wake.clear();
        json = errorJson(this.#entry.commandId, apiErrorOf(error, this.#room.log));
        store.journal.addDone(this.#entry, { json, isSecret: false, codeShownUntilMs: null });
      }
    });
    return json;
  }

  async #inSlices(operations: readonly Operation[], known: JournalRow | null): Promise<string> {
    const { store, clock } = this.#room;
    const saved = known === null ? null : store.journal.progressOf(known);
    const progress: Progress = saved === null ? { results: [], hasCode: false } : (JSON.parse(saved) as Progress);
    if (known === null)
      store.group(() => {
        progress.stale = this.#followStream();
        store.journal.addOpen(this.#entry, 'running');
        store.journal.saveProgress(this.#entry.commandId, JSON.stringify(progress));
      });
    const isShort = operations.length > MOST_WHOLE_RESULTS;
    for (;;) {
      if (this.#isStopping()) throw new Stopping('stopping: the apply goes on when its command comes again');
      const slice: { failure: Error | null } = { failure: null };
      const json = store.group(() => this.#slice(operations, progress, isShort), {
        rolledBack: (error) => (slice.failure = error),
      });
      if (json !== null) {
        store.flush();
        return json;
      }
      await new Promise<void>((resolve) => clock.immediate(resolve));
      if (slice.failure !== null) throw slice.failure;
    }
  }

  /** As many operations as fit into a slice, and where we stand; the reply when it was the last one. */
  #slice(operations: readonly Operation[], progress: Progress, isShort: boolean): string | null {
    const { store, clock } = this.#room;
    const { commandId } = this.#entry;
    const startedMs = clock.monotonicMs();
    while (progress.results.length < operations.length && clock.monotonicMs() - startedMs < SLICE_MS) {
      const i = progress.results.length;
      const operation = operations[i];
      if (operation !== undefined) this.#carryOut(operation, i, progress, { isAtomic: false, isShort });
    }
    if (progress.results.length < operations.length) {
      store.journal.saveProgress(commandId, JSON.stringify(progress));
      return null;
    }
    const json = this.#reply(progress);
    store.journal.finish(
      commandId,
      { json, isSecret: true, codeShownUntilMs: progress.hasCode ? clock.nowMs() + this.#codeShownMs : null },
      clock.nowMs(),
    );
    return json;
  }

  #carryOut(
    operation: Operation,
    position: number,
    progress: Progress,
    { isAtomic, isShort }: { isAtomic: boolean; isShort: boolean },
  ): void {
    const { store, clock } = this.#room;
    try {
      const { stale } = progress;
      if (stale != null && operation.op !== 'delete') throw new OperatingError(stale.type, stale.message);
      const run = NOW[`credentials/${operation.op}`];
      if (run === undefined) throw new OperatingError('unknown_command', `${operation.op} is not an operation`);
      const call = { nowMs: clock.nowMs(), commandId: this.#entry.commandId, asker: this.#asker };
      const outcome = store.attempt(() => run(this.#room, operation.params, call));
      const credential = 'acs_credential' in outcome.result ? outcome.result.acs_credential : null;
      progress.results.push(
        credential === null ? { ok: true } : { ok: true, acs_credential: isShort ? shortened(credential) : credential },
      );
      progress.hasCode ||= outcome.hasCode === true;
      for (const controller of outcome.wake ?? []) this.#wake.add(controller);
    } catch (error) {
      const found = apiErrorOf(error, this.#room.log);
      const path = ['params', 'operations', position, ...(found.path ?? [])];
      if (isAtomic)
        throw new OperatingError(found.type, `params.operations.${position}: ${found.message}; nothing was done`, path);
      progress.results.push({ ok: false, error: bounded({ ...found, path }) });
    }
  }

  #reply({ results }: Progress): string {
    const whole = this.#answer({ results });
    if (Buffer.byteLength(whole) <= MOST_REPLY_BYTES) return whole;
    const short = results.map((result) =>
      result.ok && result.acs_credential !== undefined
        ? { ...result, acs_credential: shortened(result.acs_credential) }
        : result,
    );
    const shorter = this.#answer({ results: short, is_shortened: true });
    if (Buffer.byteLength(shorter) <= MOST_REPLY_BYTES) return shorter;
    return this.#answer({ results: short.map(shortest), is_shortened: true });
  }

  #answer(result: ResultOf<'credentials/apply'>): string {
    return okJson(this.#entry.commandId, 'credentials/apply', result);
  }

  #durably(fn: () => void): void {
    this.#room.store.group(fn);
    this.#room.store.flush();
  }
}

/** What a caller cannot find out otherwise: the id, and a code that is shown only here. */
function shortened({ acs_credential_id, code }: Shown): Shown {
  return code === null || code === undefined ? { acs_credential_id } : { acs_credential_id, code };
}

function shortest(result: Result): Result {
  if (result.ok) return result;
  const { error } = result;
  const { type, message } = bounded({ type: error.type, message: error.message }, SHORT_MESSAGE);
  return { ok: false, error: { type, message, ...(error.path === undefined ? {} : { path: error.path.slice(0, 3) }) } };
}
