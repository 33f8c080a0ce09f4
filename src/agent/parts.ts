// What an agent is made of, put together: every part is a value, made once, and handed what it needs as a port. Nothing
// here runs yet; the agent starts and stops it.

import { Access } from '../access/access.ts';
import { Recorder } from '../access/recorder.ts';
import { Dispatcher } from '../commands/dispatcher.ts';
import type { Room } from '../commands/room.ts';
import { expireSnapshot } from '../commands/snapshots/snapshots.ts';
import type { Cron } from '../domain/cron.ts';
import type { DriverModule } from '../domain/driver-module.ts';
import { OperatingError, type ApiError } from '../domain/errors.ts';
import { newEvent } from '../domain/events.ts';
import type { Facility } from '../domain/facility.ts';
import type { OperationPorts, Operations } from '../domain/operations.ts';
import type { Clock, Device, Driver, Log, OpenPort, Random, SlotContent } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import type { OpenLink } from '../mqtt/link.ts';
import { Topics } from '../mqtt/topics.ts';
import type { BootRecord, Voucher } from '../ops/clock-trust.ts';
import type { Health } from '../ops/health.ts';
import { inWorkers, type Background } from '../store/background.ts';
import { explainOpening } from '../store/open.ts';
import { Store } from '../store/store.ts';
import { certainInstant } from '../sync/desired.ts';
import { Sync } from '../sync/sync.ts';
import { Checkpoints } from './checkpoints.ts';
import { DeviceEvents, Faults } from './device-events.ts';
import { buildDrivers } from './drivers.ts';
import { buildSite } from './site.ts';
import { SignedKeys } from './signed-keys.ts';
import { States } from './states.ts';
import { StorageWatch } from './storage-watch.ts';
import type { Survival } from './survival.ts';
import { TamperWatch } from './tamper-watch.ts';
import { wordFromAbove } from './word.ts';
import type { WordFromAbove } from '../access/word-from-above.ts';
import { TimeKeeper } from './time-keeper.ts';
import { sealing, Upkeep } from './upkeep.ts';
import { Uplink } from './uplink.ts';

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
  /** How the broker is reached; left out: over MQTT. */
  openLink?: OpenLink;
  /** Who looks at the database while doors are served; left out: worker threads. */
  background?: Background;
};

/** Why the database is refused, since the start or since it was found damaged; null: it is not. */
export type Refusal = { now: ApiError | null };

/** What lives on the database: there is none of it where that was refused at the start. */
export type Served = {
  store: Store;
  sync: Sync;
  dispatcher: Dispatcher;
  storageWatch: StorageWatch;
  tamperWatch: TamperWatch;
  upkeep: Upkeep;
};

export type Parts = {
  site: Site;
  keeper: TimeKeeper;
  recorder: Recorder;
  word: WordFromAbove;
  access: Access;
  drivers: readonly Driver[];
  devices: ReadonlyMap<string, Device>;
  operations: Readonly<Record<string, Operations>>;
  states: States;
  uplink: Uplink;
  served: Served | null;
};

/** What the whole agent shares. */
export type Setting = { options: AgentOptions; survival: Survival; health: Health; refusal: Refusal };

/** Parts that are made after those who speak to them: until then there is nobody to hear it. */
type Late = { sync: Sync | null; uplink: Uplink | null; keeper: TimeKeeper | null; signedKeys: SignedKeys | null };

export function compose(setting: Setting): Parts {
  const late: Late = { sync: null, uplink: null, keeper: null, signedKeys: null };
  const building = openBuilding(setting, () => late.keeper?.now().trusted === true);
  try {
    return assemble(setting, building, late);
  } catch (error) {
    building.store?.close();
    throw error;
  }
}

function assemble(setting: Setting, { site, store }: Building, late: Late): Parts {
  const { options, survival } = setting;
  const { facility, clock, log, vouchers, bootRecord } = options;
  const touch = (): void => late.uplink?.touch();
  const keeper = new TimeKeeper({
    clock,
    log,
    vouchers,
    bootRecord,
    policy: facility.policy,
    store,
    survival,
    // What waited for a trustworthy time: starts that came meanwhile, ends that are overdue.
    onChange: () => {
      late.sync?.wake(facility.controllers.map((controller) => controller.name));
      touch();
    },
  });
  late.keeper = keeper;

  const recorder = new Recorder(store, clock, log);
  const faults = new Faults();
  const devices = new Map<string, Device>();
  const word = wordFromAbove({
    facility,
    store,
    clock,
    log,
    time: () => keeper.now(),
    record: (events) => void recorder.record(events),
    onChange: touch,
  });
  const access = new Access({
    site,
    store,
    recorder,
    policy: facility.policy,
    modeInputs: facility.modeInputs,
    clock,
    log,
    device: (name) => devices.get(name),
    cardFormatsOf: (name) => facility.controllers.find((controller) => controller.name === name)?.cardFormats ?? [],
    time: () => keeper.now(),
    acsSystemId: facility.acsSystemId,
    timeZone: facility.timeZone,
    offlineForMs: () => word.forMs(),
    onChange: touch,
    problem: (device, problem) => {
      faults.note({ device, code: 'presentations_dropped', message: problem ?? '', cleared: problem === null });
      touch();
    },
    wake: (controllers) => late.sync?.wake(controllers),
    takeToken: (token, key) => (late.signedKeys === null ? 'store_unavailable' : late.signedKeys.take(token, key)),
  });
  const deviceEvents = new DeviceEvents(
    { acsSystemId: facility.acsSystemId, log, recorder, access, sync: () => late.sync, onChange: touch },
    faults,
  );
  const drivers = buildDrivers(
    options,
    store,
    (event) => survival.try(() => deviceEvents.take(event)),
    (key, reader) => late.signedKeys?.wants(key, reader) ?? false,
  );
  for (const driver of drivers) for (const [name, device] of driver.devices) devices.set(name, device);

  const { mqtt, name } = facility;
  const topics = new Topics(mqtt.topicPrefix, name, mqtt.eventTopics);
  const base: Base = { ...setting, topics, word, site, keeper, recorder, access, drivers, devices, late, touch };
  const states = makeStates(base, store, faults, () => served);
  const served = store === null ? null : serve(base, store, states);
  late.sync = served?.sync ?? null;
  const uplink = makeUplink(base, states, served);
  late.uplink = uplink;
  const operations = offeredBy(options, drivers, deviceEvents);
  return { site, keeper, recorder, word, access, drivers, devices, operations, states, uplink, served };
}

type Base = Setting &
  Pick<Parts, 'site' | 'keeper' | 'recorder' | 'access' | 'drivers' | 'devices'> & {
    topics: Topics;
    word: WordFromAbove;
    late: Late;
    touch: () => void;
  };

type Building = { site: Site; store: Store | null };

/** The building, with the database that knows it where that can be used. */
function openBuilding(
  { options, refusal }: Setting,
  isTimeTrusted: () => boolean,
): { site: Site; store: Store | null } {
  const { facility, clock, random, env, log } = options;
  let store: Store | null = null;
  try {
    store = new Store({
      path: facility.store.path,
      masterKey: facility.store.masterKey,
      env,
      clock,
      random,
      acsSystemId: facility.acsSystemId,
      clockState: () => (isTimeTrusted() ? 'trusted' : 'untrusted'),
    });
    for (const file of store.tightened) log.warn('others could read this file until now', { file });
    for (const backup of store.backups)
      log.info('the database was brought forward; before that it was backed up', { backup });
    const site = buildSite(facility, store);
    // What the doors read when they start: damage there is a refusal like any other.
    store.guesses.all();
    return { site, store };
  } catch (error) {
    const found = store === null ? error : explainOpening(store.path, error);
    if (!(found instanceof OperatingError)) throw error;
    store?.close();
    // Nobody is let in, but whoever is inside gets out: the doors start without it.
    refusal.now = { type: found.type, message: found.message };
    log.error(
      `${found.message.replace(/\.?$/, '.')} Until then: no access is granted and no command is taken; request-to-exit works, but for buttons at OSDP readers under a key.`,
    );
    return { site: buildSite(facility, null), store: null };
  }
}

/** What lives on the database. */
function serve(base: Base, store: Store, states: States): Served {
  const { options, survival, site, keeper, recorder, access, devices, topics, late, touch } = base;
  const { facility, clock, random, cron, log, background = inWorkers } = options;
  const { acsSystemId } = facility;
  const sync = new Sync({
    store,
    site,
    devices,
    clock,
    random,
    log,
    time: () => keeper.now(),
    preloadMs: facility.policy.preloadMs,
    arrivalMs: facility.policy.arrivalMs,
    acsSystemId,
    eventBudgets: recorder.budgets,
    onChange: touch,
  });
  const room = roomOf(base, store, sync, states);
  late.signedKeys = new SignedKeys(room);
  late.signedKeys.forgetOthers();
  const dispatcher = new Dispatcher(room, {
    replyTopicFor: (commandId) => topics.reply(commandId),
    mostReplyBytes: () => late.uplink?.mostReplyBytes() ?? Infinity,
    replyLate: (reply) => late.uplink?.reply(reply),
  });
  const tamperWatch = new TamperWatch({
    store,
    background,
    clock,
    log,
    record: (events, change) => void recorder.record(events, change),
    onChange: touch,
  });
  const upkeep = new Upkeep({
    store,
    background,
    clock,
    cron,
    random,
    log,
    timeZone: facility.timeZone,
    eventsKeepMs: facility.store.eventsKeepMs,
    eventsMax: facility.store.eventsMax,
    eventsMaxBytes: facility.store.eventsMaxBytes,
    endedKeepMs: facility.store.endedKeepMs,
    certainNowMs: () => certainInstant(keeper.now()),
    onEventsTrimmed: () => late.uplink?.skipForgotten(),
    // Found by the check behind the doors, while the file still answers: its last event is that of its damage.
    onDamage: (problems) => {
      const body = { acs_system_id: acsSystemId, how: 'damaged' as const, problems };
      const event = newEvent('agent.storage_damaged', body);
      survival.try(() => store.now(() => store.events.add(event, clock.nowMs())));
      store.condemn(problems);
    },
    compareControllers: () => sync.compareAll(),
    expireSnapshot: () => expireSnapshot(room, clock.nowMs()),
    seal: sealing(facility, options.version, clock),
    verifyRows: async () => await tamperWatch.verify(),
  });
  // Damage that shows itself while doors are served leads to what damage at the start leads to.
  const storageWatch = new StorageWatch({
    store,
    recorder,
    clock,
    log,
    acsSystemId,
    onDamage: (problem) => {
      base.refusal.now = { type: 'storage_damaged', message: problem };
      access.refuse('store_unavailable');
    },
    carryOutHeld: () => survival.try(() => dispatcher.carryOutHeld()) ?? true,
    afterRecovery: () => late.uplink?.redeliver(),
    afterDamage: () => {
      void sync.stop();
      void upkeep.stop();
    },
    onChange: touch,
  });
  return { store, sync, dispatcher, storageWatch, tamperWatch, upkeep };
}

function roomOf(base: Base, store: Store, sync: Sync, states: States): Room {
  const { options, site, keeper, access, devices } = base;
  const { facility, clock, random, log } = options;
  const encode = (name: string, content: SlotContent): void => {
    const device = devices.get(name);
    const first = device?.capabilities.slots?.firstSlot;
    if (first !== undefined) device?.slots?.image(first, content);
  };
  return {
    store,
    site,
    clock,
    random,
    log,
    policy: facility.policy,
    acsSystemId: facility.acsSystemId,
    credentialManagers: facility.credentialManagers,
    timeZone: facility.timeZone,
    time: () => keeper.now(),
    heard: (issuedAtMs) => base.word.commandCame(issuedAtMs),
    doors: access,
    encoders: access.scans,
    sync,
    controllers: { list: () => states.controllers(), encode },
    receipts: () => base.late.uplink?.receipts ?? null,
  };
}

function makeStates(base: Base, store: Store | null, faults: Faults, served: () => Served | null): States {
  const { options, survival, refusal, health, keeper, recorder, drivers, devices, topics, late } = base;
  const tampered = (): TamperWatch | null => served()?.tamperWatch ?? null;
  const storageWord = (): string => {
    if (refusal.now !== null) return refusal.now.type === 'internal' ? 'storage_refused' : refusal.now.type;
    const condition = store?.condition ?? 'ok';
    if (condition !== 'ok') return `storage_${condition}`;
    if (tampered()?.isTampered === true) return 'storage_tampered';
    return recorder.isDegraded ? 'storage_degraded' : 'ok';
  };
  return new States({
    facility: options.facility,
    version: options.version,
    topics,
    startedAtMs: options.clock.nowMs(),
    health,
    drivers,
    devices,
    faults,
    keeper,
    uplink: () => late.uplink,
    checkpoints: new Checkpoints(options.facility.name, options.clock),
    ask: (question) => (store === null || refusal.now !== null ? null : (survival.try(() => question(store)) ?? null)),
    storage: () => ({ word: storageWord(), problem: refusal.now?.message ?? tampered()?.problem() ?? null }),
    refusal: () => refusal.now?.message ?? null,
    withoutWordMs: () => base.word.forMs(),
    nowMs: () => options.clock.nowMs(),
    syncProblemsOf: (controller) => late.sync?.problemsOf(controller) ?? [],
  });
}

function makeUplink(base: Base, states: States, served: Served | null): Uplink {
  const { options, survival, refusal, site, access, topics } = base;
  const { facility, clock, random, log, env, brokerFolder } = options;
  return new Uplink({
    facility,
    clock,
    random,
    log,
    env,
    brokerFolder,
    openLink: options.openLink,
    survival,
    topics,
    served,
    refusal: () => refusal.now,
    states: states.sources(site, access),
    identity: states.identity(),
    onListening: (isListening) => base.word.listening(isListening),
  });
}

/** What drivers offer to operators beyond the common contract, by the driver's name. */
function offeredBy(
  { clock, drivers: modules, facility }: AgentOptions,
  drivers: readonly Driver[],
  events: DeviceEvents,
): Readonly<Record<string, Operations>> {
  const ports: OperationPorts = {
    clock,
    drivers,
    busConfig: (name) => facility.buses.find((bus) => bus.name === name)?.config,
    recordDevice: (type, device, more) => events.record(type, device, more),
  };
  return Object.fromEntries(modules.flatMap((one) => (one.operations ? [[one.name, one.operations(ports)]] : [])));
}
