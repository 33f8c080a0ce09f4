// From bytes to one durable effect and one reply: retained, parse, journal, expiry, permission, effect, in this order.
// A stored effect and its journal row are one transaction; a reply leaves only behind its commit; what moves something
// is accepted durably first and never done twice.

import { newEvent } from '../domain/events.ts';
import type { ApiError } from '../domain/errors.ts';
import { assert } from '../domain/errors.ts';
import { quoted } from '../domain/outside-text.ts';
import { isFull, isStorageError } from '../store/disk-errors.ts';
import { type GroupHooks } from '../store/transactions.ts';
import type { JournalRow, NewEntry } from '../store/journal.ts';
import { apiErrorOf, bounded, type Done, errorJson, failure, okJson } from './answers.ts';
import { Apply } from './apply.ts';
import { answerInterrupted, carryOut } from './carry-out.ts';
import { COMMANDS, mustExpire } from './contract.ts';
import type { Envelope } from './contract/envelope.ts';
import { timeRefusal } from './expiry.ts';
import type { Answerer, Failure, Incoming, Reply } from './incoming.ts';
import { LATER, NOW } from './handlers.ts';
import { readCommand, type Parsed, type Rejected } from './intake.ts';
import {
  DISK_FAILS,
  flushWhatGoes,
  HeldCommands,
  isDoneUnstored,
  NOT_DONE_YET,
  STORAGE_FULL,
  takesAway,
  type HeldCommand,
} from './no-room.ts';
import { RejectionBudget } from './rejections.ts';
import { Replies } from './replies.ts';
import type { Asker, Outcome, Room, Work } from './room.ts';
import { doneUnstored } from './unstored.ts';
import { Commits } from './snapshots/commits.ts';
import { followStream, streamMayRefuse, streamRefusal } from './streams.ts';

export type DispatcherOptions = {
  replyTopicFor: (commandId: string) => string;
  /** What the broker carries, as far as is known. */
  mostReplyBytes?: () => number;
  /** Sends the reply to a command of an earlier run; one that is not sent is there at the next connection. */
  replyLate?: (reply: Reply) => void;
};

/** How long a generated code may be shown again to whoever repeats the command. */
const CODE_SHOWN_MS = 10 * 60_000;

type Waiter = Pick<HeldCommand, 'incoming' | 'answer'>;

export class Dispatcher {
  readonly #room: Room;
  readonly #replies: Replies;
  readonly #mostReplyBytes: () => number;
  /** Commands under way in this process, each with the repeats that wait for the same reply. */
  readonly #running = new Map<string, Waiter[]>();
  readonly #rejections: RejectionBudget;
  /** What takes access away, in force and not stored: the disk was full. */
  readonly #held: HeldCommands;
  readonly #commits: Commits;
  #stopping = false;

  constructor(room: Room, options: DispatcherOptions) {
    this.#room = room;
    this.#replies = new Replies(room, options.replyTopicFor);
    this.#mostReplyBytes = options.mostReplyBytes ?? (() => Infinity);
    this.#held = new HeldCommands(room.store);
    this.#commits = new Commits(room, {
      isStopping: () => this.#stopping,
      dispatch: this.dispatch.bind(this),
      answer: this.#answerAll.bind(this),
      replyLate: options.replyLate ?? (() => undefined),
    });
    this.#rejections = new RejectionBudget(room.clock.monotonicMs());
  }

  /**
   * Carries one command as far as it goes now. `answer` is called once, behind the commit (for what takes time: when it
   * is done). Returns a promise only when the next command must wait for this one (a long apply); `held` when it may
   * not be acknowledged now.
   */
  dispatch(incoming: Incoming, answer: Answerer, failed: Failure): Promise<void> | 'held' | null {
    const state = { isAnswered: false };
    const once: Answerer = (reply) => {
      state.isAnswered = true;
      answer(reply);
    };
    let commandId: string | null = null;
    let parsed: Parsed | null = null;
    try {
      const read = readCommand(incoming, this.#room.store.secrets);
      commandId = 'error' in read ? read.commandId : read.envelope.command_id;
      if ('error' in read) {
        this.#reject(incoming, read, once, failed);
        return null;
      }
      parsed = read;
      return this.#carryThrough({ incoming, parsed, answer: once }, failed);
    } catch (error) {
      if (parsed !== null && !state.isAnswered && isFull(error))
        return this.#noRoom({ incoming, parsed, answer: once });
      // The disk's errors are the link's business: nothing is acknowledged then. A mistake of our own would come again
      // for ever if it were not answered.
      if (state.isAnswered || isStorageError(error)) throw error;
      const internal = apiErrorOf(error, this.#room.log);
      this.#reject(incoming, { error: internal, commandId, envelope: null, digest: null }, once, failed);
      return null;
    }
  }

  /** As `#carry`, and what the disk has no room for is answered or held back, be it found out now or at the commit. */
  #carryThrough(command: HeldCommand, failed: Failure): Promise<void> | 'held' | null {
    const { incoming, parsed, answer } = command;
    const { store } = this.#room;
    const turn = { isOver: false, isHeld: false };
    const undone: Failure = (error) => {
      if (!isFull(error)) failed(error);
      else if (this.#noRoom(command) !== 'held') return;
      else if (turn.isOver) failed(error);
      else turn.isHeld = true;
    };
    const result = this.#carry(incoming, parsed, answer, undone);
    // On a full disk each command finds out for itself: given up with its connection, it would come again and again.
    if (store.condition === 'full') flushWhatGoes(store);
    turn.isOver = true;
    return turn.isHeld ? 'held' : result;
  }

  /** What was held back comes before whatever came later. Nothing is held any more when it returns true. */
  carryOutHeld(): boolean {
    const { store, log } = this.#room;
    for (const { incoming, parsed, answer } of this.#held.list()) {
      const { command_id: commandId } = parsed.envelope;
      const done: Answerer = (reply) => {
        this.#held.settle(commandId);
        answer(reply);
      };
      try {
        // It was judged when it came: meanwhile it may have expired, and is in force all the same.
        const known = store.journal.get(commandId);
        if (known === undefined) this.#store(incoming, parsed, null, this.#room.clock.nowMs(), done, () => undefined);
        else void this.#repeat(incoming, parsed, known, done, () => undefined);
        store.flush();
      } catch (error) {
        if (!isStorageError(error)) throw error;
        log.debug('there is still no room for a command', { command_id: commandId });
        break;
      }
    }
    return this.#held.isEmpty;
  }

  get isHolding(): boolean {
    return !this.#held.isEmpty;
  }

  /** The disk is full, and this was not stored. */
  #noRoom({ incoming, parsed, answer }: HeldCommand): 'held' | null {
    const { envelope, name } = parsed;
    if (COMMANDS[name].kind === 'reads') {
      this.#read(incoming, parsed, null, this.#room.clock.nowMs(), answer, () => undefined);
      return null;
    }
    if (isDoneUnstored(parsed)) return this.#doUnstored({ incoming, parsed, answer });
    const isLocal = incoming.source === 'local';
    const later: Answerer = isLocal ? () => undefined : answer;
    const isHeld = takesAway(parsed, this.#room.store) && this.#held.hold({ incoming, parsed, answer: later });
    if (isHeld && !isLocal) return 'held';
    const error = isHeld ? NOT_DONE_YET : STORAGE_FULL;
    answer(this.#replies.to(incoming, envelope.command_id, errorJson(envelope.command_id, error), false));
    return null;
  }

  #doUnstored({ incoming, parsed, answer }: HeldCommand): null {
    const refusal = this.#refusalOf(incoming, parsed, this.#room.clock.nowMs());
    const json = doneUnstored(this.#room, parsed, askerOf(incoming, parsed.envelope), refusal);
    answer(this.#replies.to(incoming, parsed.envelope.command_id, json, false));
    return null;
  }

  /** Before anything is tried on a disk that takes nothing; undefined: go on. */
  #refuseUnstored(incoming: Incoming, parsed: Parsed, answer: Answerer): 'held' | null | undefined {
    const { envelope, name } = parsed;
    const { condition } = this.#room.store;
    const isUpToDate = this.#held.isEmpty || this.carryOutHeld();
    if (condition === 'ok' && isUpToDate) return undefined;
    if (condition !== 'failing' && takesAway(parsed, this.#room.store))
      return isUpToDate ? undefined : this.#noRoom({ incoming, parsed, answer });
    if (condition === 'failing' && isDoneUnstored(parsed)) return this.#doUnstored({ incoming, parsed, answer });
    if (condition === 'failing' && incoming.source === 'mqtt' && !mustExpire(name)) return 'held';
    const error = condition === 'failing' ? DISK_FAILS : STORAGE_FULL;
    answer(this.#replies.to(incoming, envelope.command_id, errorJson(envelope.command_id, error), false));
    return null;
  }

  #carry(incoming: Incoming, parsed: Parsed, answer: Answerer, failed: Failure): Promise<void> | 'held' | null {
    const { store, clock } = this.#room;
    const nowMs = clock.nowMs();
    const { envelope, name } = parsed;
    const known = store.journal.get(envelope.command_id);
    if (known !== undefined) return this.#repeat(incoming, parsed, known, answer, failed);
    const refusal = this.#refusalOf(incoming, parsed, nowMs);
    if (incoming.source === 'mqtt' && refusal === null) this.#room.heard?.(envelope.issued_at ?? null);
    const { kind } = COMMANDS[name];
    if (kind === 'reads') {
      this.#read(incoming, parsed, refusal, nowMs, answer, failed);
      return null;
    }
    const behind = this.#commits.wait(incoming, parsed, answer, failed);
    if (behind !== null) return behind;
    const wasHolding = this.isHolding;
    const unstored = this.#refuseUnstored(incoming, parsed, answer);
    if (unstored !== undefined) return unstored;
    // What was held back and has found room just now may be this one again.
    const stored = wasHolding ? store.journal.get(envelope.command_id) : undefined;
    if (stored !== undefined) return this.#repeat(incoming, parsed, stored, answer, failed);
    if (refusal === null && name === 'credentials/apply') return this.#apply(incoming, parsed, null, answer, failed);
    if (refusal === null && kind !== 'stores') {
      this.#accept(incoming, parsed, nowMs, answer, failed);
      return null;
    }
    this.#store(incoming, parsed, refusal, nowMs, answer, failed);
    return null;
  }

  /** After a start: what a restart cut off is answered; a snapshot whose commit was accepted goes on. */
  recover(): void {
    answerInterrupted(this.#room);
    this.#commits.recover((commandId) => this.#running.set(commandId, []));
  }

  /** Replies nobody has acknowledged yet, for the next connection. */
  undelivered(sinceMs: number, limit: number): Reply[] {
    return this.#replies.undelivered(sinceMs, limit);
  }

  /** The slices of a long apply end at the next border; it goes on when its command comes again. */
  stop(): void {
    this.#stopping = true;
  }

  // ---- before the effect ----

  #refusalOf(incoming: Incoming, { envelope, name }: Parsed, nowMs: number): ApiError | null {
    const late = timeRefusal(envelope, name, {
      nowMs,
      isTrusted: this.#room.time().trusted,
      isLocal: incoming.source === 'local',
      messageExpiresAtMs: incoming.expiresAtMs,
    });
    if (late !== null || incoming.isResponseTopicAllowed) return late;
    return {
      type: 'not_permitted',
      message: 'the Response Topic lies outside mqtt.reply_topics of the facility file; answered on the default topic',
    };
  }

  /**
   * Never was a command: an event tells, and the sender where it can be reached. Where it has an id, a repeat is known
   * for one.
   */
  #reject(incoming: Incoming, rejected: Rejected, answer: Answerer, failed: Failure): void {
    const { store, clock } = this.#room;
    const { commandId, digest } = rejected;
    const error = bounded(rejected.error);
    const known = commandId === null ? undefined : store.journal.get(commandId);
    if (known !== undefined && digest !== null && known.digest.equals(digest) && known.state === 'done') {
      this.#answerLater(
        this.#replies.to(incoming, commandId, this.#replies.stored(known) ?? '', false),
        answer,
        failed,
      );
      return;
    }
    if (store.condition !== 'ok') {
      answer(this.#replies.to(incoming, commandId, errorJson(commandId, error), false));
      return;
    }
    const command = quoted(`${incoming.resource}/${incoming.verb}`);
    const body = { command, command_id: commandId, error, source: incoming.source };
    const keeps = commandId !== null && digest !== null && known === undefined;
    const bytes = Buffer.byteLength(JSON.stringify(body)) * (keeps ? 2 : 1);
    const suppressed = this.#rejections.take(bytes, clock.monotonicMs());
    const reply = this.#replies.to(incoming, commandId, errorJson(commandId, error), keeps && suppressed !== null);
    const nowMs = clock.nowMs();
    const record = (): void => {
      followStream(store, rejected.envelope?.stream, false, nowMs);
      if (suppressed === null) return;
      store.events.add(newEvent('agent.command_rejected', { ...body, suppressed }), nowMs);
      if (!keeps) return;
      const entry = { ...this.#replies.entryOf(incoming, commandId, nowMs), digest, command };
      store.journal.addDone(entry, failure(commandId, error).answer);
    };
    store.group(record, { committed: () => answer(reply), rolledBack: failed });
  }

  // ---- effects ----

  #read(
    incoming: Incoming,
    parsed: Parsed,
    refusal: ApiError | null,
    nowMs: number,
    answer: Answerer,
    failed: Failure,
  ): void {
    const { store } = this.#room;
    const { command_id: commandId, stream } = parsed.envelope;
    const json = refusal === null ? this.#effect(incoming, parsed).json : errorJson(commandId, refusal);
    const reply = this.#replies.to(incoming, commandId, json, false);
    if (stream === undefined || store.condition !== 'ok') {
      answer(reply);
      return;
    }
    store.group(() => followStream(store, stream, false, nowMs), {
      committed: () => answer(reply),
      rolledBack: failed,
    });
  }

  #store(
    incoming: Incoming,
    parsed: Parsed,
    refusal: ApiError | null,
    nowMs: number,
    answer: Answerer,
    failed: Failure,
  ): void {
    const { store, sync } = this.#room;
    const entry = this.#entry(incoming, parsed, nowMs);
    let done: Done | null = null;
    const hooks: GroupHooks = {
      committed: () => {
        assert(done !== null, 'a committed command has an answer');
        done.after();
        answer(this.#replies.to(incoming, entry.commandId, done.json, true));
        if (done.wake.length > 0) sync.wake(done.wake);
      },
      rolledBack: failed,
    };
    store.group(() => {
      const stale = followStream(store, parsed.envelope.stream, streamMayRefuse(parsed.name), nowMs);
      const error = refusal ?? stale;
      done = error === null ? this.#effect(incoming, parsed) : failure(entry.commandId, error);
      store.journal.addDone(entry, done.answer);
    }, hooks);
  }

  /** Validates and runs a handler; an operating error undoes what it wrote and becomes the answer. */
  #effect(incoming: Incoming, { envelope, name }: Parsed): Done {
    const { store, clock } = this.#room;
    const commandId = envelope.command_id;
    const nowMs = clock.nowMs();
    const mostReplyBytes = incoming.source === 'local' ? Infinity : this.#mostReplyBytes();
    const call = { nowMs, commandId, asker: askerOf(incoming, envelope), mostReplyBytes };
    try {
      const run = NOW[name];
      assert(run !== undefined, `${name} has a handler`);
      const outcome: Outcome =
        COMMANDS[name].kind === 'reads'
          ? run(this.#room, envelope.params, call)
          : store.attempt(() => run(this.#room, envelope.params, call));
      const json = okJson(commandId, name, outcome.result);
      return {
        json,
        answer: {
          json,
          isSecret: outcome.isSecret === true,
          codeShownUntilMs: outcome.hasCode === true ? nowMs + CODE_SHOWN_MS : null,
        },
        wake: outcome.wake ?? [],
        after: outcome.after ?? (() => undefined),
      };
    } catch (error) {
      return failure(commandId, apiErrorOf(error, this.#room.log));
    }
  }

  /** Accepted durably, done behind the commit, answered when done. */
  #accept(incoming: Incoming, parsed: Parsed, nowMs: number, answer: Answerer, failed: Failure): void {
    const { store } = this.#room;
    const { command_id: commandId } = parsed.envelope;
    const prepare = LATER[parsed.name];
    assert(prepare !== undefined, `${parsed.name} has a handler`);
    // Whatever is refused from here on is a command that was stored and not done, and its number is taken down there.
    const stale = streamRefusal(store, parsed.envelope.stream);
    if (stale !== null && streamMayRefuse(parsed.name)) {
      this.#store(incoming, parsed, stale, nowMs, answer, failed);
      return;
    }
    let work: Work;
    try {
      const asker = askerOf(incoming, parsed.envelope);
      work = prepare(this.#room, parsed.envelope.params, { nowMs, commandId, asker, isStopping: () => this.#stopping });
    } catch (error) {
      this.#store(incoming, parsed, apiErrorOf(error, this.#room.log), nowMs, answer, failed);
      return;
    }
    this.#running.set(commandId, [{ incoming, answer }]);
    const open = this.#commits.begin(parsed.name);
    const hooks: GroupHooks = {
      committed: () =>
        void (open === null
          ? carryOut(this.#room, { commandId, name: parsed.name }, work, this.#answerAll.bind(this, commandId))
          : this.#commits.run(commandId, work, open)),
      rolledBack: (error) => {
        open?.();
        this.#running.delete(commandId);
        failed(error);
      },
    };
    store.group(() => {
      followStream(store, parsed.envelope.stream, false, nowMs);
      store.journal.addOpen(this.#entry(incoming, parsed, nowMs), 'accepted');
    }, hooks);
  }

  /** Whoever sent the command, and its repeats. */
  #answerAll(commandId: string, json: string, isKept: boolean): void {
    const waiters = this.#running.get(commandId) ?? [];
    this.#running.delete(commandId);
    if (!isKept) this.#replies.holdUnkept(commandId, json);
    for (const { incoming, answer } of waiters) answer(this.#replies.to(incoming, commandId, json, true));
  }

  #apply(
    incoming: Incoming,
    parsed: Parsed,
    known: JournalRow | null,
    answer: Answerer,
    failed: Failure,
  ): Promise<void> {
    const { command_id: commandId, stream } = parsed.envelope;
    const { store, clock } = this.#room;
    const nowMs = clock.nowMs();
    const entry = this.#entry(incoming, parsed, nowMs);
    const follow = (): ApiError | null => followStream(store, stream, true, nowMs);
    this.#running.set(commandId, [{ incoming, answer }]);
    const apply = new Apply(
      this.#room,
      entry,
      askerOf(incoming, parsed.envelope),
      follow,
      CODE_SHOWN_MS,
      () => this.#stopping,
    );
    return apply.run(parsed.envelope.params, known).then(
      (json) => {
        this.#answerAll(commandId, json, true);
      },
      (error: unknown) => {
        this.#running.delete(commandId);
        failed(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  // ---- repeats ----

  #repeat(
    incoming: Incoming,
    parsed: Parsed,
    known: JournalRow,
    answer: Answerer,
    failed: Failure,
  ): Promise<void> | null {
    const { command_id: commandId } = parsed.envelope;
    if (!known.digest.equals(parsed.digest)) {
      const error: ApiError = {
        type: 'command_conflict',
        message: `command_id ${commandId} was used for something else (another topic or other params)`,
        path: ['command_id'],
      };
      this.#answerLater(this.#replies.to(incoming, commandId, errorJson(commandId, error), false), answer, failed);
      return null;
    }
    const running = this.#running.get(commandId);
    if (running !== undefined) {
      running.push({ incoming, answer });
      return null;
    }
    if (known.state === 'running') return this.#apply(incoming, parsed, known, answer, failed);
    this.#answerLater(this.#replies.to(incoming, commandId, this.#replies.repeated(known), false), answer, failed);
    return null;
  }

  /** Behind the open group: the reply may speak of what is not committed yet. */
  #answerLater(reply: Reply, answer: Answerer, failed: Failure): void {
    this.#room.store.group(() => undefined, { committed: () => answer(reply), rolledBack: failed });
  }

  #entry(incoming: Incoming, parsed: Parsed, nowMs: number): NewEntry {
    const { envelope, digest, name: command } = parsed;
    return { ...this.#replies.entryOf(incoming, envelope.command_id, nowMs), digest, command };
  }
}

const askerOf = ({ source }: Incoming, { sender }: Envelope): Asker => ({ source, sender: sender ?? null });
