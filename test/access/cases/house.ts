// The doors of the cases, awake: a copy of the database with its people, the decisions over it, and devices that only
// note what they are told, or that somebody hands in.

import { randomUUID } from 'node:crypto';
import { vi } from 'vitest';
import { newCounters } from '../../../drivers/kit/counters.ts';
import { Access } from '../../../src/access/access.ts';
import { Judging, type Judgement } from '../../../src/access/judging.ts';
import { Recorder } from '../../../src/access/recorder.ts';
import type { Device, Feedback, Presentation } from '../../../src/domain/ports.ts';
import type { ModeInput } from '../../../src/domain/facility.ts';
import type { Site, SiteEntrance } from '../../../src/domain/site.ts';
import type { TimeWitness } from '../../../src/domain/window.ts';
import type { Store } from '../../../src/store/store.ts';
import { buildRoom, Caller, silentLog, SYSTEM } from '../../support/room.ts';
import { TestSensor } from '../../support/sensor.ts';
import { behindItsBack } from '../../support/store.ts';
import { TIME_ZONE } from './instants.ts';
import { idOf } from './names.ts';
import type { Cast } from './rows.ts';
import type { Copy, PassingClock, Shelf } from './shelf.ts';
import { BOARD, buttonOf, contactOf, INPUTS, policyOf, siteOf } from './site.ts';

/** What was shown where, and which outputs were pulsed. */
export type Seen = { shown: Feedback[]; pulsed: number[] };
export type Options = {
  cast: Cast;
  shelf: Shelf;
  clock: PassingClock;
  /** Readers and the board; left out: such that only note. */
  device?: (name: string) => Device | undefined;
};

const input = (name: string, at: number, mode: ModeInput['mode'], isLatched: boolean): ModeInput => ({
  name, controller: BOARD, input: at, isNormallyClosed: false, mode, isLatched, entrances: null,
}); // prettier-ignore
const MODE_INPUTS = [
  input('fire', INPUTS.fire, 'evacuate', true),
  input('panic', INPUTS.panic, 'lockdown', false),
  input('key', INPUTS.key, 'locked', false),
];

export class House {
  readonly cast: Cast;
  readonly clock: PassingClock;
  readonly seen: Seen = { shown: [], pulsed: [] };
  readonly time: Partial<TimeWitness> = {};
  offlineForMs: number | null = null;
  /** For fingers, at the door that asks for one. */
  readonly sensor = new TestSensor();
  /** What was decided, every gate with it, in the order in which it was asked. */
  readonly judged: Judgement[] = [];
  readonly #options: Options;
  readonly #taken: Copy;
  #store: Store;
  #access: Access;
  #caller: Caller;
  #site: Site;
  readonly #spy: { mockRestore: () => void };

  constructor(options: Options) {
    this.#options = options;
    this.cast = options.cast;
    this.clock = options.clock;
    this.#taken = options.shelf.take(options.clock);
    this.#store = this.#taken.store;
    this.#spy = this.#watch();
    [this.#access, this.#caller, this.#site] = this.#wake(true);
  }

  get access(): Access {
    return this.#access;
  }

  get store(): Store {
    return this.#store;
  }

  /** Another process over the same database. */
  restart(withStore = true): void {
    this.#stop();
    this.#store.close();
    this.#store = this.#options.shelf.open(this.#taken);
    [this.#access, this.#caller, this.#site] = this.#wake(withStore);
  }

  /** The case is over. */
  end(): void {
    this.#stop();
    this.#spy.mockRestore();
    this.#options.shelf.giveBack({ ...this.#taken, store: this.#store });
  }

  #stop(): void {
    this.#access.rest();
    this.#access.stop();
  }

  /** Changes a row while Lintel is not running. */
  behindItsBack(sql: string): void {
    this.#stop();
    this.#store.close();
    behindItsBack(this.#taken.folder, sql);
    this.#store = this.#options.shelf.open(this.#taken);
    [this.#access, this.#caller, this.#site] = this.#wake(true);
  }

  async command(name: string, params: object, source: 'mqtt' | 'local' = 'mqtt'): Promise<void> {
    const envelope = {
      command_id: randomUUID(),
      expires_at: new Date(this.clock.nowMs() + 60_000).toISOString(),
    };
    const { error } = await this.#caller.call(name, params, envelope, { source });
    if (error !== undefined) throw new Error(`${name} ${JSON.stringify(params)}: ${error.message}`);
  }

  present(reader: string, presentation: Presentation): void {
    this.#access.presented({
      type: 'presented',
      device: reader,
      reader: 0,
      presentation,
      atMonotonicMs: this.clock.monotonicMs(),
    });
  }

  input(at: number, active: boolean): void {
    const atMonotonicMs = this.clock.monotonicMs();
    this.#access.input({ type: 'input', device: BOARD, input: at, active, atMonotonicMs, changedAfterMonotonicMs: atMonotonicMs }); // prettier-ignore
  }

  /** The exit button beside a door is pressed, and let go. */
  pressButton(door: string): void {
    const at = buttonOf(Object.keys(this.cast.doors).indexOf(door));
    this.input(at, false);
    this.input(at, true);
    this.input(at, false);
  }

  /** The leaf of a door, as its contact tells it. */
  leaf(door: string, isOpen: boolean): void {
    if (this.cast.doors[door]?.contact !== true) throw new Error(`${door} has no contact`);
    this.input(contactOf(Object.keys(this.cast.doors).indexOf(door)), isOpen);
  }

  /** Why the last one was denied, as its event tells it. */
  deniedWith(): string | null {
    this.store.flush();
    const last = this.store.events.after(0, 10_000).findLast(({ event_type: type }) => type === 'lock.access_denied');
    return last === undefined ? null : (JSON.parse(last.body) as { reason: { detail: string } }).reason.detail;
  }

  /** Events from now on, by their types. */
  listen(): () => string[] {
    const { store } = this;
    const types = (): string[] => {
      store.flush();
      return store.events.after(0, 10_000).map(({ event_type: type }) => type);
    };
    const before = types().length;
    return () => types().slice(before);
  }

  entrance(door: string): SiteEntrance {
    const entrance = this.#site.byId(idOf('door', door));
    if (entrance === undefined) throw new Error(`no door is called ${door}`);
    return entrance;
  }

  witness(): TimeWitness {
    return { trusted: true, nowMs: this.clock.nowMs(), floorMs: null, isGraceLeft: true, ...this.time };
  }

  #wake(withStore: boolean): [Access, Caller, Site] {
    const { cast, clock, device = (name: string) => this.#noting(name) } = this.#options;
    const store = this.#store;
    const { site } = siteOf(store, cast);
    const policy = policyOf(cast);
    const served = withStore ? store : null;
    const access = new Access({
      site,
      store: served,
      recorder: new Recorder(served, clock, silentLog),
      policy,
      modeInputs: MODE_INPUTS,
      clock,
      log: silentLog,
      device,
      cardFormatsOf: (reader) => cast.doors[reader.replace(/ inside$/, '')]?.formats ?? [],
      time: () => this.witness(),
      acsSystemId: SYSTEM,
      timeZone: TIME_ZONE,
      offlineForMs: () => this.offlineForMs,
      onChange: () => undefined,
      problem: () => undefined,
      wake: () => undefined,
    });
    access.start();
    const caller = new Caller({ ...buildRoom(store, clock, policy), site, doors: access, time: () => this.witness() });
    const doors = Object.values(cast.doors);
    const contacts = doors.flatMap(({ contact }, i) => (contact ? [contactOf(i)] : []));
    for (const at of [...Object.values(INPUTS), ...contacts]) {
      const atMonotonicMs = clock.monotonicMs();
      access.input({ type: 'input', device: BOARD, input: at, active: false, atMonotonicMs, changedAfterMonotonicMs: null }); // prettier-ignore
    }
    return [access, caller, site];
  }

  #isSensorAt(reader: string): boolean {
    return this.cast.doors[reader]?.takes === 'card_and_biometric';
  }

  #noting(name: string): Device {
    const { seen } = this;
    const noting: Partial<Device> = {
      status: () => ({ online: true, sinceMs: 0, identity: null, problem: null, counters: newCounters() }),
      capabilities: { slots: null, readers: [], outputs: [], inputs: [], doors: [], clock: false, events: false },
      ...(this.#isSensorAt(name) ? { biometrics: this.sensor } : {}),
      ...(name === BOARD
        ? {}
        : { readers: { feedback: (_reader: number, signal: Feedback) => void seen.shown.push(signal) } }),
      outputs: {
        pulse: (output, _ms, _notAfter, onSent) => {
          seen.pulsed.push(output);
          onSent?.();
          return Promise.resolve({ outcome: 'done', confirmed: true });
        },
        set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
      },
    };
    return noting as Device;
  }

  /** Whatever a door decides, the same ladder is walked to its end as well: both say the same. */
  #watch(): { mockRestore: () => void } {
    const { judged } = this;
    const judge = Object.getOwnPropertyDescriptor(Judging.prototype, 'judge')?.value as Judging['judge'];
    return vi.spyOn(Judging.prototype, 'judge').mockImplementation(function (this: Judging, question) {
      const whole = judge.call(this, { ...question, isExplained: true });
      judged.push(whole);
      const decided = judge.call(this, question);
      if (decided.detail !== whole.detail)
        throw new Error(`the door says ${decided.detail ?? 'granted'}, its explanation ${whole.detail ?? 'granted'}`);
      return decided;
    });
  }
}
