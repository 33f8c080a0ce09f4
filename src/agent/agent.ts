// The agent as a whole: starts its parts in order, store -> access -> drivers -> sync -> mqtt, stops them in reverse,
// and shows the rest of the house as much of itself as it may see. What it is made of is put together in parts.ts.

import type { Access } from '../access/access.ts';
import type { Dispatcher } from '../commands/dispatcher.ts';
import type { ControllerView } from '../commands/room.ts';
import { newEvent } from '../domain/events.ts';
import type { Operations } from '../domain/operations.ts';
import type { Device } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { ClockTrust } from '../ops/clock-trust.ts';
import { Health } from '../ops/health.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { compose, type AgentOptions, type Parts, type Refusal } from './parts.ts';
import type { Measured } from './states.ts';
import { Survival } from './survival.ts';

/** How long a stop, a crash included, may take until every output is at rest, as far as its device answers. */
export const REST_MS = 3000;
const DRIVER_STOP_MS = 3000;

export class Agent {
  readonly #options: AgentOptions;
  readonly #survival: Survival;
  readonly #refusal: Refusal = { now: null };
  /** Null until it is started. */
  #parts: Parts | null = null;
  #stopped: Promise<void> | null = null;
  /** Whether the loop turns in time and the database answers; the watchdog is kicked on its word. */
  readonly health: Health;

  constructor(options: AgentOptions) {
    this.#survival = new Survival(options.clock, options.log);
    this.#options = { ...options, clock: this.#survival.clock };
    this.health = new Health(options.clock, options.log, [{ name: 'database', check: () => this.#databaseProblem() }]);
  }

  // ---- life ----

  /** Resolves when doors are served; the broker, the controllers and the checks come when they come. */
  async start(): Promise<void> {
    this.health.start();
    const parts = compose({
      options: this.#options,
      survival: this.#survival,
      health: this.health,
      refusal: this.#refusal,
    });
    this.#parts = parts;
    parts.keeper.start();
    for (const driver of parts.drivers) driver.start();
    parts.word.start();
    parts.access.start();
    this.#startServed(parts);
    await parts.uplink.start();
  }

  #startServed({ served, recorder }: Parts): void {
    if (served === null) return;
    const { store, sync, dispatcher, storageWatch, tamperWatch, upkeep } = served;
    storageWatch.start();
    sync.start();
    this.#survival.try(() => dispatcher.recover());
    const body = { version: this.#options.version, was_unclean: store.wasUnclean };
    recorder.record([newEvent('agent.started', body)]);
    this.#survival.try(() => tamperWatch.start());
    upkeep.start();
  }

  /**
   * Every output to rest but those that a free door keeps, within `REST_MS`, and none is driven from now on: what every
   * stop begins with, and all that a crash still does. Never rejects.
   */
  async rest(): Promise<void> {
    if (this.#parts === null) return;
    const { served, access, drivers } = this.#parts;
    const { log } = this.#options;
    served?.dispatcher.stop();
    const keeps = access.keptAtStop();
    access.rest();
    const failed = (error: unknown): void => log.error('outputs may not be at rest', { error: String(error) });
    await Promise.all(drivers.map((driver) => driver.rest(REST_MS, keeps).catch(failed)));
  }

  /**
   * Outputs first are driven to their rest state, then everything ends in reverse and the database is closed. Once
   * only; a second call waits for the first.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const parts = this.#parts;
    if (parts === null) {
      this.health.stop();
      return;
    }
    const { served, recorder, uplink, drivers, access, keeper, word } = parts;
    const resting = this.rest();
    word.stop();
    served?.tamperWatch.stop();
    served?.storageWatch.stop();
    recorder.record([newEvent('agent.stopped', {})]);
    this.#survival.try(() => uplink.saveDelivered());
    await Promise.all([resting, uplink.stop()]);
    await served?.upkeep.stop();
    await served?.sync.stop();
    await Promise.all(drivers.map((driver) => driver.stop(DRIVER_STOP_MS)));
    access.stop();
    recorder.stop();
    keeper.stop();
    this.health.stop();
    this.#survival.end();
    this.#survival.try(() => served?.store.close());
    await uplink.stopBroker();
  }

  // ---- what others see ----

  /**
   * Why the database is refused, since the start or since it was found damaged; the doors' egress goes on without it.
   */
  get refusal(): string | null {
    return this.#refusal.now?.message ?? null;
  }

  /** How late it is, and how far that can be relied on. */
  time(): TimeWitness {
    const nowMs = this.#options.clock.nowMs();
    return this.#parts?.keeper.now() ?? { trusted: false, nowMs, floorMs: null, isGraceLeft: false };
  }

  /** Null while the database is refused: no command is taken then. */
  get dispatcher(): Dispatcher | null {
    return this.#refusal.now === null ? (this.#parts?.served?.dispatcher ?? null) : null;
  }

  /** Null while the database is refused. */
  get store(): Store | null {
    return this.#refusal.now === null ? (this.#parts?.served?.store ?? null) : null;
  }

  get access(): Access | null {
    return this.#parts?.access ?? null;
  }

  get site(): Site | null {
    return this.#parts?.site ?? null;
  }

  /** What drivers offer to operators beyond the common contract, by the driver's name. */
  get operations(): Readonly<Record<string, Operations>> {
    return this.#parts?.operations ?? {};
  }

  get preloadMs(): number {
    return this.#options.facility.policy.preloadMs;
  }

  device(name: string): Device | undefined {
    return this.#parts?.devices.get(name);
  }

  controllers(): ControllerView[] {
    return this.#parts?.states.controllers() ?? [];
  }

  /** Clock as operators see it, and the way to accept a leap. */
  get clockTrust(): ClockTrust | null {
    return this.#parts?.keeper.trust ?? null;
  }

  /** One look at everything, for `lintel status` on the gateway; nothing while it starts. */
  status(): Record<string, unknown> {
    return this.#parts?.states.status() ?? {};
  }

  /** As `status`, for whoever measures. */
  measures(): Measured {
    const parts = this.#parts;
    return parts === null ? { entrances: [], areas: [], sync: null } : parts.states.measures(parts.site, parts.access);
  }

  /** A refused database, or a disk that fails, is said elsewhere and is no hang: a restart would mend neither. */
  #databaseProblem(): string | null {
    const store = this.#parts?.served?.store;
    try {
      return store === undefined || store.isAlive() ? null : 'the database is closed';
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return null;
    }
  }
}
