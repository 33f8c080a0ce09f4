// What the control socket answers: commands through the same dispatcher, journal and replies as over MQTT, the event
// log as it grows, one look at the agent, the clock, what a card or code would do at a reader, the plan, and what a
// driver offers to operators beyond that, under the driver's name. It acts for whoever may open the socket: an operator
// on the gateway.

import type { Dispatcher } from '../commands/dispatcher.ts';
import type { Reply } from '../commands/incoming.ts';
import { OperatingError } from '../domain/errors.ts';
import { memberOf } from '../domain/named.ts';
import type { Operations } from '../domain/operations.ts';
import { quoted } from '../domain/outside-text.ts';
import type { Clock } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import { didYouMean } from '../domain/words.ts';
import type { ClockTrust } from '../ops/clock-trust.ts';
import type { ControlContext } from '../ops/control-socket.ts';
import type { ControlRequest } from '../ops/control-protocol.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { answerClock } from './clock.ts';
import { EventStream } from './event-stream.ts';
import { answerPlan, type PlanAgent } from './plan.ts';
import { Swipe, type Presenter } from './swipe.ts';

/** The agent, as the console needs it. */
export type ConsoleAgent = PlanAgent & {
  /** Null while the database refuses. */
  readonly dispatcher: Pick<Dispatcher, 'dispatch'> | null;
  readonly store: Store | null;
  readonly site: Site | null;
  readonly clockTrust: ClockTrust | null;
  readonly refusal: string | null;
  /** What drivers offer to operators, by the driver's name. */
  readonly operations: Readonly<Record<string, Operations>>;
  status(): Record<string, unknown>;
};

export type ConsoleOptions = {
  agent: ConsoleAgent;
  clock: Clock;
  /**
   * Resolves once the agent has started: the socket is there before, so that a second agent is refused, and whoever
   * asks early waits.
   */
  ready: Promise<unknown>;
  presenter?: Presenter;
};

type Handler = (request: ControlRequest, context: ControlContext) => Promise<unknown>;

export class Console {
  readonly #options: ConsoleOptions;
  readonly #events: EventStream;
  readonly #swipe: Swipe;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    const { clock, presenter = null } = options;
    this.#events = new EventStream(clock);
    const dispatch = (resource: string, verb: string, envelope: unknown): Promise<Reply> =>
      this.#dispatch(resource, verb, envelope);
    this.#swipe = new Swipe({ clock, dispatch, presenter });
  }

  /** For the control server; throws OperatingErrors for what cannot be done. */
  handle: Handler = async (request, context) => {
    // What drivers offer is known once the agent has started.
    await this.#options.ready;
    const handler = memberOf(this.#handlers, request.kind) ?? this.#operator(request.kind);
    if (handler !== undefined) {
      return await handler(request, context).catch((error: unknown) => {
        // A disk that fails is no bug: whoever asked is told, and the doors go on.
        throw isStorageError(error) ? new OperatingError('internal', `the disk failed: ${String(error)}`) : error;
      });
    }
    const known = [...Object.keys(this.#handlers), ...Object.keys(this.#options.agent.operations)];
    throw new OperatingError(
      'unknown_command',
      `no request is called ${quoted(request.kind)}: ${didYouMean(request.kind, known)}`,
    );
  };

  /**
   * What goes on for as long as its client wants has no deadline here; install windows, scans and files have ends of
   * their own.
   */
  static timeoutMs(request: ControlRequest): number | null {
    return SHORT.has(request.kind) ? REQUEST_MS : null;
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    command: (request) => this.#command(request),
    events: async (request, context) => await this.#events.answer(this.#store(), request, context),
    status: () => Promise.resolve(this.#options.agent.status()),
    clock: (request) => this.#clock(request),
    swipe: async (request) => {
      const { site, refusal } = this.#options.agent;
      if (site === null) throw refused(refusal);
      return await this.#swipe.answer(this.#store(), site, request);
    },
    plan: (request) => answerPlan(this.#options.agent, this.#options.clock, request),
  };

  #operator(kind: string): Handler | undefined {
    const operations = memberOf(this.#options.agent.operations, kind);
    return operations === undefined ? undefined : (request, context) => operations.handle(request, context);
  }

  #store(): Store {
    const { store, refusal } = this.#options.agent;
    if (store === null) throw refused(refusal);
    return store;
  }

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

  async #clock(request: ControlRequest): Promise<unknown> {
    const { clockTrust } = this.#options.agent;
    if (clockTrust === null) throw new OperatingError('internal', 'the agent is starting or stopping');
    return await Promise.resolve(answerClock(clockTrust, request));
  }
}

const REQUEST_MS = 30_000;
const SHORT: ReadonlySet<string> = new Set(['status', 'clock', 'swipe', 'plan']);

const refused = (refusal: string | null): OperatingError =>
  new OperatingError('internal', refusal ?? 'the agent is starting or stopping: try again in a moment');
