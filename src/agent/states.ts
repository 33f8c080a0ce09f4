// What the agent says of itself and of its building: the retained states, and one look at everything for `lintel
// status`.

import { hostname } from 'node:os';
import type { Access } from '../access/access.ts';
import { areaObject } from '../commands/area-object.ts';
import { controllerObject } from '../commands/controllers.ts';
import { entranceObject } from '../commands/entrance-object.ts';
import type { ControllerView } from '../commands/room.ts';
import type { ControllerSetup, Facility } from '../domain/facility.ts';
import type { Device, Driver } from '../domain/ports.ts';
import type { Site } from '../domain/site.ts';
import type { StateSource } from '../mqtt/state.ts';
import type { Topics } from '../mqtt/topics.ts';
import type { Health } from '../ops/health.ts';
import type { Store } from '../store/store.ts';
import { busObjects, busStates } from './bus-watch.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { Faults } from './device-events.ts';
import type { TimeKeeper } from './time-keeper.ts';
import type { Uplink } from './uplink.ts';

/** The agent, as far as it is told of. */
export type Told = {
  facility: Facility;
  version: string;
  topics: Topics;
  startedAtMs: number;
  health: Health;
  drivers: readonly Driver[];
  devices: ReadonlyMap<string, Device>;
  faults: Faults;
  keeper: TimeKeeper;
  uplink: () => Uplink | null;
  /** What the database says; null where there is none that could. */
  ask: <T>(question: (store: Store) => T) => T | null;
  checkpoints: Checkpoints;
  /** `ok`, or what is wrong with the database, and in words. */
  storage: () => { word: string; problem: string | null };
  refusal: () => string | null;
  /** How long nobody above was heard; null: somebody is. */
  withoutWordMs: () => number | null;
  nowMs: () => number;
  /** What keeps its table from being brought up to date. */
  syncProblemsOf: (controller: string) => readonly string[];
};

/** Objects as under `state/…`; `sync` null: the database is refused. */
export type Measured = {
  entrances: Record<string, unknown>[];
  areas: Record<string, unknown>[];
  sync: Record<string, unknown> | null;
};

export class States {
  readonly #told: Told;

  constructor(told: Told) {
    this.#told = told;
  }

  sources(site: Site, doors: Access): StateSource[] {
    const { facility, topics, drivers, ask, checkpoints } = this.#told;
    const { acsSystemId } = facility;
    return [
      {
        topic: topics.state('agent'),
        read: () => this.#agent(),
        restless: [
          'outbox_depth',
          'event_receiver',
          'without_word_since',
          'sequence',
          'revision',
          'generation',
          'broker_counts',
        ],
      },
      { topic: topics.state('sync'), read: () => ask(syncState), restless: [] },
      {
        topic: topics.state('audit'),
        read: () => ask((store) => ({ facility: facility.name, ...checkpoints.read(store) })),
        restless: ['sequence', 'hash', 'signed_at', 'signature'],
      },
      ...site.entrances.map((entrance) => ({
        topic: topics.state(`entrances/${entrance.name}`),
        read: () => entranceObject({ site, doors, acsSystemId }, entrance),
        restless: [],
      })),
      ...site.areas.map((area) => ({
        topic: topics.state(`areas/${area.name}`),
        read: () => ask((store) => areaObject({ store, acsSystemId }, area)),
        restless: [],
      })),
      ...facility.controllers.map((controller) => ({
        topic: topics.state(`controllers/${controller.name}`),
        read: () => this.#controller(controller),
        restless: ['counters'],
      })),
      ...busStates(drivers, (bus) => topics.state(`buses/${bus}`)),
    ];
  }

  /** One look at everything, for `lintel status` on the gateway. */
  status(): Record<string, unknown> {
    const { facility, refusal, uplink, health, keeper, drivers } = this.#told;
    return {
      facility: facility.name,
      ...this.#agent(),
      refusal: refusal(),
      broker: uplink()?.report() ?? { connected: false, problem: null, warnings: [] },
      health: health.report(),
      clock_reason: keeper.trust.state().reason,
      buses: busObjects(drivers),
      controllers: this.controllers().map(controllerObject),
    };
  }

  /** What is measured beside that, as under `state/…`. */
  measures(site: Site, doors: Access): Measured {
    const { facility, ask } = this.#told;
    const { acsSystemId } = facility;
    return {
      entrances: site.entrances.map((entrance) => entranceObject({ site, doors, acsSystemId }, entrance)),
      areas: site.areas.flatMap((area) => ask((store) => areaObject({ store, acsSystemId }, area)) ?? []),
      sync: ask(syncState),
    };
  }

  /** Tells this agent from another one under the same name, to people and to that other. */
  identity(): { started_at: string; host: string } {
    return { started_at: new Date(this.#told.startedAtMs).toISOString(), host: hostname() };
  }

  controllers(): ControllerView[] {
    return this.#told.facility.controllers.flatMap((controller) => this.#view(controller) ?? []);
  }

  #agent(): Record<string, unknown> {
    const { version, facility, uplink, ask, storage, keeper } = this.#told;
    const outbox = ask(() => uplink()?.outbox());
    const broker = uplink()?.report();
    const { word, problem } = storage();
    return {
      online: true,
      version,
      ...this.identity(),
      time_zone: facility.timeZone,
      clock: keeper.now().trusted ? 'trusted' : 'untrusted',
      outbox_depth: outbox?.depth ?? 0,
      outbox_blocked: outbox?.blocked ?? null,
      event_receiver: ask(() => uplink()?.receipts?.state()) ?? null,
      event_receiver_problem: uplink()?.receipts?.problem() ?? null,
      broker_problem: broker?.problem ?? broker?.warnings[0] ?? null,
      broker_counts: broker?.counts ?? {},
      without_word_since: this.#withoutWordSince(),
      sequence: ask((store) => store.events.lastSequence()) ?? 0,
      revision: ask((store) => store.revision()) ?? 0,
      generation: ask((store) => store.generation.generation) ?? 0,
      storage: word,
      storage_problem: problem,
    };
  }

  /** To the minute: what is reckoned back from now is never twice the same. */
  #withoutWordSince(): string | null {
    const { withoutWordMs, nowMs } = this.#told;
    const forMs = withoutWordMs();
    return forMs === null ? null : new Date(Math.floor((nowMs() - forMs) / 60_000) * 60_000).toISOString();
  }

  #controller(setup: ControllerSetup): Record<string, unknown> {
    const view = this.#view(setup);
    return view === null ? { controller: setup.name, online: false } : controllerObject(view);
  }

  #view({ name, driver, bus }: ControllerSetup): ControllerView | null {
    const { devices, faults, ask, syncProblemsOf } = this.#told;
    const device = devices.get(name);
    if (device === undefined) return null;
    const { slots } = device.capabilities;
    const load = slots === null ? null : ask((store) => store.targets.loadOf(name));
    const foreign = ask((store) => store.foreignSlots.count(name)) ?? 0;
    return {
      name,
      driver,
      bus,
      status: device.status(),
      slots:
        slots === null || load === null
          ? null
          : { used: load.used, total: slots.count, pending: load.pending, foreign },
      problems: [...faults.of(name), ...syncProblemsOf(name)],
    };
  }
}

function syncState(store: Store): Record<string, unknown> {
  const summary = store.targets.summary();
  const oldest = summary.oldest_pending_erasure_at;
  return {
    revision: store.revision(),
    digest: store.digest.read().digest,
    pending: summary.pending,
    unconfirmed: summary.unconfirmed,
    failed: summary.failed,
    oldest_pending_erasure_at: oldest === null ? null : new Date(oldest).toISOString(),
    snapshot: snapshotState(store),
  };
}

function snapshotState({ snapshots }: Store): Record<string, unknown> | null {
  const row = snapshots.present();
  if (row === undefined) return null;
  const { pages, items } = snapshots.size();
  const stage = row.command_id === null ? 'receiving' : row.progress === null ? 'checking' : 'applying';
  const { created = 0, updated = 0, unchanged = 0 } = (JSON.parse(row.progress ?? '{}') as { counts?: Counts }).counts ?? {}; // prettier-ignore
  const { snapshot_id, revision } = row;
  return { snapshot_id, revision, pages, stage, done: created + updated + unchanged, items };
}

type Counts = { created?: number; updated?: number; unchanged?: number };
