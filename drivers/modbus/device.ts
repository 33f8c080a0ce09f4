// One controller or IO module on a bus: brought up before anything is asked of it (who is it, is it set as it must be,
// outputs where they belong, inputs told), then looked at again and again. A device that is another one than expected
// is never written to.

import type { Bus } from './bus.ts';
import type { BusUnit, UnitSettings } from './bus-terms.ts';
import { deviceClock } from './device-clock.ts';
import { eventLog } from './event-log.ts';
import { Inputs } from './inputs.ts';
import { Outputs } from './outputs.ts';
import { OutputFaults } from './output-faults.ts';
import type { Profile } from './profile-schema.ts';
import { CardReader } from './reader.ts';
import { RecordCodec } from './record.ts';
import { Refusals } from './refusals.ts';
import { Slots } from './slots.ts';
import { Talk, type Failure } from './talk.ts';
import { DeviceLife } from '../kit/device-life.ts';
import type {
  Capabilities,
  Clock,
  Device,
  DeviceClock,
  DeviceStatus,
  DriverContext,
  DriverEvent,
  EventDevice,
  OutputDevice,
  ReaderDevice,
  SlotDevice,
  Timer,
  Keeps,
} from '../../src/domain/ports.ts';

export type DeviceOptions = {
  name: string;
  profile: Profile;
  capabilities: Capabilities;
  unit: UnitSettings;
  inputPeriodMs: number;
  /** How often its outputs are looked at while no transfer waits. */
  lookPeriodMs: number;
  zone: string;
  /** Most registers in one transfer on this bus. */
  transferRegisters: number;
};

/** A device without inputs is looked at this often, so that its absence is noticed. */
const HEARTBEAT_MS = 1_000;
/** However busy the bus is, outputs are looked at this often. */
const LOOK_MOST_MS = 1_000;
/** So long after the last transfer there is none. */
const QUIET_MS = 100;
/** Identity, settings and restarts are looked at again after so long. */
const CHECK_MS = 3_000;
/** A device that could not be brought up, or is another one, is tried again after so long. */
const BRING_UP_AGAIN_MS = 2_000;
/** Exceptions of a device that has no such function or register. */
const NO_SUCH_PLACE: ReadonlySet<number> = new Set([1, 2, 3]);
/** Timers may fire a little before their time. */
const EARLY_MS = 1;

export class ModbusDevice implements Device {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly slots: SlotDevice | null;
  readonly outputs: OutputDevice | null;
  readonly readers: ReaderDevice | null;
  readonly clock: DeviceClock | null;
  readonly events: EventDevice | null;
  readonly #profile: Profile;
  readonly #options: DeviceOptions;
  readonly #context: DriverContext;
  readonly #clock: Clock;
  readonly #unit: BusUnit;
  readonly #talk: Talk;
  readonly #refusals: Refusals;
  readonly #outputs: Outputs;
  readonly #outputFaults: OutputFaults;
  readonly #inputs: Inputs;
  readonly #reader: CardReader | null;
  readonly #standing: DeviceLife;
  /** Counts outages: what was begun before one is not continued after it. */
  #life = 0;
  #state: 'offline' | 'coming' | 'ready' | 'closed' = 'offline';
  #identity: string | null = null;
  /** Since it was last met, it has shown that it is the one that is meant. */
  #isIdentified = false;
  #resting: Promise<void> | null = null;
  /** A setting of the device with which its outputs must not be driven. */
  #configFault: string | null = null;
  #boots: number | null = null;
  #tamper = new Map<number, boolean>();
  #pollTimer: Timer | null = null;
  #nextPollMs = 0;
  #isCycling = false;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #nextCheckMs = 0;
  #nextKickMs = 0;
  #kicks = 0;

  constructor(options: DeviceOptions, bus: Bus, context: DriverContext) {
    const { profile, name, capabilities } = options;
    this.name = name;
    this.capabilities = capabilities;
    this.#profile = profile;
    this.#options = options;
    this.#context = { ...context, log: context.log.child({ device: name }) };
    this.#clock = context.clock;
    this.#standing = new DeviceLife(name, context.clock, (event) => this.#emit(event));
    this.#unit = bus.addUnit(options.unit, {
      online: () => void this.#bringUp(),
      offline: (reason) => this.#goOffline(reason),
      faulty: (fault) => this.#context.log.warn('a device answers wrongly', { unit: options.unit.unit, fault }),
      ahead: (lengthMs) => this.#pollAhead(lengthMs),
    });
    this.#refusals = new Refusals(context.clock, (problem, before) => this.#tellRefusals(problem, before));
    this.#talk = new Talk(this.#unit, context.clock, profile.limits, options.transferRegisters, (request, exception) =>
      this.#refusals.answered(request, exception),
    );
    this.#outputFaults = new OutputFaults(name, (event) => this.#emit(event));
    this.#outputs = new Outputs(profile.outputs, {
      talk: this.#talk,
      clock: context.clock,
      log: this.#context.log,
      refusal: () => this.#outputRefusal(),
      faults: this.#outputFaults,
      scanMs: profile.scan,
      own: new Set(profile.doors.flatMap(({ strike }) => strike ?? [])),
      isLeftAsFound: (output) => context.isLeftAsFound?.(name, output) === true,
    });
    this.#inputs = new Inputs(profile.inputs, this.#talk, context.clock, (...told) => this.#tellInput(...told));
    this.#reader = profile.reader === undefined ? null : this.#makeReader(profile.reader);
    this.readers = this.#reader;
    this.outputs = profile.outputs.length === 0 ? null : this.#outputs;
    this.slots = this.#makeSlots();
    this.clock =
      profile.clock === undefined ? null : deviceClock(profile.clock, options.zone, this.#talk, () => this.#refusal());
    this.events = this.#makeEvents();
  }

  status(): DeviceStatus {
    return {
      ...this.#standing.status(),
      identity: this.#identity,
      problem: this.#standing.problem ?? this.#configFault ?? this.#outputFaults.problem ?? this.#refusals.problem,
      counters: { ...this.#unit.counters },
    };
  }

  /** Outputs to rest, for good. The line goes on: a device that comes back meanwhile is brought to rest as well. */
  rest(keeps: Keeps = () => false): Promise<void> {
    const isReached = this.#state === 'ready' || (this.#state === 'coming' && this.#isIdentified);
    this.#resting ??= this.#outputs.rest(isReached, (output) => keeps(this.name, output));
    return this.#resting;
  }

  /** What is still to be said to it, apart from its outputs. */
  async leave(): Promise<void> {
    this.#pollTimer?.cancel();
    await this.#reader?.stop();
  }

  /** Whatever is said afterwards is about the line, not the device. */
  close(): void {
    this.#state = 'closed';
    this.#standing.stop();
    this.#life++;
    this.#pollTimer?.cancel();
    this.#outputs.close();
  }

  // ---- coming and going ---------------------------------------------------------------------------------------------

  /** From the first answer to service. Every step may meet an outage; then the next answer begins it anew. */
  async #bringUp(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'coming';
    this.#isIdentified = false;
    const life = ++this.#life;
    const stale = (): boolean => life !== this.#life || this.#state === 'closed';
    const again = (problem: string): void => {
      this.#standing.troubled(problem);
      this.#pollTimer = this.#clock.after(BRING_UP_AGAIN_MS, () => {
        if (!stale()) void this.#bringUp();
      });
    };
    const stranger = await this.#checkIdentity();
    if (stale()) return;
    if (stranger !== null) {
      again(stranger);
      return;
    }
    this.#isIdentified = true;
    const failure = (await this.#checkConfig()) ?? (await this.#checkRestart());
    if (stale()) return;
    if (failure !== null) {
      again(failure.message);
      return;
    }
    if (!(await this.#outputs.restore())) {
      if (!stale()) again('its outputs could not be brought to rest');
      return;
    }
    if (stale()) return;
    this.#state = 'ready';
    this.#standing.found();
    this.#inputs.forget();
    this.#reader?.begin();
    this.#nextPollMs = this.#clock.monotonicMs();
    this.#nextCheckMs = this.#nextPollMs + CHECK_MS;
    this.#nextKickMs = this.#nextPollMs;
    await this.#cycle(life);
  }

  #goOffline(reason: string): void {
    if (this.#state === 'closed') return;
    this.#life++;
    this.#pollTimer?.cancel();
    this.#reader?.end();
    this.#refusals.forget();
    this.#state = 'offline';
    this.#standing.lost(reason);
  }

  /** What is wrong with who answers, or null. Another device is told once, and never written to. */
  async #checkIdentity(): Promise<string | null> {
    const { identity, id } = this.#profile;
    if (identity === undefined) return null;
    const result = await this.#talk.readRegisters(identity.area, identity.at, identity.expect.length, 'read');
    if (!result.ok) {
      // One that is busy or broken has not said who it is; one that knows no such register has.
      if (result.failure.kind !== 'refused' || !NO_SUCH_PLACE.has(result.failure.code)) return result.failure.message;
      return this.#stranger(`no identity (${result.failure.message})`);
    }
    if (result.value.some((word, i) => word !== identity.expect[i])) return this.#stranger(hex(result.value));
    this.#identity = `${id} ${hex(result.value)}`;
    return null;
  }

  #stranger(found: string): string {
    const expected = hex(this.#profile.identity?.expect ?? []);
    if (this.#identity !== found) this.#emit({ type: 'identity_changed', device: this.name, expected, found });
    this.#identity = found;
    return `another device answers at unit ${this.#options.unit.unit}: expected ${expected}, found ${found}; nothing is written to it`;
  }

  /** Settings of the device that its outputs depend on. A wrong one is a fault that lasts until it is put right. */
  async #checkConfig(): Promise<Failure | null> {
    const wrong: string[] = [];
    for (const check of this.#profile.config_check) {
      const result = await this.#talk.readRegisters(check.area, check.at, check.count, 'read');
      if (!result.ok) return result.failure;
      if (result.value.some((value) => (value & check.mask) !== check.eq)) wrong.push(check.why);
    }
    const fault = wrong.length === 0 ? null : wrong.join('; ');
    if (fault !== this.#configFault) {
      const message = fault ?? this.#configFault ?? '';
      this.#configFault = fault;
      this.#emit({ type: 'fault', device: this.name, code: 'wrong_setting', message, cleared: fault === null });
    }
    return null;
  }

  /** Whether the device has started anew since we last saw it. */
  async #checkRestart(): Promise<Failure | null> {
    const { boot_counter: counter, reset_flag: flag } = this.#profile;
    let restarted = false;
    if (counter !== undefined) {
      const result = await this.#talk.readRegisters(counter.area, counter.at, 1, 'read');
      if (!result.ok) return result.failure;
      const boots = result.value[0] ?? 0;
      restarted = this.#boots !== null && boots !== this.#boots;
      this.#boots = boots;
    }
    if (flag !== undefined) {
      const result = await this.#talk.readBits(flag.area, flag.at, 1, 'read');
      if (!result.ok) return result.failure;
      if (Number(result.value[0]) !== flag.clear) {
        const cleared = await this.#talk.writeCoil(flag.at, flag.clear === 1, { priority: 'write' });
        if (!cleared.ok) return cleared.failure;
        restarted = true;
      }
    }
    if (restarted) {
      await this.#outputs.restore();
      this.#emit({ type: 'restarted', device: this.name });
    }
    return null;
  }

  // ---- looking again and again --------------------------------------------------------------------------------------

  /** A transfer is about to take the bus: inputs that fall due before its end are read first. */
  #pollAhead(lengthMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    const isIdle = this.#state === 'ready' && !this.#isCycling && this.#profile.inputs.length > 0;
    if (!isIdle || this.#nextPollMs >= nowMs + lengthMs) return;
    this.#nextPollMs = nowMs;
    this.#pollTimer?.cancel();
    void this.#cycle(this.#life);
  }

  async #cycle(life: number): Promise<void> {
    this.#isCycling = true;
    const goesOn = await this.#lookAtAll(life);
    if (life !== this.#life) return;
    this.#isCycling = false;
    if (goesOn) this.#schedule(life);
  }

  /** False when it is no longer the time for it. */
  async #lookAtAll(life: number): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs();
    const stale = (): boolean => life !== this.#life || this.#state !== 'ready';
    const due = (atMs: number): boolean => nowMs >= atMs - EARLY_MS;
    if (due(this.#nextKickMs)) await this.#kickWatchdog();
    const pollDue = due(this.#nextPollMs);
    // By the period from the last due time; a bus that is behind does not catch up in a burst.
    if (pollDue) this.#nextPollMs = Math.max(nowMs, this.#nextPollMs + this.#periodMs);
    // Both ask in this turn, so that no transfer comes in between.
    const looking = pollDue && this.#isLookDue(nowMs) ? this.#look(nowMs) : null;
    if (this.#profile.inputs.length > 0) await this.#inputs.poll();
    else if (pollDue && looking === null) await this.#heartbeat();
    await looking;
    if (stale()) return false;
    // Beside: its reads wait for credentials that are written, and inputs must not wait for its reads.
    if (due(this.#nextCheckMs)) void this.#recheck();
    return !stale();
  }

  /** Transfers go before the outputs, for a while. */
  #isLookDue(nowMs: number): boolean {
    if (!this.#outputs.isWatched) return false;
    const sinceMs = nowMs - this.#lookedAtMs + EARLY_MS;
    if (sinceMs >= LOOK_MOST_MS || this.#outputs.isAstray) return true;
    return sinceMs >= this.#options.lookPeriodMs && nowMs - this.#unit.transferAtMs > QUIET_MS;
  }

  async #look(nowMs: number): Promise<void> {
    this.#lookedAtMs = nowMs;
    await this.#outputs.look();
  }

  get #periodMs(): number {
    return this.#profile.inputs.length > 0 ? this.#options.inputPeriodMs : HEARTBEAT_MS;
  }

  #schedule(life: number): void {
    const nowMs = this.#clock.monotonicMs();
    const lookMs = this.#inputs.nextLookMs() ?? Number.POSITIVE_INFINITY;
    const dueMs = Math.min(this.#nextPollMs, nowMs + lookMs, this.#kickDueMs());
    this.#pollTimer = this.#clock.after(Math.max(0, dueMs - nowMs), () => void this.#cycle(life));
  }

  /** Whoever answers to other things need not be asked whether it lives. */
  async #heartbeat(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#unit.heardAtMs < HEARTBEAT_MS) return;
    const [probe] = this.#options.unit.probes;
    // Not by way of what is asked for its answer: a refusal shows that it lives as well.
    if (probe !== undefined) await this.#unit.request(probe, { priority: 'input' });
  }

  async #recheck(): Promise<void> {
    this.#nextCheckMs = Number.POSITIVE_INFINITY;
    const life = this.#life;
    await this.#checkAgain();
    if (life === this.#life) this.#nextCheckMs = this.#clock.monotonicMs() + CHECK_MS;
  }

  async #checkAgain(): Promise<void> {
    const stranger = await this.#checkIdentity();
    if (stranger !== null && this.#identity !== null && this.#identityIsWrong()) {
      // Answered by another device now: everything begins anew, and nothing is written meanwhile.
      this.#goOffline(stranger);
      this.#life++;
      void this.#bringUp();
      return;
    }
    await this.#checkConfig();
    await this.#checkRestart();
  }

  #identityIsWrong(): boolean {
    return this.#identity !== `${this.#profile.id} ${hex(this.#profile.identity?.expect ?? [])}`;
  }

  #kickDueMs(): number {
    return this.#profile.watchdog === undefined ? Number.POSITIVE_INFINITY : this.#nextKickMs;
  }

  async #kickWatchdog(): Promise<void> {
    const { watchdog } = this.#profile;
    if (watchdog === undefined) return;
    this.#nextKickMs = this.#clock.monotonicMs() + watchdog.every;
    const value = watchdog.value === 'counter' ? ++this.#kicks & 0xffff : watchdog.value;
    await this.#talk.writeRegisters(watchdog.at, [value], { priority: 'input' });
  }

  #tellRefusals(problem: string | null, before: string | null): void {
    const message = problem ?? before ?? '';
    this.#emit({ type: 'fault', device: this.name, code: 'exceptions', message, cleared: problem === null });
  }

  #tellInput(input: number, active: boolean, atMonotonicMs: number, changedAfterMonotonicMs: number | null): void {
    const role = this.#profile.inputs[input]?.role ?? 'input';
    this.#emit({ type: 'input', device: this.name, input, active, atMonotonicMs, changedAfterMonotonicMs });
    if (role === 'input' || (this.#tamper.get(input) ?? false) === active) return;
    this.#tamper.set(input, active);
    if (role === 'tamper') this.#emit({ type: 'tamper', device: this.name, active });
    else this.#emit({ type: 'power', device: this.name, failed: active });
  }

  #emit(event: DriverEvent): void {
    this.#context.emit(event);
  }

  // ---- parts --------------------------------------------------------------------------------------------------------

  #refusal(): string | null {
    return this.#state === 'ready' ? null : (this.#standing.problem ?? 'the device is being brought up');
  }

  #outputRefusal(): { error: 'controller_offline' | 'device_error'; message: string } | null {
    const refusal = this.#refusal();
    if (refusal !== null) return { error: 'controller_offline', message: refusal };
    return this.#configFault === null ? null : { error: 'device_error', message: this.#configFault };
  }

  #makeReader(spec: NonNullable<Profile['reader']>): CardReader {
    return new CardReader(spec, {
      talk: this.#talk,
      clock: this.#clock,
      log: this.#context.log,
      present: (reading, atMonotonicMs) => {
        const presentation = { kind: 'card', reading } as const;
        this.#emit({ type: 'presented', device: this.name, reader: 0, presentation, atMonotonicMs });
      },
      fault: (code, message, cleared) => this.#emit({ type: 'fault', device: this.name, code, message, cleared }),
    });
  }

  #makeSlots(): SlotDevice | null {
    const { credentials, doors } = this.#profile;
    if (credentials === undefined) return null;
    const codec = new RecordCodec(credentials, doors.length, this.#options.zone);
    // What the profile says of the device, not what a gateway before it takes: that hands requests on one by one,
    // however many it was given.
    const atOnce = this.#profile.transport.max_in_flight;
    return new Slots(credentials, codec, this.#talk, this.#clock, () => this.#refusal(), atOnce);
  }

  #makeEvents(): EventDevice | null {
    const { events, doors, credentials } = this.#profile;
    if (events === undefined) return null;
    return eventLog(events, {
      talk: this.#talk,
      clock: this.#clock,
      zone: this.#options.zone,
      doorCount: doors.length,
      slots: credentials === undefined ? null : { first: credentials.table.first_slot, count: credentials.table.count },
      boot: () => this.#boots ?? 0,
      refusal: () => this.#refusal(),
    });
  }
}

const hex = (registers: readonly number[]): string =>
  registers.map((register) => register.toString(16).toUpperCase().padStart(4, '0')).join(':');
