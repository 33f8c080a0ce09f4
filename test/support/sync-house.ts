// A house for the synchronisation: a real database, a controller in memory, commands as the real handlers carry them
// out, and a power switch.

import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { EntranceSetup } from '../../src/domain/facility.ts';
import { EventBudgets } from '../../src/domain/event-budget.ts';
import type { SlotCapabilities, SlotContent } from '../../src/domain/ports.ts';
import { Site } from '../../src/domain/site.ts';
import { createCredential, deleteCredential, updateCredential } from '../../src/commands/credentials.ts';
import type { ControllerView, Outcome, Room } from '../../src/commands/room.ts';
import { createHoliday, deleteHoliday, updateHoliday } from '../../src/commands/holidays.ts';
import { createSchedule, deleteSchedule, updateSchedule } from '../../src/commands/schedules.ts';
import { createUser, deleteUser, suspendUser, unsuspendUser } from '../../src/commands/users.ts';
import { COMMANDS, type ParamsOf } from '../../src/commands/contract.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { Sync } from '../../src/sync/sync.ts';
import { Store } from '../../src/store/store.ts';
import type { TargetRow } from '../../src/store/target-row.ts';
import { MemoryDevice, type MemoryOptions } from './memory-device.ts';
import { ManualClock } from './manual-clock.ts';
import { buildRoom, ENTRANCES, SYSTEM, silentLog, TEST_ASKER, USER, newCredential } from './room.ts';
import { storeOptions, temporaryFolder } from './store.ts';

export const HOUR = 3_600_000;
export const NOON = Date.parse('2026-03-02T12:00:00Z');

export type HouseOptions = Omit<MemoryOptions, 'clock'> & {
  withClock?: boolean;
  foreignSlots?: 'report' | 'erase';
  entrances?: readonly EntranceSetup[];
  devices?: MemoryDevice[];
  /** 0 where it is left out: nobody asks ahead. */
  arrivalMs?: number;
};

const OF_COMMANDS =
  /^(acs_user|acs_credential|schedule|holiday)\.(created|updated|assigned|unassigned|suspended|unsuspended)$/;

export class House {
  folder = temporaryFolder();
  readonly clock = new ManualClock(NOON);
  readonly device: MemoryDevice;
  readonly devices: MemoryDevice[];
  isTrusted = true;
  floorMs: number | null = null;
  entrances: readonly EntranceSetup[];
  store: Store;
  room: Room;
  sync: Sync;
  readonly #dead: Store[] = [];
  readonly #foreignSlots: 'report' | 'erase';
  readonly #arrivalMs: number;

  constructor(options: HouseOptions = {}) {
    this.#foreignSlots = options.foreignSlots ?? 'report';
    this.#arrivalMs = options.arrivalMs ?? 0;
    this.devices = options.devices ?? [
      new MemoryDevice({ ...options, ...(options.withClock === true ? { clock: this.clock } : {}) }),
    ];
    const device = this.devices[0];
    if (device === undefined) throw new Error('a house has a controller');
    this.device = device;
    this.entrances = options.entrances ?? Object.values(ENTRANCES);
    this.store = new Store(storeOptions(this.folder, this.clock));
    this.room = this.#buildRoom();
    this.sync = this.#buildSync();
    if (this.store.users.byId(USER) === undefined)
      this.run(() => createUser(this.room, { acs_user_id: USER, full_name: 'Ada' }, this.call()));
    onTestFinished(() => this.close());
  }

  async close(): Promise<void> {
    await this.sync.stop();
    for (const store of [...this.#dead, this.store]) if (store.isAlive()) store.close();
    this.#dead.length = 0;
  }

  #buildRoom(): Room {
    const { store } = this;
    const base = buildRoom(store, this.clock);
    const site = store.now(
      () =>
        new Site(
          this.entrances.map((setup) => ({
            ...setup,
            entranceKey: store.entrances.declare(setup.acsEntranceId, setup.name),
          })),
          this.devices.map((device) => device.name),
          this.devices.map((device) => ({
            name: device.name,
            slots: device.slotCapabilities,
            foreignSlots: this.#foreignSlots,
          })),
        ),
    );
    const list = (): ControllerView[] =>
      this.devices.map((device) => ({
        name: device.name,
        driver: 'memory',
        bus: 'memory',
        status: device.status(),
        slots: {
          ...store.targets.loadOf(device.name),
          total: device.slotCapabilities.count,
          foreign: store.foreignSlots.of(device.name).length,
        },
        problems: [],
      }));
    const encode = (name: string, content: SlotContent): void => {
      const device = this.devices.find((one) => one.name === name);
      device?.slots.image(device.slotCapabilities.firstSlot, content);
    };
    const policy = { ...base.policy, pinSpace: 'warn' } as const;
    return { ...base, site, policy, time: () => this.time(), controllers: { list, encode } };
  }

  #buildSync(): Sync {
    return new Sync({
      store: this.store,
      site: this.room.site,
      devices: new Map(this.devices.map((device) => [device.name, device])),
      clock: this.clock,
      random: systemRandom,
      log: silentLog,
      time: () => this.time(),
      preloadMs: 72 * HOUR,
      arrivalMs: this.#arrivalMs,
      acsSystemId: SYSTEM,
      eventBudgets: new EventBudgets(
        this.clock,
        (event) => void this.store.now(() => this.store.events.add(event, this.clock.nowMs())),
      ),
      onChange: () => undefined,
    });
  }

  time() {
    return { trusted: this.isTrusted, nowMs: this.clock.nowMs(), floorMs: this.floorMs, isGraceLeft: true };
  }

  call() {
    return {
      nowMs: this.clock.nowMs(),
      commandId: systemRandom.uuid(),
      asker: TEST_ASKER,
    };
  }

  /** A command: one durable transaction, then the synchronisation is woken, as the dispatcher does. */
  run(command: () => Outcome): Outcome {
    const outcome = this.store.now(command);
    this.sync.wake(outcome.wake ?? []);
    return outcome;
  }

  create(params: Partial<ParamsOf<'credentials/create'>> & { code?: string }): string {
    const whole = newCredential(params);
    this.run(() => createCredential(this.room, whole, this.call()));
    return whole.acs_credential_id;
  }

  update(id: string, params: Partial<ParamsOf<'credentials/update'>>): void {
    this.run(() => updateCredential(this.room, { acs_credential_id: id, ...params }, this.call()));
  }

  delete(id: string): void {
    this.run(() => deleteCredential(this.room, { acs_credential_id: id }, this.call()));
  }

  /** Made or changed: `week` as mon-fri 08:00-12:00. */
  schedule(id: string, week: string, onHolidays = 'closed'): void {
    const written = { schedule_id: id, name: `Schedule ${id.slice(-1)}`, week, on_holidays: onHolidays };
    const params = { ...COMMANDS['schedules/create'].params.parse(written), schedule_id: id };
    const isNew = this.store.schedules.byId(id) === undefined;
    this.run(() =>
      isNew ? createSchedule(this.room, params, this.call()) : updateSchedule(this.room, params, this.call()),
    );
  }

  deleteSchedule(id: string): void {
    this.run(() => deleteSchedule(this.room, { schedule_id: id }, this.call()));
  }

  holiday(date: string, everyYear = false): string {
    const id = systemRandom.uuid();
    const params = { holiday_id: id, name: date, date, every_year: everyYear };
    this.run(() => createHoliday(this.room, params, this.call()));
    return id;
  }

  moveHoliday(id: string, date: string): void {
    this.run(() => updateHoliday(this.room, { holiday_id: id, date }, this.call()));
  }

  deleteHoliday(id: string): void {
    this.run(() => deleteHoliday(this.room, { holiday_id: id }, this.call()));
  }

  suspend(id: string = USER): void {
    this.run(() => suspendUser(this.room, { acs_user_id: id }, this.call()));
  }

  unsuspend(id: string = USER): void {
    this.run(() => unsuspendUser(this.room, { acs_user_id: id }, this.call()));
  }

  addUser(id: string): void {
    this.run(() => createUser(this.room, { acs_user_id: id, full_name: 'Bob' }, this.call()));
  }

  deleteUser(id: string): void {
    this.run(() => deleteUser(this.room, { acs_user_id: id }, this.call()));
  }

  /** Stops in good order and starts again; `whileOff` may change the house. */
  async powerCycle(whileOff: () => void = () => undefined): Promise<void> {
    await this.sync.stop();
    this.store.close();
    whileOff();
    this.store = new Store(storeOptions(this.folder, this.clock));
    await this.#restart();
  }

  /** The power goes: what was not committed is gone, whatever was under way never ends. Then it comes back. */
  async kill(): Promise<void> {
    void this.sync.stop();
    for (const device of this.devices) device.hangUp();
    const folder = temporaryFolder();
    for (const file of ['lintel.db', 'lintel.db-wal', 'lintel.generation', 'master.key']) {
      if (existsSync(join(this.folder, file))) copyFileSync(join(this.folder, file), join(folder, file));
    }
    this.#dead.push(this.store);
    this.folder = folder;
    this.store = new Store(storeOptions(folder, this.clock));
    await this.#restart();
  }

  async #restart(): Promise<void> {
    this.room = this.#buildRoom();
    this.sync = this.#buildSync();
    this.sync.start();
    await this.settle();
  }

  offline(): void {
    this.device.isOnline = false;
  }

  online(): void {
    this.device.isOnline = true;
    this.sync.deviceOnline(this.device.name);
  }

  /** So many turns of the loop, wherever that leads. */
  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Until nothing moves any more without time passing. */
  async settle(): Promise<void> {
    let quiet = 0;
    let before = '';
    while (quiet < 12) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const now = `${this.store.commits} ${this.devices.map(({ calls }) => calls.length).join(' ')}`;
      quiet = now === before ? quiet + 1 : 0;
      before = now;
    }
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.settle();
  }

  target(id: string, controller = this.device.name): TargetRow | undefined {
    const key = this.store.credentials.byId(id)?.credential_key;
    return key === undefined
      ? undefined
      : this.store.targets.ofCredential(key).find((row) => row.controller === controller);
  }

  state(id: string, controller = this.device.name): string | undefined {
    return this.target(id, controller)?.state;
  }

  /** What the synchronisation tells; that a command changed something is the command's to tell. */
  events(): {
    event_type: string;
    acs_credential_id?: string;
    controller?: string;
    slot?: number | null;
    reason?: unknown;
  }[] {
    return this.store.events
      .after(0, 100_000)
      .filter((event) => !OF_COMMANDS.test(event.event_type))
      .map((event) => JSON.parse(event.body) as never);
  }

  eventTypes(id?: string): string[] {
    return this.events()
      .filter((event) => id === undefined || event.acs_credential_id === id)
      .map((event) => event.event_type);
  }

  pins(): (string | null)[] {
    return [...this.device.held().values()].map((content) => content.pin).sort();
  }
}

export const without = (slots: Partial<SlotCapabilities> = {}): Partial<SlotCapabilities> => ({
  windows: 'none',
  windowResolutionMs: 0,
  ...slots,
});
