// The synchronisation of the whole house: one worker per controller that holds credentials, one collector per device
// that keeps events, and the record of ended credentials. Commands and drivers wake it; it never asks them.

import type { Clock, Device, Log, Random } from '../domain/ports.ts';
import type { EventBudgets } from '../domain/event-budget.ts';
import { OperatingError } from '../domain/errors.ts';
import type { Site } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { Announcer } from './announcer.ts';
import { Arrival } from './arrival.ts';
import { Collector } from './collector.ts';
import type { CompareResult } from './comparison.ts';
import { Expiry } from './expiry.ts';
import { Followers } from './followers.ts';
import { Stopped } from './post.ts';
import { abandonUnknown } from './setup.ts';
import { Worker } from './worker.ts';

export type SyncOptions = {
  store: Store;
  site: Site;
  devices: ReadonlyMap<string, Device>;
  clock: Clock;
  random: Random;
  log: Log;
  time: () => TimeWitness;
  preloadMs: number;
  /** How long ahead of its start a credential must be where it opens; 0: nobody asks. */
  arrivalMs: number;
  acsSystemId: string;
  /** How much of what controllers cause is told one by one. */
  eventBudgets: EventBudgets;
  /** Something that the controller's state shows has changed. */
  onChange: (controller: string) => void;
};

export type SyncStatus = {
  used: number;
  pending: number;
  foreign: number;
  isComparing: boolean;
  /** The last full comparison; null: none yet, and until then nothing is written. */
  compared: { atMs: number; compared: number; differing: number } | null;
  /** Why nothing gets through, for people. */
  problem: string | null;
};

export type Hindrance = { type: 'controller_offline' | 'timed_out'; message: string };

export class Sync {
  readonly #options: SyncOptions;
  readonly #workers = new Map<string, Worker>();
  readonly #collectors = new Map<string, Collector>();
  readonly #expiry: Expiry;
  readonly #followers: Followers;
  readonly #arrival: Arrival;
  #isStopping = false;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#expiry = new Expiry(options);
    this.#arrival = new Arrival(options);
    this.#followers = new Followers({ ...options, wake: (controllers) => this.#wakeWorkers(controllers) });
    for (const device of options.devices.values()) this.#employ(device);
  }

  #employ(device: Device): void {
    const { store, site, clock, log, acsSystemId, eventBudgets } = this.#options;
    const ownLog = log.child({ controller: device.name });
    if (device.events !== null) {
      const wake = (controllers: readonly string[]): void => this.wake(controllers);
      const options = { store, site, device, events: device.events, clock, log: ownLog, acsSystemId, wake };
      this.#collectors.set(device.name, new Collector({ ...options, eventBudgets }));
    }
    const controller = site.slotController(device.name);
    if (controller === undefined || device.slots === null) return;
    const worker = new Worker({
      ...this.#options,
      controller,
      device,
      slots: device.slots,
      log: ownLog,
      announcer: new Announcer(store, site, acsSystemId, eventBudgets),
      drainEvents: async () => await this.#collectors.get(device.name)?.drain(),
      onChange: () => this.#options.onChange(device.name),
    });
    this.#workers.set(device.name, worker);
  }

  start(): void {
    void this.#abandon();
    for (const worker of this.#workers.values()) worker.start();
    for (const collector of this.#collectors.values()) collector.start();
    this.#expiry.start();
    this.#followers.start();
    this.#arrival.start();
  }

  /** Resolves when nothing here touches the store any more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#expiry.stop();
    this.#followers.stop();
    this.#arrival.stop();
    for (const collector of this.#collectors.values()) collector.stop();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
  }

  /** Something about credentials of these controllers changed, durably. */
  wake(controllers: readonly string[]): void {
    this.#followers.wake();
    this.#wakeWorkers(controllers);
  }

  #wakeWorkers(controllers: readonly string[]): void {
    for (const name of controllers) this.#workers.get(name)?.wake();
  }

  deviceOnline(name: string): void {
    this.#workers.get(name)?.deviceOnline();
  }

  /** The device lost its memory, or says that it restarted. */
  deviceRestarted(name: string): void {
    this.#collectors.get(name)?.forgetCursor();
    this.#workers.get(name)?.deviceRestarted();
  }

  /** A full comparison now; rejects with `controller_offline`, or `not_supported` for a controller without slots. */
  async resync(controller: string): Promise<CompareResult> {
    const worker = this.#workers.get(controller);
    if (worker === undefined)
      throw new OperatingError('not_supported', `controller ${controller} holds no credentials`);
    return await worker.resync();
  }

  /** Why a row that is on its way to this controller has not arrived, as far as is known. */
  hindranceOf(controller: string, targetKey: number): Hindrance | null {
    return this.#workers.get(controller)?.hindranceOf(targetKey) ?? null;
  }

  /** Why nothing gets through to a controller that is online. */
  problemsOf(controller: string): string[] {
    const problem = this.#workers.get(controller)?.problem ?? null;
    const isOnline = this.#options.devices.get(controller)?.status().online === true;
    return problem === null || !isOnline ? [] : [`its table: ${problem}`];
  }

  /** The nightly full comparison of every controller, each as soon as it can. */
  compareAll(): void {
    for (const worker of this.#workers.values()) worker.compare('nightly');
  }

  /** Null for a controller without slots. */
  status(controller: string): SyncStatus | null {
    const worker = this.#workers.get(controller);
    if (worker === undefined) return null;
    const { store } = this.#options;
    const { compared_at: atMs, compared, differing } = store.controllers.get(controller);
    return {
      ...store.targets.loadOf(controller),
      foreign: store.foreignSlots.count(controller),
      isComparing: worker.isComparing,
      compared: atMs === null ? null : { atMs, compared: compared ?? 0, differing: differing ?? 0 },
      problem: worker.problem,
    };
  }

  async #abandon(): Promise<void> {
    const { store, site, clock, log } = this.#options;
    try {
      await abandonUnknown({ store, clock, isStopping: () => this.#isStopping }, site, log);
    } catch (error) {
      if (!(error instanceof Stopped) && !isStorageError(error)) throw error;
    }
  }
}
