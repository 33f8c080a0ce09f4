// From bytes to one durable effect and one reply: retained, parse, journal, expiry, permission, effect, in this order. A stored effect and its journal row are
// one transaction; a reply leaves only behind its commit; what moves something is accepted durably first and never done twice.

import type { ApiError } from '../domain/errors.ts';
import { assert } from '../domain/errors.ts';
import { COMMAND_ID_FORM } from '../domain/ids.ts';
import type { GroupHooks } from '../store/transactions.ts';
import type { Answer, JournalRow, NewEntry } from '../store/journal.ts';
import { apiErrorOf, errorJson, failure, fit } from './answers.ts';
import { Apply } from './apply.ts';
import { canonicalJson } from './canonical-json.ts';
import {
  mustExpire,
  COMMANDS,
  envelope as envelopeSchema,
  isCommandName,
  MOST_AHEAD_MS,
  MOST_PAYLOAD_BYTES,
  PLANNED_COMMANDS,
  type CommandName,
  type Envelope,
} from './contract.ts';
import { LATER, NOW } from './handlers.ts';
import type { Asker, Outcome, Room } from './room.ts';

/** A command as it came in, from the broker or over the local socket. */
export type Incoming = {
  resource: string;
  verb: string;
  payload: Buffer;
  source: 'mqtt' | 'local';
  isRetained: boolean;
  /** The request's own Response Topic; null: the default one for its command_id. */
  responseTopic: string | null;
  /** False when the Response Topic lies outside what the facility allows. */
  isResponseTopicAllowed: boolean;
  correlation: Buffer | null;
  /** From the message expiry of MQTT 5, epoch ms. */
  expiresAtMs: number | null;
};

export type Reply = {
  /** Null when nobody can be answered. */
  topic: string | null;
  commandId: string | null;
  json: string;
  correlation: Buffer | null;
  /** True when the journal keeps it until the broker has acknowledged it. */
  isKept: boolean;
};

export type Answerer = (reply: Reply) => void;
/** Told when the whole group was rolled back: nothing happened, nothing may be acknowledged. */
export type Failure = (error: Error) => void;

export type DispatcherOptions = { replyTopicFor: (commandId: string) => string };

/** How long a generated code may be shown again to whoever repeats the command. */
const CODE_SHOWN_MS = 10 * 60_000;
/** Rejections recorded as events: this many at once, then one a second; the rest are counted. */
const REJECTION_BURST = 60;
/** More streams than senders a building has; beyond, numbers are not followed. */
const MOST_STREAMS = 64;

type Parsed = { envelope: Envelope; name: CommandName; digest: Buffer };
type Waiter = { incoming: Incoming; answer: Answerer };

export class Dispatcher {
  readonly #room: Room;
  readonly #replyTopicFor: (commandId: string) => string;
  /** Commands under way in this process, each with the repeats that wait for the same reply. */
  readonly #running = new Map<string, Waiter[]>();
  #rejections = { tokens: REJECTION_BURST, atMs: 0, suppressed: 0 };
  #stopping = false;

  constructor(room: Room, options: DispatcherOptions) {
    this.#room = room;
    this.#replyTopicFor = options.replyTopicFor;
  }

  /**
   * Carries one command as far as it goes now. `answer` is called once, behind the commit (for what takes time: when it is done). Returns a promise only when the
   * next command must wait for this one (a long apply).
   */
  dispatch(incoming: Incoming, answer: Answerer, failed: Failure): Promise<void> | null {
    const { store, clock } = this.#room;
    const nowMs = clock.nowMs();
    const parsed = this.#parse(incoming);
    if ('error' in parsed) {
      this.#reject(incoming, parsed.commandId, parsed.error, nowMs, answer, failed);
      return null;
    }
    const { envelope } = parsed;
    const known = store.journal.get(envelope.command_id);
    if (known !== undefined) return this.#repeat(incoming, parsed, known, answer, failed);
    const refusal = this.#refusalOf(incoming, parsed, nowMs);
    const kind = COMMANDS[parsed.name].kind;
    if (kind === 'reads') {
      this.#read(incoming, parsed, refusal, answer);
      return null;
    }
    if (refusal === null && parsed.name === 'credentials/apply')
      return this.#apply(incoming, parsed, null, answer, failed);
    if (refusal === null && kind !== 'stores') {
      this.#accept(incoming, parsed, nowMs, answer, failed);
      return null;
    }
    this.#store(incoming, parsed, refusal, nowMs, answer, failed);
    return null;
  }

  /** After a start: what a restart cut off is answered; what may go on goes on. Returns the replies to send. */
  recover(): void {
    const { store, clock } = this.#room;
    for (const row of store.journal.unfinished()) {
      if (row.state === 'running') continue; // an apply goes on when its command comes again: it was never acknowledged
      const error: ApiError = { type: 'interrupted', message: 'a restart cut this command off; it is not repeated' };
      store.group(() => store.journal.finish(row.command_id, failure(row.command_id, error).answer, clock.nowMs()));
      if (row.command === 'entrances/unlock') {
        store.group(() =>
          store.events.add(
            { event_type: 'acs_entrance.unlock_failed', body: { command_id: row.command_id, error } },
            clock.nowMs(),
          ),
        );
      }
    }
    store.flush();
  }

  /** Replies nobody has acknowledged yet, for the next connection. */
  undelivered(sinceMs: number, limit: number): Reply[] {
    const { journal } = this.#room.store;
    return journal.undelivered(sinceMs, limit).flatMap((row) => {
      const json = this.#storedReply(row);
      return json === null
        ? []
        : [{ topic: row.reply_topic, commandId: row.command_id, json, correlation: row.correlation, isKept: true }];
    });
  }

  /** The slices of a long apply end at the next border; it goes on when its command comes again. */
  stop(): void {
    this.#stopping = true;
  }

  // ---- before the effect ----

  #parse(incoming: Incoming): Parsed | { error: ApiError; commandId: string | null } {
    const { payload } = incoming;
    if (payload.length > MOST_PAYLOAD_BYTES) {
      return {
        commandId: null,
        error: {
          type: 'invalid_input',
          message: `a command has at most ${MOST_PAYLOAD_BYTES} bytes; this one has ${payload.length}. Remedy: credentials/apply in several commands`,
        },
      };
    }
    let json: unknown;
    try {
      json = JSON.parse(payload.toString('utf8'));
    } catch (error) {
      return {
        commandId: null,
        error: { type: 'invalid_input', message: `the payload is not JSON: ${jsonComplaint(error)}` },
      };
    }
    const commandId = readCommandId(json);
    if (incoming.isRetained) {
      return {
        commandId,
        error: {
          type: 'retained_command',
          message:
            'commands are never retained: this one would come again at every subscription. Remedy: publish with retain off, and clear the topic with an empty retained message',
        },
      };
    }
    const result = fit(envelopeSchema, json, []);
    if ('error' in result) return { commandId, error: result.error };
    const name = `${incoming.resource}/${incoming.verb}`;
    if (isCommandName(name)) {
      const digest = this.#room.store.secrets.commandDigest(name, canonicalJson(result.data.params));
      return { envelope: result.data, name, digest };
    }
    const error: ApiError = PLANNED_COMMANDS.has(name)
      ? { type: 'not_supported', message: `${name} is not built in this version` }
      : {
          type: 'unknown_command',
          message: `${name} is not a command. Remedy: see the list of resources and verbs in docs/mqtt-api.md`,
        };
    return { commandId, error };
  }

  #refusalOf(incoming: Incoming, { envelope, name }: Parsed, nowMs: number): ApiError | null {
    const moves = mustExpire(name);
    const isTrusted = this.#room.time().trusted;
    const expiresAtMs = Math.min(envelope.expires_at ?? Infinity, incoming.expiresAtMs ?? Infinity);
    if (moves && envelope.expires_at === undefined) {
      return {
        type: 'invalid_input',
        message: `expires_at: required, for ${name} acts on the physical world: at most 60 s ahead`,
        path: ['expires_at'],
      };
    }
    if (moves && !isTrusted && incoming.source !== 'local') {
      return {
        type: 'clock_untrusted',
        message:
          'the gateway’s clock is not trusted, so nobody can tell whether this command has expired. Remedy: give it time (NTP, RTC), or use the local console',
      };
    }
    if (
      moves &&
      envelope.expires_at !== undefined &&
      envelope.expires_at - (envelope.issued_at ?? nowMs) > MOST_AHEAD_MS
    ) {
      return { type: 'invalid_input', message: 'expires_at: at most 60 s ahead of issued_at', path: ['expires_at'] };
    }
    if (expiresAtMs <= nowMs && (isTrusted || incoming.source === 'local')) {
      return {
        type: 'command_expired',
        message: `expired at ${new Date(expiresAtMs).toISOString()}; nothing was done`,
        path: ['expires_at'],
      };
    }
    if (!incoming.isResponseTopicAllowed) {
      return {
        type: 'not_permitted',
        message:
          'the Response Topic lies outside mqtt.reply_topics of the facility file; answered on the default topic',
      };
    }
    return null;
  }

  /** Never was a command: an event tells, and the sender where it can be reached. */
  #reject(
    incoming: Incoming,
    commandId: string | null,
    error: ApiError,
    nowMs: number,
    answer: Answerer,
    failed: Failure,
  ): void {
    const { store } = this.#room;
    const reply = this.#replyTo(incoming, commandId, errorJson(commandId, error), false);
    const suppressed = this.#mayRecordRejection(nowMs);
    if (suppressed === null) {
      answer(reply);
      return;
    }
    const body = {
      command: `${incoming.resource}/${incoming.verb}`.slice(0, 100),
      command_id: commandId,
      error,
      suppressed,
      source: incoming.source,
    };
    store.group(() => store.events.add({ event_type: 'agent.command_rejected', body }, nowMs), {
      committed: () => answer(reply),
      rolledBack: failed,
    });
  }

  /** The number of rejections not recorded since the last one, or null when this one is not recorded either. */
  #mayRecordRejection(nowMs: number): number | null {
    const state = this.#rejections;
    const refill = Math.floor(Math.max(0, nowMs - state.atMs) / 1000);
    if (refill > 0) {
      state.tokens = Math.min(REJECTION_BURST, state.tokens + refill);
      state.atMs = nowMs;
    }
    if (state.tokens === 0) {
      state.suppressed += 1;
      return null;
    }
    state.tokens -= 1;
    const suppressed = state.suppressed;
    state.suppressed = 0;
    return suppressed;
  }

  // ---- effects ----

  #read(incoming: Incoming, parsed: Parsed, refusal: ApiError | null, answer: Answerer): void {
    const { command_id: commandId } = parsed.envelope;
    const json = refusal === null ? this.#effect(incoming, parsed).json : errorJson(commandId, refusal);
    answer(this.#replyTo(incoming, commandId, json, false));
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
    let done: { json: string; answer: Answer; wake: readonly string[] } | null = null;
    const hooks: GroupHooks = {
      committed: () => {
        assert(done !== null, 'a committed command has an answer');
        answer(this.#replyTo(incoming, entry.commandId, done.json, true));
        if (done.wake.length > 0) sync.wake(done.wake);
      },
      rolledBack: failed,
    };
    store.group(() => {
      const error = refusal ?? this.#followStream(parsed.envelope, nowMs);
      done = error === null ? this.#effect(incoming, parsed) : { ...failure(entry.commandId, error), wake: [] };
      store.journal.addDone(entry, done.answer);
    }, hooks);
  }

  /** Validates and runs a handler; an operating error undoes what it wrote and becomes the answer. */
  #effect(incoming: Incoming, { envelope, name }: Parsed): { json: string; answer: Answer; wake: readonly string[] } {
    const { store, clock } = this.#room;
    const commandId = envelope.command_id;
    const nowMs = clock.nowMs();
    const call = { nowMs, commandId, asker: askerOf(incoming, envelope) };
    try {
      const run = NOW[name];
      assert(run !== undefined, `${name} has a handler`);
      const outcome: Outcome =
        COMMANDS[name].kind === 'reads'
          ? run(this.#room, envelope.params, call)
          : store.attempt(() => run(this.#room, envelope.params, call));
      const json = JSON.stringify({ command_id: commandId, ok: true, result: outcome.result });
      return {
        json,
        answer: {
          json,
          isSecret: outcome.isSecret === true,
          codeShownUntilMs: outcome.hasCode === true ? nowMs + CODE_SHOWN_MS : null,
        },
        wake: outcome.wake ?? [],
      };
    } catch (error) {
      return { ...failure(commandId, apiErrorOf(error, this.#room.log)), wake: [] };
    }
  }

  /** Accepted durably, done behind the commit, answered when done. */
  #accept(incoming: Incoming, parsed: Parsed, nowMs: number, answer: Answerer, failed: Failure): void {
    const { store } = this.#room;
    const { command_id: commandId } = parsed.envelope;
    const prepare = LATER[parsed.name];
    assert(prepare !== undefined, `${parsed.name} has a handler`);
    let work: ReturnType<typeof prepare>;
    try {
      const asker = askerOf(incoming, parsed.envelope);
      work = prepare(this.#room, parsed.envelope.params, { nowMs, commandId, asker });
    } catch (error) {
      this.#store(incoming, parsed, apiErrorOf(error, this.#room.log), nowMs, answer, failed);
      return;
    }
    const waiters: Waiter[] = [{ incoming, answer }];
    this.#running.set(commandId, waiters);
    const hooks: GroupHooks = {
      committed: () => void this.#carryOut(commandId, waiters, work),
      rolledBack: (error) => {
        this.#running.delete(commandId);
        failed(error);
      },
    };
    store.group(() => store.journal.addOpen(this.#entry(incoming, parsed, nowMs), 'accepted'), hooks);
  }

  async #carryOut(
    commandId: string,
    waiters: readonly Waiter[],
    work: () => Promise<{ result: Record<string, unknown> } | { error: ApiError }>,
  ): Promise<void> {
    const { store, clock, log } = this.#room;
    const done = await work().catch((error: unknown) => ({ error: apiErrorOf(error, this.#room.log) }));
    const json =
      'error' in done
        ? errorJson(commandId, done.error)
        : JSON.stringify({ command_id: commandId, ok: true, result: done.result });
    const finish = (): void => {
      this.#running.delete(commandId);
      for (const { incoming, answer } of waiters) answer(this.#replyTo(incoming, commandId, json, true));
    };
    try {
      store.group(
        () => store.journal.finish(commandId, { json, isSecret: false, codeShownUntilMs: null }, clock.nowMs()),
        { committed: finish, rolledBack: finish },
      );
      store.flush();
    } catch (error) {
      log.error('the outcome of a command could not be stored', { command_id: commandId, error: String(error) });
    }
  }

  #apply(
    incoming: Incoming,
    parsed: Parsed,
    known: JournalRow | null,
    answer: Answerer,
    failed: Failure,
  ): Promise<void> {
    const { command_id: commandId } = parsed.envelope;
    const entry = this.#entry(incoming, parsed, this.#room.clock.nowMs());
    const waiters: Waiter[] = [{ incoming, answer }];
    this.#running.set(commandId, waiters);
    return new Apply(this.#room, entry, askerOf(incoming, parsed.envelope), CODE_SHOWN_MS, () => this.#stopping)
      .run(parsed.envelope.params, known)
      .then(
        (json) => {
          this.#running.delete(commandId);
          for (const waiter of waiters) waiter.answer(this.#replyTo(waiter.incoming, commandId, json, true));
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
      this.#answerLater(this.#replyTo(incoming, commandId, errorJson(commandId, error), false), answer, failed);
      return null;
    }
    const running = this.#running.get(commandId);
    if (running !== undefined) {
      running.push({ incoming, answer });
      return null;
    }
    if (known.state === 'running') return this.#apply(incoming, parsed, known, answer, failed);
    const json = known.state === 'done' ? this.#storedReply(known) : null;
    assert(json !== null, 'an accepted command is under way, or was answered at the start');
    this.#answerLater(this.#replyTo(incoming, commandId, json, false), answer, failed);
    return null;
  }

  /** Behind the open group: the reply may speak of what is not committed yet. */
  #answerLater(reply: Reply, answer: Answerer, failed: Failure): void {
    this.#room.store.group(() => undefined, { committed: () => answer(reply), rolledBack: failed });
  }

  #storedReply(row: JournalRow): string | null {
    const json = this.#room.store.journal.replyOf(row);
    if (json === null || row.code_shown_until === null || this.#room.clock.nowMs() < row.code_shown_until) return json;
    return hideCodes(json);
  }

  // ---- small things ----

  /** Numbers from above: a gap is an event, something older than what we have is refused. */
  #followStream(envelope: Envelope, nowMs: number): ApiError | null {
    const { stream } = envelope;
    if (stream === undefined) return null;
    const { meta, events } = this.#room.store;
    const key = `stream:${stream.id}`;
    const last = meta.number(key);
    if (last === null) {
      if ((meta.number('streams') ?? 0) >= MOST_STREAMS) return null;
      meta.increment('streams');
    } else if (stream.seq <= last) {
      return {
        type: 'stale_revision',
        message: `stream.seq: ${stream.seq} is not newer than ${last}, which this facility has`,
        path: ['stream', 'seq'],
      };
    } else if (stream.seq > last + 1) {
      events.add(
        {
          event_type: 'agent.commands_missing',
          body: { stream_id: stream.id, from_seq: last + 1, to_seq: stream.seq - 1 },
        },
        nowMs,
      );
    }
    meta.set(key, stream.seq);
    return null;
  }

  #entry(incoming: Incoming, parsed: Parsed, nowMs: number): NewEntry {
    const commandId = parsed.envelope.command_id;
    return {
      commandId,
      digest: parsed.digest,
      command: parsed.name,
      receivedAtMs: nowMs,
      replyTopic: incoming.source === 'local' ? null : this.#topicOf(incoming, commandId),
      correlation: incoming.correlation,
    };
  }

  #topicOf(incoming: Incoming, commandId: string | null): string | null {
    if (incoming.responseTopic !== null && incoming.isResponseTopicAllowed) return incoming.responseTopic;
    return commandId === null ? null : this.#replyTopicFor(commandId);
  }

  #replyTo(incoming: Incoming, commandId: string | null, json: string, isKept: boolean): Reply {
    return {
      topic: this.#topicOf(incoming, commandId),
      commandId,
      json,
      correlation: incoming.correlation,
      isKept: isKept && incoming.source === 'mqtt',
    };
  }
}

/** Where parsing failed, without the text around it, which may hold a PIN. */
function jsonComplaint(error: unknown): string {
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
  return position === undefined
    ? 'it ends too early or holds what JSON does not know'
    : `it breaks at byte ${position}`;
}

function readCommandId(json: unknown): string | null {
  if (typeof json !== 'object' || json === null || !('command_id' in json)) return null;
  const { command_id: commandId } = json;
  return typeof commandId === 'string' && COMMAND_ID_FORM.test(commandId) ? commandId : null;
}

type WithCode = { acs_credential?: { code?: unknown } };

/** The reply as it may be shown again once the time of its generated codes is over. */
function hideCodes(json: string): string {
  const reply = JSON.parse(json) as { result?: WithCode & { results?: WithCode[] } };
  for (const holder of [reply.result, ...(reply.result?.results ?? [])]) {
    if (holder?.acs_credential?.code !== undefined) holder.acs_credential.code = null;
  }
  return JSON.stringify(reply);
}

const askerOf = ({ source }: Incoming, { sender }: Envelope): Asker => ({ source, sender: sender ?? null });
