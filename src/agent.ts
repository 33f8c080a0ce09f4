// The composition root: builds every part from a Facility, starts store -> access -> drivers -> sync -> mqtt, stops in reverse, and hands each part what it needs
// as a port. Driver events are routed here and nowhere else.

import { hostname } from 'node:os';
import { Access } from './access/access.ts';
import { Recorder } from './access/recorder.ts';
import { busNews, busObjects, busStates } from './bus-watch.ts';
import { controllerObject } from './commands/controllers.ts';
import { Dispatcher } from './commands/dispatcher.ts';
import { entranceObject } from './commands/entrance-object.ts';
import type { ControllerView, Room } from './commands/room.ts';
import { OperatingError, type ErrorType } from './domain/errors.ts';
import { newEvent, newEventAt, type DeviceBody, type DeviceEventType } from './domain/events.ts';
import type { ControllerSetup, EntranceSetup, Facility } from './domain/facility.ts';
import type { Cron } from './domain/cron.ts';
import type { DriverModule, PreparedController } from './domain/driver-module.ts';
import type { OperationPorts, Operations } from './domain/operations.ts';
import type { Clock, Device, Driver, DriverEvent, Log, OpenPort, Random, SlotContent } from './domain/ports.ts';
import { Site, type SlotController } from './domain/site.ts';
import type { TimeWitness } from './domain/window.ts';
import type { StateSource } from './mqtt/state.ts';
import { Topics } from './mqtt/topics.ts';
import { ClockGrace } from './ops/clock-grace.ts';
import { ClockTrust, type BootRecord, type Voucher } from './ops/clock-trust.ts';
import { Health } from './ops/health.ts';
import { StorageWatch } from './storage-watch.ts';
import { isFull } from './store/guard.ts';
import { explainOpening } from './store/open.ts';
import { Store } from './store/store.ts';
import { isStorageError } from './store/transactions.ts';
import { Survival } from './survival.ts';
import { Sync } from './sync/sync.ts';
import { TamperWatch } from './tamper-watch.ts';
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
const FLOOR_KEY = 'clock_floor';
const GRACE_KEY = 'clock_grace_spent';

export class Agent {
  readonly #options: AgentOptions;
  readonly #topics: Topics;
  readonly #devices = new Map<string, Device>();
  readonly #drivers: Driver[] = [];
  readonly #operations: Readonly<Record<string, Operations>>;
  readonly #problems = new Map<string, Map<string, string>>();
  readonly #startedAtMs: number;
  #store: Store | null = null;
  #recorder: Recorder | null = null;
  #access: Access | null = null;
  #sync: Sync | null = null;
  #clockTrust: ClockTrust | null = null;
  #grace: ClockGrace | null = null;
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
  /** Why the database is refused, since the start or since it was found damaged; the doors' egress goes on without it. */
  refusal: string | null = null;
  #refusalType: ErrorType = 'internal';

  constructor(options: AgentOptions) {
    this.#survival = new Survival(options.clock, options.log);
    this.#options = { ...options, clock: this.#survival.clock };
    const { mqtt, name } = options.facility;
    this.#topics = new Topics(mqtt.topicPrefix, name, mqtt.eventTopics);
    this.#startedAtMs = options.clock.nowMs();
    this.health = new Health(options.clock, options.log, [{ name: 'database', check: () => this.#databaseProblem() }]);
    this.#offlineSince = options.clock.monotonicMs();
    this.#operations = this.#openOperations();
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
        this.#noteFault({ device, code: 'presentations_dropped', message: problem ?? '', cleared: problem === null });
        this.#touchState();
      },
      wake: (controllers) => this.#sync?.wake(controllers),
    });
    this.#buildDrivers();
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
      states: this.#states(site, access),
      identity: this.#identity(),
      onListening: (isListening) => (this.#offlineSince = isListening ? null : clock.monotonicMs()),
    });
    await this.#uplink.start();
  }

  /** Every output to rest, within `REST_MS`, and none is driven from now on: what every stop begins with, and all that a crash still does. Never rejects. */
  async rest(): Promise<void> {
    const { log } = this.#options;
    this.#dispatcher?.stop();
    this.#access?.rest();
    const failed = (error: unknown): void => log.error('outputs may not be at rest', { error: String(error) });
    await Promise.all(this.#drivers.map((driver) => driver.rest(REST_MS).catch(failed)));
  }

  /** Outputs first are driven to their rest state, then everything ends in reverse and the database is closed. Once only; a second call waits for the first. */
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
    this.#clockTrust?.stop();
    this.#grace?.stop();
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
        clockState: () => (this.#clockTrust?.state().trusted === true ? 'trusted' : 'untrusted'),
      });
      for (const file of store.tightened) log.warn('others could read this file until now', { file });
      for (const backup of store.backups)
        log.info('the database was brought forward; before that it was backed up', { backup });
      const site = this.#buildSite(store);
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
      return this.#buildSite(null);
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

  #startClock(store: Store | null): void {
    const { clock, log, vouchers, bootRecord, facility } = this.#options;
    this.#clockTrust = new ClockTrust({
      clock,
      log,
      vouchers,
      bootRecord,
      floor: {
        load: () => this.#survival.try(() => store?.meta.number(FLOOR_KEY)) ?? null,
        save: (floorMs) => store?.group(() => store.meta.set(FLOOR_KEY, floorMs)),
      },
    });
    const grace = new ClockGrace({
      clock,
      log,
      graceMs: facility.policy.clockGraceMs,
      store: {
        load: () => this.#survival.try(() => store?.meta.number(GRACE_KEY)) ?? null,
        save: (spentMs) => store?.now(() => store.meta.set(GRACE_KEY, spentMs)),
      },
    });
    this.#grace = grace;
    grace.follow(this.#clockTrust.state().trusted);
    this.#clockTrust.onChange((state) => {
      grace.follow(state.trusted);
      const event = newEvent(state.trusted ? 'agent.clock_trusted' : 'agent.clock_untrusted', { reason: state.reason });
      this.#survival.try(() => store?.group(() => store.events.add(event, clock.nowMs())));
      // What waited for a trustworthy time: starts that came meanwhile, ends that are overdue.
      this.#sync?.wake(facility.controllers.map((controller) => controller.name));
      this.#touchState();
    });
    // Nobody waits for whoever vouches: doors are served meanwhile, by the floor.
    void this.#clockTrust.start();
  }

  /** How late it is, and how far that can be relied on. */
  time(): TimeWitness {
    const { clock, facility } = this.#options;
    const state = this.#clockTrust?.state() ?? {
      trusted: false,
      nowMs: clock.nowMs(),
      floorMs: null,
    };
    const isGraceLeft = facility.policy.clockUntrusted === 'judge_by_floor' && this.#grace?.isLeft() === true;
    const floorMs = facility.policy.clockUntrusted === 'judge_by_floor' ? state.floorMs : null;
    return { trusted: state.trusted, nowMs: state.nowMs, floorMs, isGraceLeft };
  }

  #buildSite(store: Store | null): Site {
    const { facility } = this.#options;
    const siteOf = (keyOf: (entrance: EntranceSetup, i: number) => number): Site => {
      const entrances = facility.entrances.map((entrance, i) => ({ ...entrance, entranceKey: keyOf(entrance, i) }));
      const tables = facility.controllers.flatMap((controller): SlotController[] =>
        controller.capabilities.slots === null
          ? []
          : [{ name: controller.name, slots: controller.capabilities.slots, foreignSlots: controller.foreignSlots }],
      );
      return new Site(
        entrances,
        facility.controllers.map((controller) => controller.name),
        tables,
      );
    };
    if (store === null) return siteOf((_entrance, i) => i + 1);
    try {
      return store.now(() => siteOf(({ acsEntranceId, name }) => store.entrances.declare(acsEntranceId, name)));
    } catch (error) {
      if (!isFull(error)) throw error;
      // An entrance that is new in the facility file opens for nobody until it can be stored, at the next start.
      return siteOf(({ acsEntranceId }, i) => store.entrances.byId(acsEntranceId)?.entrance_key ?? -1 - i);
    }
  }

  #buildDrivers(): void {
    const { facility, drivers, clock, random, log, openPort } = this.#options;
    const store = this.#store;
    if (store !== null)
      store.readerKeys.onInstalled = (device, how) => {
        const body = { acs_system_id: facility.acsSystemId, device, how };
        store.events.add(newEvent('device.key_installed', body), clock.nowMs());
      };
    for (const bus of facility.buses) {
      const module = drivers.find((driver) => driver.name === bus.driver);
      if (module === undefined)
        throw new Error(`the facility file was checked against a driver ${bus.driver} that is not here`);
      const controllers = facility.controllers
        .filter((controller) => controller.bus === bus.name)
        .map(({ name, config, capabilities, prepared }): PreparedController => ({
          name,
          config,
          capabilities,
          prepared,
        }));
      const driver = module.create(bus.name, bus.config, controllers, {
        clock,
        random,
        log: log.child({ bus: bus.name }),
        openPort,
        emit: (event) => this.#survival.try(() => this.#onDriverEvent(event)),
        ...(this.#store === null ? {} : { readerKeys: this.#store.readerKeys }),
      });
      this.#drivers.push(driver);
      for (const [name, device] of driver.devices) this.#devices.set(name, device);
    }
  }

  // ---- up: what drivers tell ----

  #onDriverEvent(event: DriverEvent): void {
    if (event.type === 'presented') this.#access?.presented(event);
    else if (event.type === 'input') this.#access?.input(event);
    else if (event.type === 'output') this.#access?.output(event);
    else if (event.type === 'bus_disturbed') {
      this.#recorder?.note(...busNews(event, this.#options.facility.acsSystemId));
      this.#touchState();
    } else this.#onDeviceEvent(event);
  }

  #onDeviceEvent(event: Exclude<DriverEvent, { type: 'presented' | 'input' | 'output' | 'bus_disturbed' }>): void {
    const { log } = this.#options;
    const record = <T extends DeviceEventType>(type: T, more: DeviceBody<T>): void =>
      this.#recordDevice(type, event.device, more);
    switch (event.type) {
      case 'online':
        record('device.connected', {});
        this.#sync?.deviceOnline(event.device);
        break;
      case 'offline':
        record('device.disconnected', { error_code: 'device_disconnected', message: event.reason });
        break;
      case 'restarted':
        record('device.power', { restarted: true });
        this.#sync?.deviceRestarted(event.device);
        break;
      case 'tamper':
        record('device.tampered', { active: event.active });
        break;
      case 'power':
        record('device.power', { failed: event.failed });
        break;
      case 'identity_changed':
        record('device.identity_changed', { expected: event.expected, found: event.found });
        break;
      case 'secure_channel_lost':
        record('device.secure_channel_lost', { message: event.reason });
        break;
      case 'clear_text_card':
        record('device.clear_text_card', {});
        break;
      case 'fault':
        this.#noteFault(event);
        record('device.fault', { code: event.code, message: event.message, cleared: event.cleared });
        if (!event.cleared) log.warn(event.message, { device: event.device, fault: event.code });
        break;
    }
    this.#touchState();
  }

  #recordDevice<T extends DeviceEventType>(type: T, device: string, more: DeviceBody<T>): void {
    const source = { acs_system_id: this.#options.facility.acsSystemId, acs_entrance_id: null, device };
    this.#recorder?.note(source, [newEventAt(type, { acs_system_id: source.acs_system_id, device }, more)]);
  }

  #noteFault(event: Omit<DriverEvent & { type: 'fault' }, 'type'>): void {
    const faults = this.#problems.get(event.device) ?? new Map<string, string>();
    if (event.cleared) faults.delete(event.code);
    else faults.set(event.code, event.message);
    this.#problems.set(event.device, faults);
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

  #openOperations(): Readonly<Record<string, Operations>> {
    const { clock, drivers, facility } = this.#options;
    const ports: OperationPorts = {
      clock,
      drivers: this.#drivers,
      busConfig: (name) => facility.buses.find((bus) => bus.name === name)?.config,
      recordDevice: (type, device, more) => this.#recordDevice(type, device, more),
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
    return this.#options.facility.controllers.flatMap((controller) => this.#controllerView(controller) ?? []);
  }

  #controllerView({ name, driver, bus }: ControllerSetup): ControllerView | null {
    const device = this.#devices.get(name);
    if (device === undefined) return null;
    const { slots } = device.capabilities;
    const load = slots === null ? null : this.#ask((store) => store.targets.loadOf(name));
    const foreign = this.#ask((store) => store.targets.foreignCount(name)) ?? 0;
    return {
      name,
      driver,
      bus,
      status: device.status(),
      slots:
        slots === null || load === null
          ? null
          : { used: load.used, total: slots.count, pending: load.pending, foreign },
      problems: [...(this.#problems.get(name)?.values() ?? []), ...(this.#sync?.problemsOf(name) ?? [])],
    };
  }

  /** Clock as operators see it, and the way to accept a leap. */
  get clockTrust(): ClockTrust | null {
    return this.#clockTrust;
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

  #states(site: Site, doors: Access): StateSource[] {
    const { acsSystemId } = this.#options.facility;
    return [
      {
        topic: this.#topics.state('agent'),
        read: () => this.#agentState(),
        restless: ['outbox_depth', 'sequence', 'revision', 'generation', 'broker_counts'],
      },
      { topic: this.#topics.state('sync'), read: () => this.#ask((store) => this.#syncState(store)), restless: [] },
      ...site.entrances.map((entrance) => ({
        topic: this.#topics.state(`entrances/${entrance.name}`),
        read: () => entranceObject({ site, doors, acsSystemId }, entrance),
        restless: [],
      })),
      ...this.#options.facility.controllers.map((controller) => ({
        topic: this.#topics.state(`controllers/${controller.name}`),
        read: () => this.#controllerState(controller.name),
        restless: ['counters'],
      })),
      ...busStates(this.#drivers, (bus) => this.#topics.state(`buses/${bus}`)),
    ];
  }

  #agentState(): Record<string, unknown> {
    const { version, facility } = this.#options;
    const outbox = this.#ask(() => this.#uplink?.outbox());
    const broker = this.#uplink?.report();
    return {
      online: true,
      version,
      ...this.#identity(),
      time_zone: facility.timeZone,
      clock: this.time().trusted ? 'trusted' : 'untrusted',
      outbox_depth: outbox?.depth ?? 0,
      outbox_blocked: outbox?.blocked ?? null,
      broker_problem: broker?.problem ?? broker?.warnings[0] ?? null,
      broker_counts: broker?.counts ?? {},
      sequence: this.#ask((store) => store.events.lastSequence()) ?? 0,
      revision: this.#ask((store) => store.revision()) ?? 0,
      generation: this.#ask((store) => store.generation.generation) ?? 0,
      storage: this.#storageWord(),
      storage_problem: this.refusal ?? this.#tamperWatch?.problem() ?? null,
    };
  }

  #storageWord(): string {
    if (this.refusal !== null) return this.#refusalType === 'internal' ? 'storage_refused' : this.#refusalType;
    const condition = this.#store?.condition ?? 'ok';
    if (condition !== 'ok') return `storage_${condition}`;
    if (this.#tamperWatch?.isTampered === true) return 'storage_tampered';
    return this.#recorder?.isDegraded === true ? 'storage_degraded' : 'ok';
  }

  /** Tells this agent from another one under the same name, to people and to that other. */
  #identity(): { started_at: string; host: string } {
    return { started_at: new Date(this.#startedAtMs).toISOString(), host: hostname() };
  }

  #syncState(store: Store): Record<string, unknown> {
    const summary = store.targets.summary();
    const oldest = summary.oldest_pending_erasure_at;
    return {
      revision: store.revision(),
      digest: store.digest.read().digest,
      pending: summary.pending,
      unconfirmed: summary.unconfirmed,
      failed: summary.failed,
      oldest_pending_erasure_at: oldest === null ? null : new Date(oldest).toISOString(),
    };
  }

  #controllerState(name: string): Record<string, unknown> {
    const setup = this.#options.facility.controllers.find((controller) => controller.name === name);
    const view = setup === undefined ? null : this.#controllerView(setup);
    return view === null ? { controller: name, online: false } : controllerObject(view);
  }

  /** One look at everything, for `lintel status` on the gateway. */
  status(): Record<string, unknown> {
    return {
      facility: this.#options.facility.name,
      ...this.#agentState(),
      refusal: this.refusal,
      broker: this.#uplink?.report() ?? { connected: false, problem: null, warnings: [] },
      health: this.health.report(),
      clock_reason: this.#clockTrust?.state().reason ?? null,
      buses: busObjects(this.#drivers),
      controllers: this.controllers().map(controllerObject),
    };
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
