// The composition root: builds every part from a Facility, starts store -> access -> drivers -> sync -> mqtt, stops in
// reverse, and hands each part what it needs as a port. Driver events are routed here and nowhere else.

import { Access } from '../access/access.ts';
import { Recorder } from '../access/recorder.ts';
import { Dispatcher } from '../commands/dispatcher.ts';
import type { ControllerView, Room } from '../commands/room.ts';
import { OperatingError, type ErrorType } from '../domain/errors.ts';
import { newEvent } from '../domain/events.ts';
import type { Facility } from '../domain/facility.ts';
import type { Cron } from '../domain/cron.ts';
import type { DriverModule } from '../domain/driver-module.ts';
import type { OperationPorts, Operations } from '../domain/operations.ts';
import type { Clock, Device, Driver, DriverEvent, Log, OpenPort, Random, SlotContent } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import { Topics } from '../mqtt/topics.ts';
import type { BootRecord, ClockTrust, Voucher } from '../ops/clock-trust.ts';
import { Health } from '../ops/health.ts';
import { buildDrivers } from './drivers.ts';
import { DeviceEvents, Faults } from './device-events.ts';
import { buildSite } from './site.ts';
import { States } from './states.ts';
import { StorageWatch } from './storage-watch.ts';
import { explainOpening } from '../store/open.ts';
import { Store } from '../store/store.ts';
import { isStorageError } from '../store/transactions.ts';
import { Survival } from './survival.ts';
import { Sync } from '../sync/sync.ts';
import { TamperWatch } from './tamper-watch.ts';
import { TimeKeeper } from './time-keeper.ts';
import { Upkeep } from './upkeep.ts';
import { Uplink, type UplinkOptions } from './uplink.ts';

export type AgentOptions = {
  facility: Facility;
  drivers: readonly DriverModule[];
  version: string;
  clock: Clock;
  random: Random;
  cron: Cron;
  log: Log;
  openPort: OpenPort;
  env: NodeJS.ProcessEnv;
  /** Who vouches for the time, and what tells a restart of this process from one of the machine. */
  vouchers: readonly Voucher[];
  bootRecord: BootRecord | null;
  /** Where members of the group find the password of the built-in broker; null: nowhere but beside the database. */
  brokerFolder: string | null;
};

/** How long a stop, a crash included, may take until every output is at rest, as far as its device answers. */
export const REST_MS = 3000;
const DRIVER_STOP_MS = 3000;

export class Agent {
  readonly #options: AgentOptions;
  readonly #topics: Topics;
  readonly #devices = new Map<string, Device>();
  readonly #drivers: Driver[] = [];
  #operations: Readonly<Record<string, Operations>> = {};
  readonly #faults = new Faults();
  readonly #states: States;
  #store: Store | null = null;
  #recorder: Recorder | null = null;
  #access: Access | null = null;
  #sync: Sync | null = null;
  #timeKeeper: TimeKeeper | null = null;
  #site: Site | null = null;
  #dispatcher: Dispatcher | null = null;
  #uplink: Uplink | null = null;
  #upkeep: Upkeep | null = null;
  #tamperWatch: TamperWatch | null = null;
  #offlineSince: number | null;
  readonly #survival: Survival;
  #storageWatch: StorageWatch | null = null;
  #stopped: Promise<void> | null = null;
  /** Whether the loop turns in time and the database answers; the watchdog is kicked on its word. */
  readonly health: Health;
  /**
   * Why the database is refused, since the start or since it was found damaged; the doors' egress goes on without it.
   */
  refusal: string | null = null;
  #refusalType: ErrorType = 'internal';

  constructor(options: AgentOptions) {
    this.#survival = new Survival(options.clock, options.log);
    this.#options = { ...options, clock: this.#survival.clock };
    const { mqtt, name } = options.facility;
    this.#topics = new Topics(mqtt.topicPrefix, name, mqtt.eventTopics);
    this.health = new Health(options.clock, options.log, [{ name: 'database', check: () => this.#databaseProblem() }]);
    this.#offlineSince = options.clock.monotonicMs();
    this.#states = new States({
      facility: options.facility,
      version: options.version,
      topics: this.#topics,
      startedAtMs: options.clock.nowMs(),
      health: this.health,
      drivers: this.#drivers,
      devices: this.#devices,
      faults: this.#faults,
      timeKeeper: () => this.#timeKeeper,
      uplink: () => this.#uplink,
      ask: (question) => this.#ask(question),
      storage: () => ({ word: this.#storageWord(), problem: this.refusal ?? this.#tamperWatch?.problem() ?? null }),
      refusal: () => this.refusal,
      syncProblemsOf: (controller) => this.#sync?.problemsOf(controller) ?? [],
    });
  }

  // ---- life ----

  /** Resolves when doors are served; the broker, the controllers and the checks come when they come. */
  async start(): Promise<void> {
    const { facility, clock, random, log } = this.#options;
    this.health.start();
    const site = this.#openStore();
    const store = this.#store;
    this.#startClock(store);
    this.#site = site;
    this.#recorder = new Recorder(store, clock, log);
    this.#access = new Access({
      site,
      store,
      recorder: this.#recorder,
      policy: facility.policy,
      clock,
      log,
      device: (name) => this.#devices.get(name),
      cardFormatsOf: (name) => facility.controllers.find((controller) => controller.name === name)?.cardFormats ?? [],
      time: () => this.time(),
      acsSystemId: facility.acsSystemId,
      timeZone: facility.timeZone,
      offlineForMs: () => (this.#offlineSince === null ? null : clock.monotonicMs() - this.#offlineSince),
      onChange: () => this.#touchState(),
      problem: (device, problem) => {
        this.#faults.note({ device, code: 'presentations_dropped', message: problem ?? '', cleared: problem === null });
        this.#touchState();
      },
      wake: (controllers) => this.#sync?.wake(controllers),
    });
    const deviceEvents = new DeviceEvents(
      {
        acsSystemId: facility.acsSystemId,
        log,
        recorder: this.#recorder,
        access: this.#access,
        sync: () => this.#sync,
        onChange: () => this.#touchState(),
      },
      this.#faults,
    );
    this.#operations = this.#openOperations(deviceEvents);
    const emit = (event: DriverEvent): void => this.#survival.try(() => deviceEvents.take(event));
    for (const driver of buildDrivers(this.#options, store, emit)) {
      this.#drivers.push(driver);
      for (const [name, device] of driver.devices) this.#devices.set(name, device);
    }
    for (const driver of this.#drivers) driver.start();
    if (store === null) {
      await this.#startUplink(site, this.#access, null);
      return;
    }
    this.#watchStorage(store, this.#recorder, this.#access);
    this.#sync = new Sync({
      store,
      site,
      devices: this.#devices,
      clock,
      random,
      log,
      time: () => this.time(),
      preloadMs: facility.policy.preloadMs,
      acsSystemId: facility.acsSystemId,
      eventBudgets: this.#recorder.budgets,
      onChange: () => this.#touchState(),
    });
    this.#sync.start();
    const room = this.#buildRoom(store, site, this.#access, this.#sync);
    this.#dispatcher = new Dispatcher(room, {
      replyTopicFor: (commandId) => this.#topics.reply(commandId),
      mostReplyBytes: () => this.#uplink?.mostReplyBytes() ?? Infinity,
    });
    this.#survival.try(() => this.#dispatcher?.recover());
    const body = { version: this.#options.version, was_unclean: store.wasUnclean };
    this.#recorder.record([newEvent('agent.started', body)]);
    const recorder = this.#recorder;
    this.#survival.try(() => this.#startTamperWatch(store, recorder));
    this.#startUpkeep(store);
    await this.#startUplink(site, this.#access, { store, dispatcher: this.#dispatcher });
  }

  async #startUplink(site: Site, access: Access, served: UplinkOptions['served']): Promise<void> {
    const { facility, clock, random, log, env, brokerFolder } = this.#options;
    this.#uplink = new Uplink({
      facility,
      clock,
      random,
      log,
      env,
      brokerFolder,
      survival: this.#survival,
      topics: this.#topics,
      served,
      refusal: () => (this.refusal === null ? null : { type: this.#refusalType, message: this.refusal }),
      states: this.#states.sources(site, access),
      identity: this.#states.identity(),
      onListening: (isListening) => (this.#offlineSince = isListening ? null : clock.monotonicMs()),
    });
    await this.#uplink.start();
  }

  /**
   * Every output to rest, within `REST_MS`, and none is driven from now on: what every stop begins with, and all that a
   * crash still does. Never rejects.
   */
  async rest(): Promise<void> {
    const { log } = this.#options;
    this.#dispatcher?.stop();
    this.#access?.rest();
    const failed = (error: unknown): void => log.error('outputs may not be at rest', { error: String(error) });
    await Promise.all(this.#drivers.map((driver) => driver.rest(REST_MS).catch(failed)));
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
    const resting = this.rest();
    this.#tamperWatch?.stop();
    this.#storageWatch?.stop();
    this.#recorder?.record([newEvent('agent.stopped', {})]);
    this.#survival.try(() => this.#uplink?.saveDelivered());
    await Promise.all([resting, this.#uplink?.stop()]);
    await this.#upkeep?.stop();
    await this.#sync?.stop();
    await Promise.all(this.#drivers.map((driver) => driver.stop(DRIVER_STOP_MS)));
    this.#access?.stop();
    this.#recorder?.stop();
    this.#timeKeeper?.stop();
    this.health.stop();
    this.#survival.try(() => this.#store?.close());
    await this.#uplink?.stopBroker();
  }

  /** The building, with the database that knows it where that can be used. */
  #openStore(): Site {
    const { facility, clock, random, env, log } = this.#options;
    let store: Store | null = null;
    try {
      store = new Store({
        path: facility.store.path,
        masterKey: facility.store.masterKey,
        env,
        clock,
        random,
        acsSystemId: facility.acsSystemId,
        clockState: () => (this.#timeKeeper?.trust.state().trusted === true ? 'trusted' : 'untrusted'),
      });
      for (const file of store.tightened) log.warn('others could read this file until now', { file });
      for (const backup of store.backups)
        log.info('the database was brought forward; before that it was backed up', { backup });
      const site = buildSite(facility, store);
      // What the doors read when they start: damage there is a refusal like any other.
      store.guesses.all();
      this.#store = store;
      return site;
    } catch (error) {
      const refusal = store === null ? error : explainOpening(store.path, error);
      if (!(refusal instanceof OperatingError)) throw error;
      store?.close();
      // Nobody is let in, but whoever is inside gets out: the doors start without it.
      this.refusal = refusal.message;
      this.#refusalType = refusal.type;
      log.error(
        `${refusal.message.replace(/\.?$/, '.')} Until then: no access is granted and no command is taken; request-to-exit works, but for buttons at OSDP readers under a key.`,
      );
      return buildSite(facility, null);
    }
  }

  /** Damage that shows itself while doors are served leads to what damage at the start leads to. */
  #watchStorage(store: Store, recorder: Recorder, access: Access): void {
    const { clock, log, facility } = this.#options;
    this.#storageWatch = new StorageWatch({
      store,
      recorder,
      clock,
      log,
      acsSystemId: facility.acsSystemId,
      onDamage: (problem) => {
        this.refusal = problem;
        this.#refusalType = 'storage_damaged';
        access.refuse('store_unavailable');
      },
      carryOutHeld: () => this.#survival.try(() => this.#dispatcher?.carryOutHeld()) ?? true,
      afterRecovery: () => this.#uplink?.redeliver(),
      afterDamage: () => {
        void this.#sync?.stop();
        void this.#upkeep?.stop();
      },
      onChange: () => this.#touchState(),
    });
    this.#storageWatch.start();
  }

  #startClock(store: Store | null): TimeKeeper {
    const { clock, log, vouchers, bootRecord, facility } = this.#options;
    const keeper = new TimeKeeper({
      clock,
      log,
      vouchers,
      bootRecord,
      policy: facility.policy,
      store,
      survival: this.#survival,
      // What waited for a trustworthy time: starts that came meanwhile, ends that are overdue.
      onChange: () => {
        this.#sync?.wake(facility.controllers.map((controller) => controller.name));
        this.#touchState();
      },
    });
    this.#timeKeeper = keeper;
    keeper.start();
    return keeper;
  }

  /** How late it is, and how far that can be relied on. */
  time(): TimeWitness {
    const nowMs = this.#options.clock.nowMs();
    return this.#timeKeeper?.now() ?? { trusted: false, nowMs, floorMs: null, isGraceLeft: false };
  }

  // ---- down: commands ----

  #buildRoom(store: Store, site: Site, access: Access, sync: Sync): Room {
    const { facility, clock, random, log } = this.#options;
    return {
      store,
      site,
      clock,
      random,
      log,
      policy: facility.policy,
      acsSystemId: facility.acsSystemId,
      timeZone: facility.timeZone,
      time: () => this.time(),
      doors: access,
      sync,
      controllers: { list: () => this.controllers(), encode: (name, content) => this.#encode(name, content) },
    };
  }

  #encode(name: string, content: SlotContent): void {
    const device = this.#devices.get(name);
    const first = device?.capabilities.slots?.firstSlot;
    if (first !== undefined) device?.slots?.image(first, content);
  }

  /** Null while the database is refused: no command is taken then. */
  get dispatcher(): Dispatcher | null {
    return this.refusal === null ? this.#dispatcher : null;
  }

  /** Null while the database is refused. */
  get store(): Store | null {
    return this.refusal === null ? this.#store : null;
  }

  get access(): Access | null {
    return this.#access;
  }

  get site(): Site | null {
    return this.#site;
  }

  /** What drivers offer to operators beyond the common contract, by the driver's name. */
  get operations(): Readonly<Record<string, Operations>> {
    return this.#operations;
  }

  #openOperations(events: DeviceEvents): Readonly<Record<string, Operations>> {
    const { clock, drivers, facility } = this.#options;
    const ports: OperationPorts = {
      clock,
      drivers: this.#drivers,
      busConfig: (name) => facility.buses.find((bus) => bus.name === name)?.config,
      recordDevice: (type, device, more) => events.record(type, device, more),
    };
    return Object.fromEntries(drivers.flatMap((one) => (one.operations ? [[one.name, one.operations(ports)]] : [])));
  }

  get preloadMs(): number {
    return this.#options.facility.policy.preloadMs;
  }

  device(name: string): Device | undefined {
    return this.#devices.get(name);
  }

  controllers(): ControllerView[] {
    return this.#states.controllers();
  }

  /** Clock as operators see it, and the way to accept a leap. */
  get clockTrust(): ClockTrust | null {
    return this.#timeKeeper?.trust ?? null;
  }

  /** What the database says; null where there is none that could. */
  #ask<T>(question: (store: Store) => T): T | null {
    const { store } = this;
    return store === null ? null : (this.#survival.try(() => question(store)) ?? null);
  }

  /** A refused database, or a disk that fails, is said elsewhere and is no hang: a restart would mend neither. */
  #databaseProblem(): string | null {
    try {
      return this.#store === null || this.#store.isAlive() ? null : 'the database is closed';
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return null;
    }
  }

  // ---- state ----

  #touchState(): void {
    this.#uplink?.touch();
  }

  #storageWord(): string {
    if (this.refusal !== null) return this.#refusalType === 'internal' ? 'storage_refused' : this.#refusalType;
    const condition = this.#store?.condition ?? 'ok';
    if (condition !== 'ok') return `storage_${condition}`;
    if (this.#tamperWatch?.isTampered === true) return 'storage_tampered';
    return this.#recorder?.isDegraded === true ? 'storage_degraded' : 'ok';
  }

  /** One look at everything, for `lintel status` on the gateway. */
  status(): Record<string, unknown> {
    return this.#states.status();
  }

  // ---- upkeep ----

  #startUpkeep(store: Store): void {
    const { facility, clock, random, cron, log } = this.#options;
    this.#upkeep = new Upkeep({
      store,
      clock,
      cron,
      random,
      log,
      timeZone: facility.timeZone,
      eventsKeepMs: facility.store.eventsKeepMs,
      eventsMax: facility.store.eventsMax,
      eventsMaxBytes: facility.store.eventsMaxBytes,
      onEventsTrimmed: () => this.#uplink?.skipTo(store.events.acknowledged()),
      onDamage: (problems) => this.#onDamage(store, problems),
      compareControllers: () => this.#sync?.compareAll(),
      verifyRows: async () => await this.#tamperWatch?.verify(),
    });
    this.#upkeep.start();
  }

  #startTamperWatch(store: Store, recorder: Recorder): void {
    const { clock, log } = this.#options;
    this.#tamperWatch = new TamperWatch({
      store,
      clock,
      log,
      record: (events, change) => void recorder.record(events, change),
      onChange: () => this.#touchState(),
    });
    this.#tamperWatch.start();
  }

  /** Found by the check behind the doors, while the file still answers: its last event is that of its damage. */
  #onDamage(store: Store, problems: readonly string[]): void {
    const { facility, clock } = this.#options;
    const body = { acs_system_id: facility.acsSystemId, how: 'damaged' as const, problems };
    const event = newEvent('agent.storage_damaged', body);
    this.#survival.try(() => store.now(() => store.events.add(event, clock.nowMs())));
    store.condemn(problems);
  }
}
