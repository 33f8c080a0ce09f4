// One controller: met when it answers (who it is, how it is set up), then its inputs read again and again, until it
// misses three exchanges in a row. Its table, door, clock and events are parts of their own that speak through it.

import { OperatingError } from '../../src/domain/errors.ts';
import { wireTimeMs } from '../../src/domain/line.ts';
import type {
  Capabilities,
  Device,
  DeviceClock,
  DeviceStatus,
  DriverContext,
  EventDevice,
  OutputDevice,
  ScheduleDevice,
  SlotDevice,
  Timer,
  Keeps,
} from '../driver.ts';
import { DeviceLife } from '../kit/device-life.ts';
import { InputHistory } from '../kit/input-history.ts';
import {
  decodeClock,
  decodeDoorStatus,
  EEPROM,
  firmwareName,
  REQUESTS,
  type ClockReading,
  type DoorStatus,
  type Request,
} from './codec.ts';
import { INPUT, type BusSettings, type ControllerSettings } from './config.ts';
import { eventDevice } from './event-log.ts';
import type { SoyalLine } from './line.ts';
import type { ExchangeResult } from './line-terms.ts';
import { evenMs, instantShown, isShowable, localTimeAt, type LocalTime } from './local-time.ts';
import { maintenance, type Maintenance } from './maintenance.ts';
import { outputDevice } from './outputs.ts';
import { RelayWatch } from './relay-watch.ts';
import { scheduleDevice } from './schedules.ts';
import { slotDevice, usersWithin } from './slots.ts';
import { failure, type Talk, type TalkOptions } from './talk.ts';

/** So many exchanges without an answer, one after the other, and the controller counts as offline. */
const MISSES_TO_OFFLINE = 3;
/** A silent controller is looked for after this long, then half as often each time, down to once in the longer one. */
const LOOK_FIRST_MS = 1_000;
const LOOK_LAST_MS = 10_000;
/** Storing to EEPROM may take so much longer than answering. */
const STORE_FACTOR = 3;
const CLOCK_LOSS_MS = 60_000;
const SHARED_PIN_MODE = 6;

const INPUTS: readonly { input: number; of: (status: DoorStatus) => boolean }[] = [
  { input: INPUT.contact, of: (status) => status.doorOpen },
  { input: INPUT.exit, of: (status) => status.exitPressed },
  { input: INPUT.forced, of: (status) => status.forcedOpen },
  { input: INPUT.alarm, of: (status) => status.alarming },
];

/** States that an installer must know of while they last. */
const STATUS_FAULTS: readonly { code: string; message: string; of: (status: DoorStatus) => boolean }[] = [
  { code: 'editing', message: 'somebody is programming the controller at its keypad', of: (status) => status.editing },
  { code: 'latched', message: 'the door relay was latched by hand and stays on', of: (status) => status.latched },
];

export class SoyalDevice implements Device {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly readers = null;
  readonly slots: SlotDevice;
  readonly outputs: OutputDevice;
  readonly clock: DeviceClock;
  readonly events: EventDevice;
  readonly maintenance: Maintenance;
  readonly schedules: ScheduleDevice | null;
  readonly address: number;
  readonly #settings: ControllerSettings;
  readonly #bus: BusSettings;
  readonly #line: SoyalLine;
  readonly #context: DriverContext;
  readonly #relay: RelayWatch;
  readonly #life: DeviceLife;
  readonly #inputs = new Map<number, boolean>();
  readonly #history = new InputHistory();
  #isServed = false;
  #identity: string | null = null;
  #misses = 0;
  #looks = 0;
  #timer: Timer | null = null;
  /** A round of polls or a meeting is on its way. */
  #busy = false;
  #relayOn = false;
  /** Commands to switch the relay on that are on their way. */
  #energising = 0;
  #resting: Promise<void> | null = null;
  #relayResetDone = false;
  /** Null until it was read. */
  #doorRelayTimeMs: number | null = null;
  #lastClock: { shownMs: number; monotonicMs: number } | null = null;

  constructor(
    name: string,
    capabilities: Capabilities,
    settings: ControllerSettings,
    bus: BusSettings,
    line: SoyalLine,
    context: DriverContext,
  ) {
    this.name = name;
    this.capabilities = capabilities;
    this.address = settings.address;
    this.#settings = settings;
    this.#bus = bus;
    this.#line = line;
    this.#context = context;
    this.#life = new DeviceLife(name, context.clock, (event) => context.emit(event));
    const talk: Talk = (request, options) => this.#talk(request, options);
    this.slots = slotDevice(talk, this.#table());
    this.outputs = outputDevice({
      talk,
      clock: context.clock,
      endless: () => this.#doorRelayTimeMs === 0,
      isResting: () => this.#resting !== null,
      energising: (more) => (this.#energising += more),
      told: (wanted) => this.#relay.told(wanted),
      isStuck: () => this.#relay.isStuck,
    });
    this.#relay = new RelayWatch({
      device: name,
      clock: context.clock,
      emit: (event) => context.emit(event),
      fault: (code, present, message) => this.#fault(code, present, message),
      relayTimeMs: () => this.#doorRelayTimeMs,
      switchOff: () => void this.outputs.set(0, false),
    });
    this.events = eventDevice(talk, settings.time_zone, () => this.#cardZeroOpened());
    this.maintenance = maintenance(talk, () => this.#closed());
    this.schedules = settings.schedule_zones === null ? null : scheduleDevice(this.maintenance);
    this.clock = { read: () => this.#readClock(), set: (atMs) => this.#setClock(atMs) };
  }

  status(): DeviceStatus {
    return {
      ...this.#life.status(),
      identity: this.#identity,
      problem: this.#life.problem ?? this.#closed(),
      counters: this.#line.counters(this.address),
    };
  }

  start(): void {
    this.#isServed = true;
  }

  /** Switches the door relay off where it is on or about to be, and is not kept, for good. */
  rest(keeps: Keeps): Promise<void> {
    this.#resting ??= keeps(this.name, 0) ? Promise.resolve() : this.#rest();
    return this.#resting;
  }

  async #rest(): Promise<void> {
    if (this.#life.online && (this.#relayOn || this.#energising > 0)) await this.outputs.set(0, false);
  }

  /** Nothing more is said. */
  stop(): void {
    this.#isServed = false;
    this.#life.stop();
    this.#timer?.cancel();
  }

  lineUp(): void {
    this.#looks = 0;
    if (this.#isServed) this.#next(0);
  }

  lineDown(reason: string): void {
    this.#life.lost(reason);
    this.#timer?.cancel();
  }

  heard(): void {
    this.#misses = 0;
    // It is back before it was looked for again.
    if (this.#isServed && !this.#life.online && !this.#busy) this.#next(0);
  }

  missed(): void {
    this.#misses++;
    const times = this.#misses === 1 ? '' : ` ${this.#misses} times in a row`;
    if (this.#misses >= MISSES_TO_OFFLINE) this.#life.lost(`no answer${times}`);
    else if (!this.#life.online) this.#life.troubled(`no answer${times}`);
  }

  // ---- its parts speak through here ---------------------------------------------------------------------------------

  /** While the controller is away only a strike still looks for it; everything else is told at once. */
  async #talk(request: Request, options: TalkOptions): Promise<ExchangeResult> {
    if (!this.#life.online && options.priority !== 'strike') {
      return { outcome: 'not_sent', why: 'offline', message: this.#life.problem ?? 'not reached yet' };
    }
    return await this.#ask(request, options);
  }

  async #ask(request: Request, options: TalkOptions): Promise<ExchangeResult> {
    const result = await this.#line.exchange({
      node: this.address,
      request,
      priority: options.priority,
      answerMs: this.#bus.answerMs * (options.stores === true ? STORE_FACTOR : 1),
      retries: options.retries ?? 0,
      notAfterMs: options.notAfterMs ?? null,
      onSent: options.onSent ?? null,
    });
    // Every 21H is answered with the door's state, whatever it asked for.
    if (request.name === 'controlRelay' && result.outcome === 'answered' && result.reply.kind === 'echo') {
      this.#seen(decodeDoorStatus(result.reply.data), result.atMonotonicMs);
    }
    return result;
  }

  #table() {
    const { slots, group, zone, pollMs } = this.#settings;
    return {
      first: slots.first,
      end: slots.count,
      group,
      usersPerRead: usersWithin(pollMs / 2, wireTimeMs(this.#bus.line, 1)),
      traits: () => ({
        zone,
        uidOrder: this.#settings.uid_order,
        tagBytes: this.#settings.tag_bytes,
        pinWithoutCard: this.#settings.pin_without_card && !this.#life.hasFault('card_zero'),
      }),
      closed: () => this.#closed(),
    };
  }

  #closed(): string | null {
    return this.#life.hasFault('wrong_identity') ? 'another device answers at this address' : null;
  }

  // ---- meeting and polling ------------------------------------------------------------------------------------------

  #next(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#context.clock.after(delayMs, () => void this.#turn());
  }

  /** One round, and the time of the next. A round that is on its way is never doubled. */
  async #turn(): Promise<void> {
    if (this.#busy || this.#isOver()) return;
    this.#busy = true;
    const startedAtMs = this.#context.clock.monotonicMs();
    if (this.#life.online) await this.#poll();
    else await this.#meet();
    this.#busy = false;
    if (this.#isOver()) return;
    if (this.#life.online) {
      this.#looks = 0;
      this.#next(Math.max(0, startedAtMs + this.#settings.pollMs - this.#context.clock.monotonicMs()));
    } else {
      const lookMs = Math.min(LOOK_LAST_MS, LOOK_FIRST_MS * 2 ** Math.min(this.#looks++, 10));
      this.#next(lookMs * (0.5 + 0.5 * this.#context.random.fraction()));
    }
  }

  /** The driver may stop over any wait. */
  #isOver(): boolean {
    return !this.#isServed;
  }

  async #poll(): Promise<void> {
    await this.#ask(REQUESTS.doorStatus(), { priority: 'poll' });
  }

  /** Who is it, how is it set up, what do its inputs say: only a controller that has answered all of it is online. */
  async #meet(): Promise<void> {
    const said = await this.#ask(REQUESTS.readClock(), { priority: 'poll', retries: 1 });
    if (said.outcome !== 'answered' || said.reply.kind !== 'echo' || this.#isOver()) return;
    const reading = decodeClock(said.reply.data);
    this.#recognise(reading);
    const mode = await this.#eeprom(EEPROM.operationMode, 1);
    const relayTime = await this.#eeprom(EEPROM.doorRelayTime, 2);
    if (mode === 'silent' || relayTime === 'silent') return;
    if (mode !== 'refused') this.#checkMode(mode.readUInt8(0));
    if (relayTime !== 'refused') await this.#checkDoorPulse(relayTime.readUInt16BE(0) * 10);
    const result = await this.#ask(REQUESTS.doorStatus(), { priority: 'poll', retries: 1 });
    if (result.outcome !== 'answered' || result.reply.kind !== 'echo' || this.#isOver()) return;
    const status = decodeDoorStatus(result.reply.data);
    this.#life.found();
    this.#seen(status, result.atMonotonicMs);
    this.#compareClock(reading.time, said.atMonotonicMs);
    await this.#resetRelay(status);
  }

  async #eeprom(at: number, count: number): Promise<Buffer | 'refused' | 'silent'> {
    const result = await this.#ask(REQUESTS.readEeprom(at, count), { priority: 'poll', retries: 1 });
    if (result.outcome === 'refused') return 'refused';
    return result.outcome === 'answered' && result.reply.kind === 'echo' ? result.reply.data : 'silent';
  }

  /**
   * A relay that a former run left on is switched off once, before anything is served; not where the controller keeps
   * its door open by a schedule of its own.
   */
  async #resetRelay(status: DoorStatus): Promise<void> {
    if (this.#relayResetDone) return;
    this.#relayResetDone = true;
    if (status.relayOn && !status.autoOpenZone && !status.latched) await this.outputs.set(0, false);
  }

  // ---- what it says of itself ---------------------------------------------------------------------------------------

  #recognise(reading: ClockReading): void {
    const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');
    const found = `soyal ${firmwareName(reading.firmware)} type ${hex(reading.readerType)} id ${hex(reading.identityCode)} door ${reading.doorNumber}`;
    const expected = this.#settings.identity ?? this.#identity;
    const changed = expected !== null && expected !== found && this.#identity !== found;
    this.#identity = found;
    if (changed) this.#context.emit({ type: 'identity_changed', device: this.name, expected, found });
    this.#fault(
      'wrong_identity',
      this.#settings.identity !== null && this.#settings.identity !== found,
      `another device answers at address ${this.address}: ${found} instead of ${this.#settings.identity ?? ''}. Nothing is written to it`,
    );
  }

  #checkMode(mode: number): void {
    this.#fault(
      'shared_pin',
      mode === SHARED_PIN_MODE,
      'the controller is in mode 6, where all users share one PIN and their own ones open nothing: set mode 4 or 8 at its keypad with 04',
    );
  }

  async #checkDoorPulse(foundMs: number): Promise<void> {
    const wantedMs = this.#settings.doorPulseMs;
    const mayWrite = this.#settings.write_door_pulse && !this.#life.hasFault('wrong_identity');
    const isMs = foundMs !== wantedMs && mayWrite ? await this.#storeDoorPulse(foundMs) : foundMs;
    this.#doorRelayTimeMs = isMs;
    this.#fault(
      'door_pulse',
      isMs !== wantedMs,
      `the door relay time stored in the controller is ${isMs === 0 ? '0, which holds the door open for ever' : `${isMs} ms`}, and door_pulse says ${wantedMs} ms: make them equal, at the keypad with 02, or with write_door_pulse: true`,
    );
  }

  /** The time that is stored afterwards. */
  async #storeDoorPulse(foundMs: number): Promise<number> {
    const time = Math.round(this.#settings.doorPulseMs / 10);
    const request = REQUESTS.writeEeprom(EEPROM.doorRelayTime, [time >> 8, time & 0xff]);
    await this.#ask(request, { priority: 'poll', stores: true });
    const stored = await this.#eeprom(EEPROM.doorRelayTime, 2);
    return Buffer.isBuffer(stored) ? stored.readUInt16BE(0) * 10 : foundMs;
  }

  /**
   * A clock that lost a minute against ours stood still or was set back: the controller was without power, or is
   * another one.
   */
  #compareClock(time: LocalTime | null, monotonicMs: number): number | null {
    const before = this.#lastClock;
    const shownMs = time === null ? null : evenMs(time);
    this.#lastClock = shownMs === null ? null : { shownMs, monotonicMs };
    if (before !== null) {
      const lostMs = shownMs === null ? Infinity : monotonicMs - before.monotonicMs - (shownMs - before.shownMs);
      if (lostMs > CLOCK_LOSS_MS) this.#context.emit({ type: 'restarted', device: this.name });
    }
    return time === null ? null : instantShown(time, this.#settings.time_zone, this.#context.clock.nowMs());
  }

  #seen(status: DoorStatus, atMonotonicMs: number): void {
    this.#relayOn = status.relayOn;
    if (!this.#life.online) return;
    for (const { input, of } of INPUTS) {
      const active = of(status);
      this.#history.note(input, active, atMonotonicMs);
      if (this.#inputs.get(input) === active) continue;
      this.#inputs.set(input, active);
      const changedAfterMonotonicMs = this.#history.changedAfter(input, active);
      this.#context.emit({ type: 'input', device: this.name, input, active, atMonotonicMs, changedAfterMonotonicMs });
    }
    this.#relay.seen(status, atMonotonicMs);
    for (const { code, message, of } of STATUS_FAULTS) this.#fault(code, of(status), message);
  }

  #cardZeroOpened(): void {
    this.#fault(
      'card_zero',
      true,
      'a card of number 0 has opened this door, by a slot that holds a PIN and no card: PINs without a card are no longer written. Set pin_without_card: false and give these users a card',
    );
  }

  #fault(code: string, present: boolean, message: string): void {
    this.#life.fault(code, present ? message : null, message);
  }

  // ---- its clock ----------------------------------------------------------------------------------------------------

  async #readClock(): Promise<number> {
    const result = await this.#talk(REQUESTS.readClock(), { priority: 'write', retries: 1 });
    if (result.outcome !== 'answered') throw failure('reading the clock', result);
    const time = result.reply.kind === 'echo' ? decodeClock(result.reply.data).time : null;
    const deviceMs = this.#compareClock(time, result.atMonotonicMs);
    if (deviceMs === null) {
      throw new OperatingError('clock_untrusted', 'the controller’s clock holds no possible date: set it');
    }
    return deviceMs;
  }

  async #setClock(atMs: number): Promise<void> {
    const time = localTimeAt(atMs, this.#settings.time_zone);
    if (!isShowable(time)) {
      throw new OperatingError('invalid_input', 'the controller’s clock shows the years 2000 to 2099');
    }
    this.#lastClock = null;
    const result = await this.#talk(REQUESTS.writeClock(time), { priority: 'write', stores: true });
    if (result.outcome !== 'answered') throw failure('setting the clock', result);
  }
}
