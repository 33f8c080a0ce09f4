// What the control socket answers: commands through the same dispatcher, journal and replies as over MQTT, the event log as it grows, one look at the agent, the
// clock, what a card or code would do at a reader, the plan (console-plan.ts), and the service of OSDP readers (console-osdp.ts). It acts for whoever may open the socket: an operator on the gateway.

import type { Dispatcher } from './commands/dispatcher.ts';
import type { Reply } from './commands/incoming.ts';
import type { ClockTrust } from './ops/clock-trust.ts';
import { OsdpConsole, type OsdpAgent } from './console-osdp.ts';
import { answerPlan, type PlanAgent } from './console-plan.ts';
import { OperatingError } from './domain/errors.ts';
import { memberOf } from './domain/named.ts';
import { quoted } from './domain/outside-text.ts';
import type { Clock } from './domain/ports.ts';
import type { Site, SiteEntrance } from './domain/site.ts';
import { nearest } from './domain/words.ts';
import type { ControlContext } from './ops/control-socket.ts';
import type { ControlRequest } from './ops/control-protocol.ts';
import { eventJson } from './store/events.ts';
import type { Store } from './store/store.ts';
import { isStorageError } from './store/transactions.ts';

/** The agent, as the console needs it. */
export type ConsoleAgent = OsdpAgent &
  PlanAgent & {
    /** Null while the database refuses. */
    readonly dispatcher: Pick<Dispatcher, 'dispatch'> | null;
    readonly store: Store | null;
    readonly site: Site | null;
    readonly clockTrust: ClockTrust | null;
    readonly refusal: string | null;
    status(): Record<string, unknown>;
  };

export type Presented = { card: string } | { code: string };
/**
 * Shows a card or code to a simulated reader or controller; throws an OperatingError when there is none of that name, or it cannot read such a thing. Resolves with
 * what a device that decides for itself made of it; null: the decision is the agent's.
 */
export type Presenter = (device: string, what: Presented) => Promise<string | null>;

export type ConsoleOptions = {
  agent: ConsoleAgent;
  clock: Clock;
  /** Resolves once the agent has started: the socket is there before, so that a second agent is refused, and whoever asks early waits. */
  ready: Promise<unknown>;
  presenter?: Presenter;
};

/** Events handed over in one turn of the loop. */
const SLICE = 64;
/** How long a presentation has to become a decision: the longest frame at 9,600 baud, a slow bus, and room. */
const DECISION_MS = 3_000;
/** As for `card_number` over MQTT. */
const MOST_PRESENTED = 200;

type Handler = (request: ControlRequest, context: ControlContext) => Promise<unknown>;

export class Console {
  readonly #options: ConsoleOptions;
  readonly #osdp: OsdpConsole;
  readonly #watchers = new Set<() => void>();
  #watched: Store | null = null;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.#osdp = new OsdpConsole(options.agent, options.clock);
  }

  /** For the control server; throws OperatingErrors for what cannot be done. */
  handle: Handler = async (request, context) => {
    const handler = memberOf(this.#handlers, request.kind);
    if (handler !== undefined) {
      await this.#options.ready;
      return await handler(request, context).catch((error: unknown) => {
        // A disk that fails is no bug: whoever asked is told, and the doors go on.
        throw isStorageError(error) ? new OperatingError('internal', `the disk failed: ${String(error)}`) : error;
      });
    }
    const known = Object.keys(this.#handlers);
    const meant = nearest(request.kind, known);
    throw new OperatingError(
      'unknown_command',
      `no request is called ${quoted(request.kind)}: ${meant === null ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`,
    );
  };

  /** What goes on for as long as its client wants has no deadline here. */
  static timeoutMs(request: ControlRequest): number | null {
    return ENDLESS.has(request.kind) ? null : REQUEST_MS;
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    command: (request) => this.#command(request),
    events: (request, context) => this.#events(request, context),
    status: () => Promise.resolve(this.#options.agent.status()),
    clock: (request) => this.#clock(request),
    swipe: (request) => this.#swipe(request),
    osdp: (request, context) => this.#osdp.handle(request, context),
    plan: (request) => answerPlan(this.#options.agent, this.#options.clock, request),
  };

  // ---- commands ----------------------------------------------------------------------------------------------------------------------------------

  /** `{resource, verb, envelope}`; answers `{reply}`, the same reply as over MQTT. */
  async #command({ resource, verb, envelope }: ControlRequest): Promise<{ reply: unknown }> {
    if (typeof resource !== 'string' || typeof verb !== 'string')
      throw new OperatingError('invalid_input', '`resource` and `verb` must be texts');
    return { reply: JSON.parse((await this.#dispatch(resource, verb, envelope)).json) };
  }

  async #dispatch(resource: string, verb: string, envelope: unknown): Promise<Reply> {
    const { dispatcher, store, refusal } = this.#options.agent;
    if (dispatcher === null || store === null) throw refused(refusal);
    return await new Promise<Reply>((resolve, reject) => {
      const incoming = {
        resource,
        verb,
        payload: { value: envelope ?? null },
        source: 'local',
        isRetained: false,
        responseTopic: null,
        isResponseTopicAllowed: true,
        correlation: null,
        expiresAtMs: null,
      } as const;
      const failed = (error: Error): void =>
        reject(new OperatingError('internal', `nothing was stored, and nothing was done: ${error.message}`));
      void dispatcher.dispatch(incoming, resolve, failed);
      // Nobody else ends the group for us: over MQTT the link does, at the end of its batch.
      store.flush();
    });
  }

  // ---- events ------------------------------------------------------------------------------------------------------------------------------------

  /** `{from?, follow?}`: streams events from `from` on (default: from now on), in order, each behind its commit. */
  async #events(
    { from, follow }: ControlRequest,
    { stream, signal }: ControlContext,
  ): Promise<{ last_sequence: number }> {
    const { store, refusal } = this.#options.agent;
    if (store === null) throw refused(refusal);
    if (from !== undefined && !Number.isSafeInteger(from))
      throw new OperatingError('invalid_input', '`from` must be a sequence number');
    let last = typeof from === 'number' ? Math.max(0, from - 1) : store.events.lastSequence();
    for (;;) {
      const slice = store.events.after(last, SLICE);
      for (const event of slice) {
        await stream(JSON.parse(eventJson(event)));
        last = event.sequence;
      }
      if (slice.length > 0) await new Promise<void>((resolve) => this.#options.clock.immediate(resolve));
      else if (follow === true) await this.#moreEvents(store, last, signal);
      else return { last_sequence: last };
    }
  }

  /** Resolves once there is an event behind `last`; rejects when the request is over. */
  async #moreEvents(store: Store, last: number, signal: AbortSignal): Promise<void> {
    this.#watch(store);
    await new Promise<void>((resolve, reject) => {
      const over = (): void => {
        this.#watchers.delete(look);
        reject(new OperatingError('interrupted', 'the request is over'));
      };
      const look = (): void => {
        if (store.events.lastSequence() <= last) return;
        this.#watchers.delete(look);
        signal.removeEventListener('abort', over);
        resolve();
      };
      this.#watchers.add(look);
      signal.addEventListener('abort', over, { once: true });
      if (signal.aborted) over();
      else look();
    });
  }

  /** One listener at the store, however many clients follow: it keeps what it is given. */
  #watch(store: Store): void {
    if (this.#watched === store) return;
    this.#watched = store;
    store.onEvents(() => {
      for (const look of this.#watchers) look();
    });
  }

  // ---- the clock ---------------------------------------------------------------------------------------------------------------------------------

  #clock({ action }: ControlRequest): Promise<unknown> {
    const { clockTrust } = this.#options.agent;
    if (clockTrust === null) throw new OperatingError('internal', 'the agent is starting or stopping');
    if (action === 'accept') {
      const outcome = clockTrust.accept();
      if (!outcome.accepted) throw new OperatingError('invalid_input', outcome.message);
    } else if (action !== undefined && action !== 'show') {
      throw new OperatingError('invalid_input', '`action` is show or accept');
    }
    const { trusted, reason, problem, nowMs, floorMs } = clockTrust.state();
    const at = (ms: number): string => new Date(ms).toISOString();
    return Promise.resolve({
      trusted,
      reason,
      problem,
      now_at: at(nowMs),
      last_trusted_at: floorMs === null ? null : at(floorMs),
    });
  }

  // ---- swipe -------------------------------------------------------------------------------------------------------------------------------------

  /**
   * `{entrance | reader, card | code, card_format?, present?}`: answers `{entrance, reader, reply}` with the reply of `entrances/explain`; with `present` it really
   * shows the card or code to the (simulated) reader and answers `{entrance, reader, said, event}`: what the device said of it, and the event of the decision, null
   * when none came.
   */
  async #swipe(request: ControlRequest): Promise<unknown> {
    const { agent } = this.#options;
    const { site, store } = agent;
    if (store === null || site === null) throw refused(agent.refusal);
    const { entrance, reader } = this.#place(site, request);
    const where = { entrance: entrance.name, display_name: entrance.displayName, reader };
    const { card, code, card_format: cardFormat } = request;
    if ((typeof card === 'string') === (typeof code === 'string'))
      throw new OperatingError('invalid_input', 'give either a card or a code');
    if ([card, code].some((text) => typeof text === 'string' && text.length > MOST_PRESENTED))
      throw new OperatingError('invalid_input', `a card or code has at most ${MOST_PRESENTED} characters`);
    if (request['present'] === true) {
      const what = typeof card === 'string' ? { card } : { code: String(code) };
      return { ...where, ...(await this.#present(store, entrance, reader, what)) };
    }
    const params = {
      acs_entrance_id: entrance.acsEntranceId,
      ...(typeof card === 'string' ? { card_number: card } : { code }),
      ...(reader === null ? {} : { reader }),
      ...(typeof cardFormat === 'string' ? { card_format: cardFormat } : {}),
    };
    const { sender } = request;
    const stated = typeof sender === 'string' ? { sender } : {};
    const reply = await this.#dispatch('entrances', 'explain', { command_id: 'swipe', ...stated, params });
    return { ...where, reply: JSON.parse(reply.json) as unknown };
  }

  #place(site: Site, request: ControlRequest): { entrance: SiteEntrance; reader: string | null } {
    const { entrance: name, reader } = request;
    if ((typeof name === 'string') === (typeof reader === 'string'))
      throw new OperatingError('invalid_input', 'give either an entrance or a reader');
    if (typeof reader === 'string') {
      const found = site.entrances.find((entrance) => entrance.readers.includes(reader));
      if (found !== undefined) return { entrance: found, reader };
      throw unknownName(
        'reader',
        reader,
        site.entrances.flatMap((entrance) => entrance.readers),
        'acs_encoder_not_found',
      );
    }
    const wanted = String(name);
    const found =
      site.byId(wanted.toLowerCase()) ??
      site.entrances.find((entrance) => entrance.name === wanted || entrance.displayName === wanted);
    if (found !== undefined) return { entrance: found, reader: found.readers[0] ?? null };
    throw unknownName(
      'entrance',
      wanted,
      site.entrances.map((entrance) => entrance.name),
      'acs_entrance_not_found',
    );
  }

  async #present(
    store: Store,
    entrance: SiteEntrance,
    reader: string | null,
    what: Presented,
  ): Promise<{ said: string | null; event: unknown }> {
    const { presenter } = this.#options;
    const place = reader ?? entrance.controller ?? entrance.name;
    if (presenter === undefined)
      throw new OperatingError(
        'not_supported',
        `${place} is a real reader, and only a hand can show it a card: leave out --present to see what would happen, or present to a simulator with --simulator PATH`,
      );
    const before = store.events.lastSequence();
    const said = await presenter(place, what);
    const endsAtMs = this.#options.clock.monotonicMs() + DECISION_MS;
    for (;;) {
      const event = decisionBehind(store, before, entrance.acsEntranceId);
      if (event !== null || this.#options.clock.monotonicMs() >= endsAtMs) return { said, event };
      await new Promise<void>((resolve) => this.#options.clock.after(20, resolve));
    }
  }
}

const REQUEST_MS = 30_000;
/** Install windows, scans and files have ends of their own. */
const ENDLESS: ReadonlySet<string> = new Set(['events', 'command', 'osdp']);

const DECISIONS = new Set(['lock.unlocked', 'lock.access_denied']);

function decisionBehind(store: Store, sequence: number, acsEntranceId: string): unknown {
  for (const stored of store.events.after(sequence, SLICE)) {
    if (!DECISIONS.has(stored.event_type)) continue;
    const event: unknown = JSON.parse(eventJson(stored));
    if (
      typeof event === 'object' &&
      event !== null &&
      'acs_entrance_id' in event &&
      event.acs_entrance_id === acsEntranceId
    )
      return event;
  }
  return null;
}

function unknownName(
  kind: string,
  name: string,
  known: readonly string[],
  type: 'acs_entrance_not_found' | 'acs_encoder_not_found',
): OperatingError {
  const meant = nearest(name, known);
  return new OperatingError(
    type,
    `there is no ${kind} ${quoted(name)}${meant === null ? `: there are ${known.join(', ') || 'none'}` : `: did you mean ${meant}?`}`,
  );
}

const refused = (refusal: string | null): OperatingError =>
  new OperatingError('internal', refusal ?? 'the agent is starting or stopping: try again in a moment');
