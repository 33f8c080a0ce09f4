// One simulated device, made from its profile: its registers and coils, its relays with pulses of their own, its
// inputs, its clock, and what it does when its power goes. What it decides by itself stands in `simulator-doors.ts`. It
// knows nothing of Lintel but the bytes of requests.

import { recordRegisters } from './layout.ts';
import type { Profile } from './profile-schema.ts';
import { SimulatedDoors } from './simulator-doors.ts';
import { SimulatedEvents } from './simulator-events.ts';
import { SimulatedMemory, type Written } from './simulator-memory.ts';
import { SimulatedReader } from './simulator-reader.ts';
import { clockRegisters, fromClockRegisters } from './clock-registers.ts';
import { assert } from '../../src/domain/errors.ts';
import type { Clock, Timer } from '../../src/domain/ports.ts';

/** What may go wrong with the answers of one device, on switch. */
export type UnitFaults = {
  /** Time before the answer begins. */
  latencyMs: number;
  /** Answers nothing, but does what it is asked. */
  silent: boolean;
  /** Hears nothing. */
  deaf: boolean;
  wrongCrc: boolean;
  /** Answers with this exception instead of doing it. */
  exception: number | null;
  /** Does what it is asked, and answers with this exception all the same. */
  exceptionAfter: number | null;
  /** Acknowledges writes and keeps nothing. */
  forgetful: boolean;
  /** Answers twice. */
  twice: boolean;
  /** Answers as this unit. */
  answersAs: number | null;
  /** Modbus TCP: the answer carries another transaction number. */
  misnumbered: boolean;
  /** The last byte of the answer is missing, though its header counts it. */
  torn: boolean;
};

export const NO_FAULTS: Readonly<UnitFaults> = {
  latencyMs: 0,
  silent: false,
  deaf: false,
  wrongCrc: false,
  exception: null,
  exceptionAfter: null,
  forgetful: false,
  twice: false,
  answersAs: null,
  misnumbered: false,
  torn: false,
};

export type SimulatedUnitOptions = {
  unit: number;
  profile: Profile;
  /** The zone of a device whose clock is local. */
  zone?: string;
  /** How long the device's own decision opens a door. */
  strikeMs?: number;
  /** How long its program takes to come round: a relay follows its command, and shows it, that much later. */
  scanMs?: number;
  /** How long a command of the profile's `commit` or `delete` takes. */
  commandMs?: number;
};

export type OutputChange = { output: number; energised: boolean; atMonotonicMs: number };

export class SimulatedUnit {
  readonly unit: number;
  readonly profile: Profile;
  readonly memory = new SimulatedMemory();
  readonly zone: string;
  readonly strikeMs: number;
  readonly events: SimulatedEvents;
  readonly doors: SimulatedDoors;
  readonly reader: SimulatedReader | null;
  /** How it answers from now on. */
  readonly faults: UnitFaults = { ...NO_FAULTS };
  /** Relays that stay on once they are, whatever they are told. */
  readonly welded = new Set<number>();
  /** Every change of a relay, oldest first; the last 1000. */
  readonly outputChanges: OutputChange[] = [];
  /** Request PDUs as they came; the last 1000. */
  readonly requests: Buffer[] = [];
  readonly #clock: Clock;
  readonly #commandMs: number;
  readonly #scanMs: number;
  readonly #next: { faults: Partial<UnitFaults>; fc: number | null }[] = [];
  readonly #pulses = new Map<number, Timer>();
  #powered = true;
  #clockOffsetMs: number;
  #stagedClock: number[] | null = null;
  #watchdog: Timer | null = null;

  constructor(options: SimulatedUnitOptions, clock: Clock) {
    this.unit = options.unit;
    this.profile = options.profile;
    this.zone = options.zone ?? 'UTC';
    this.strikeMs = options.strikeMs ?? 3_000;
    this.#commandMs = options.commandMs ?? 20;
    this.#scanMs = options.scanMs ?? 0;
    this.#clock = clock;
    this.#clockOffsetMs = 0;
    this.events = new SimulatedEvents(this.profile.events, this.memory, () => this.timeMs());
    this.doors = new SimulatedDoors(this, clock);
    this.reader = this.profile.reader === undefined ? null : new SimulatedReader(this.profile.reader, this.memory);
    this.#define();
    this.#reset();
    if (this.profile.boot_counter !== undefined)
      this.memory.set(this.profile.boot_counter.area, this.profile.boot_counter.at, 1);
  }

  // ---- the people's side: what happens at the device ----------------------------------------------------------------

  /** Whether a relay is energised. */
  output(index: number): boolean {
    const output = this.profile.outputs[index];
    assert(output !== undefined, `output ${index} exists`);
    if (output.kind === 'coil') return this.memory.get('coil', output.at) !== 0;
    if (output.kind === 'register') {
      const { state } = output;
      return state === undefined
        ? this.memory.get('holding', output.at) === output.on
        : (this.memory.get(state.area, state.at) & state.mask) === state.on;
    }
    const [at, bit] = bitPlace(output);
    return (this.memory.get('holding', at) & (1 << bit)) !== 0;
  }

  /** A contact opens, a button is pressed. */
  setInput(index: number, active: boolean): void {
    const input = this.profile.inputs[index];
    assert(input !== undefined, `input ${index} exists`);
    const level = active !== input.invert;
    const before = this.memory.get(input.area, input.at);
    const value =
      input.bit === undefined ? (level ? 1 : 0) : level ? before | (1 << input.bit) : before & ~(1 << input.bit);
    this.memory.set(input.area, input.at, value);
    if (active && input.latch !== undefined) this.memory.set('coil', input.latch.at, 1 - input.latch.clear);
    this.doors.inputChanged(index, active);
  }

  /** The device's own time. */
  timeMs(): number {
    return this.#clock.nowMs() + this.#clockOffsetMs;
  }

  setTime(atMs: number): void {
    this.#clockOffsetMs = atMs - this.#clock.nowMs();
  }

  /**
   * These faults for the next `count` requests (of this function code only, where one is given), over the lasting ones.
   */
  failNext(faults: Partial<UnitFaults>, count = 1, fc: number | null = null): void {
    for (let i = 0; i < count; i++) this.#next.push({ faults, fc });
  }

  /** Nothing that was to go wrong does. */
  mend(): void {
    this.#next.length = 0;
    Object.assign(this.faults, NO_FAULTS);
  }

  /** Power goes: relays drop, and nothing is answered until `powerOn`. */
  powerOff(): void {
    this.#powered = false;
    for (const timer of this.#pulses.values()) timer.cancel();
    this.#pulses.clear();
    this.#watchdog?.cancel();
    this.profile.outputs.forEach((_, i) => this.drive(i, false));
  }

  /** Power is back; without `keepMemory` the table and the clock are lost. */
  powerOn({ keepMemory }: { keepMemory: boolean }): void {
    const boot = this.profile.boot_counter;
    const starts = boot === undefined ? 0 : this.memory.get(boot.area, boot.at);
    if (!keepMemory) {
      this.memory.clear();
      this.events.clear();
      this.setTime(Date.UTC(2000, 0, 1));
    }
    this.#powered = true;
    this.#reset();
    if (boot !== undefined) this.memory.set(boot.area, boot.at, (starts + 1) & 0xffff);
    const flag = this.profile.reset_flag;
    if (flag !== undefined) this.memory.set(flag.area, flag.at, 1 - flag.clear);
  }

  /** Energises a relay by the device's own will, for `pulseMs` or until driven again. */
  drive(index: number, energised: boolean, pulseMs: number | null = null): void {
    const output = this.profile.outputs[index];
    assert(output !== undefined, `output ${index} exists`);
    const before = this.output(index);
    this.#pulses.get(index)?.cancel();
    this.#pulses.delete(index);
    if (!energised && this.#isHeld(index)) return;
    this.#show(index, energised);
    if (before !== energised) this.#noteChange(index, energised);
    if (energised && pulseMs !== null)
      this.#pulses.set(
        index,
        this.#clock.after(pulseMs, () => this.drive(index, false)),
      );
  }

  /** Welded, and on. */
  #isHeld(index: number): boolean {
    return this.welded.has(index) && this.#isEnergised(index);
  }

  #isEnergised(index: number): boolean {
    return this.outputChanges.findLast((change) => change.output === index)?.energised ?? false;
  }

  #show(index: number, energised: boolean): void {
    const output = this.profile.outputs[index];
    assert(output !== undefined, `output ${index} exists`);
    if (output.kind === 'coil') this.memory.set('coil', output.at, energised ? 1 : 0);
    else if (output.kind === 'register') {
      this.memory.set('holding', output.at, energised ? output.on : output.off);
      this.#showState(output, energised);
    } else {
      const [at, bit] = bitPlace(output);
      const word = this.memory.get('holding', at);
      this.memory.set('holding', at, energised ? word | (1 << bit) : word & ~(1 << bit) & 0xffff);
    }
  }

  close(): void {
    for (const timer of this.#pulses.values()) timer.cancel();
    this.#watchdog?.cancel();
    this.doors.close();
  }

  // ---- the wire's side ----------------------------------------------------------------------------------------------

  /** Which faults the request that has just come meets; null when the device is off. */
  takeFaults(pdu: Buffer): UnitFaults | null {
    if (!this.#powered) return null;
    const index = this.#next.findIndex(({ fc }) => fc === null || fc === pdu[0]);
    const [once] = index < 0 ? [] : this.#next.splice(index, 1);
    return { ...this.faults, ...once?.faults };
  }

  /** Carries out a request and answers it. */
  handle(pdu: Buffer, faults: UnitFaults): Buffer {
    this.requests.push(Buffer.from(pdu));
    if (this.requests.length > 1000) this.requests.shift();
    if (faults.exception !== null) return Buffer.of(pdu.readUInt8(0) | 0x80, faults.exception);
    const answer = this.memory.answer(pdu, {
      functions: this.profile.limits.functions,
      reading: () => this.#refresh(),
      written: (writes) => this.#wrote(writes),
      stores: () => !faults.forgetful,
    });
    return faults.exceptionAfter === null ? answer : Buffer.of(pdu.readUInt8(0) | 0x80, faults.exceptionAfter);
  }

  /** What changes by itself is brought up to date before it is read. */
  #refresh(): void {
    const { clock } = this.profile;
    if (clock !== undefined) this.memory.write('holding', clock.at, clockRegisters(clock, this.timeMs(), this.zone));
    this.events.refresh();
  }

  #wrote(writes: readonly Written[]): void {
    this.#wroteClock(writes);
    for (const write of writes) {
      this.#wroteOutput(write);
      this.events.wrote(write);
      this.reader?.wrote(write);
      if (this.profile.watchdog?.at === write.at && write.area === 'holding') this.#kick();
    }
    this.#wroteCommand(writes);
  }

  #wroteOutput({ area, at, value }: Written): void {
    this.profile.outputs.forEach((output, i) => {
      if (output.pulse?.area === area && output.pulse.at === at) {
        const { base, unit, max } = output.pulse;
        const count = value - base;
        if (count > 0 && count * unit <= max + unit) this.#afterScan(() => this.drive(i, true, count * unit));
        return;
      }
      if (output.kind === 'coil') {
        if (area === 'coil' && output.at === at) this.#commanded(i, value !== 0);
      } else if (area !== 'holding') return;
      else if (output.kind === 'register') {
        if (output.at === at && (value === output.on || value === output.off)) {
          this.#commanded(i, value === output.on);
        }
      } else {
        const [bitAt, bit] = bitPlace(output);
        if (bitAt === at) this.#commanded(i, (value & (1 << bit)) !== 0);
      }
    });
  }

  /** The memory holds the command already; it is to show the relay, which follows with the next scan, or not at all. */
  #commanded(index: number, energised: boolean): void {
    this.#show(index, this.#isEnergised(index));
    this.#afterScan(() => this.drive(index, energised));
  }

  #afterScan(follow: () => void): void {
    if (this.#scanMs === 0) follow();
    else this.#clock.after(this.#scanMs, follow);
  }

  #noteChange(output: number, energised: boolean): void {
    this.outputChanges.push({ output, energised, atMonotonicMs: this.#clock.monotonicMs() });
    if (this.outputChanges.length > 1000) this.outputChanges.shift();
  }

  #showState(output: Profile['outputs'][number], energised: boolean): void {
    if (output.kind !== 'register' || output.state === undefined) return;
    this.memory.set(output.state.area, output.state.at, energised ? output.state.on : 0);
  }

  #wroteClock(writes: readonly Written[]): void {
    const { clock } = this.profile;
    if (clock === undefined) return;
    const count = clockRegisters(clock, 0, 'UTC').length;
    if (writes.some(({ area, at }) => area === 'holding' && at >= clock.at && at < clock.at + count))
      this.#stagedClock = this.memory.read('holding', clock.at, count);
    const set = clock.set;
    const due =
      set === undefined ||
      writes.some(({ area, at, value }) => area === 'holding' && at === set.at && value === set.value);
    if (!due || this.#stagedClock === null) return;
    const atMs = fromClockRegisters(clock, this.#stagedClock, this.zone);
    if (atMs !== null) this.setTime(atMs);
    this.#stagedClock = null;
    if (set !== undefined) this.memory.set('holding', set.at, 0);
  }

  /**
   * A command of the profile's commit or delete steps: busy for a while, then done, or refused for a PIN that is there
   * twice.
   */
  #wroteCommand(writes: readonly Written[]): void {
    const { credentials } = this.profile;
    for (const steps of [credentials?.commit?.steps, credentials?.delete.steps]) {
      const command = steps?.findLast(({ write }) => write !== undefined)?.write;
      const matches = writes.some(
        ({ area, at, value }) =>
          area === 'holding' && at === command?.at && (typeof command.value !== 'number' || command.value === value),
      );
      if (steps === undefined || command === undefined || !matches) continue;
      const poll = steps.find((step) => step.poll !== undefined)?.poll;
      const slotAt = steps.find(({ write }) => write?.value === '$slot')?.write?.at;
      const slot = slotAt === undefined ? null : this.memory.get('holding', slotAt);
      const erases = steps === credentials?.delete.steps;
      if (poll !== undefined) this.memory.set(poll.area, poll.at, poll.busy?.[0] ?? 0xffff);
      this.#clock.after(this.#commandMs, () => {
        if (erases && slot !== null) this.doors.eraseSlot(slot);
        const refused = !erases && slot !== null && this.doors.isDuplicate(slot);
        const code = Object.entries(poll?.error ?? {}).find(([, refusal]) => refusal === 'duplicate')?.[0];
        const done = poll?.until.eq === '$slot' ? (slot ?? 0) : Number(poll?.until.eq ?? 0);
        if (poll !== undefined)
          this.memory.set(poll.area, poll.at, refused && code !== undefined ? Number(code) : done);
      });
    }
  }

  #kick(): void {
    const { watchdog } = this.profile;
    this.#watchdog?.cancel();
    if (watchdog === undefined) return;
    this.#watchdog = this.#clock.after(watchdog.every * 2, () => {
      this.profile.outputs.forEach((_, i) => this.drive(i, false));
    });
  }

  /** Every address that the profile names exists. */
  #define(): void {
    const { memory, profile } = this;
    const { credentials, clock, identity } = profile;
    for (const output of profile.outputs) {
      if (output.kind === 'coil') memory.define('coil', output.at);
      else memory.define('holding', output.at, output.kind === 'bit' ? output.registers : 1);
      if (output.kind === 'register' && output.state !== undefined) memory.define(output.state.area, output.state.at);
      if (output.pulse === undefined) continue;
      memory.define(output.pulse.area, output.pulse.at);
      if (output.pulse.area === 'coil') memory.rawCoils.add(output.pulse.at);
    }
    for (const input of profile.inputs) {
      memory.define(input.area, input.at);
      if (input.latch !== undefined) memory.define('coil', input.latch.at);
    }
    for (const check of profile.config_check) memory.define(check.area, check.at, check.count);
    if (identity !== undefined) memory.define(identity.area, identity.at, identity.expect.length);
    for (const place of [profile.boot_counter, profile.reset_flag])
      if (place !== undefined) memory.define(place.area, place.at);
    if (clock !== undefined) {
      memory.define('holding', clock.at, clockRegisters(clock, 0, 'UTC').length);
      if (clock.set !== undefined) memory.define('holding', clock.set.at);
    }
    if (profile.watchdog !== undefined) memory.define('holding', profile.watchdog.at);
    if (credentials !== undefined) {
      const { base, stride, count } = credentials.table;
      memory.define('holding', base, Math.max(stride * count, recordRegisters(credentials.record)));
      for (const step of [...(credentials.commit?.steps ?? []), ...credentials.delete.steps]) {
        if (step.write !== undefined) memory.define('holding', step.write.at, step.write.values?.length ?? 1);
        if (step.poll !== undefined) memory.define(step.poll.area, step.poll.at);
      }
    }
    this.events.define();
    this.reader?.define();
  }

  /** What holds after every start. */
  #reset(): void {
    const { identity, config_check: checks, outputs, inputs } = this.profile;
    if (identity !== undefined) this.memory.write(identity.area, identity.at, identity.expect);
    for (const check of checks) {
      for (let i = 0; i < check.count; i++) this.memory.set(check.area, check.at + i, check.eq);
    }
    outputs.forEach((_, i) => this.drive(i, false));
    for (const input of inputs) {
      if (!input.invert) continue;
      const word = this.memory.get(input.area, input.at);
      this.memory.set(input.area, input.at, input.bit === undefined ? 1 : word | (1 << input.bit));
    }
    this.doors.reset();
    this.reader?.reset();
  }
}

/** Register and bit of a bit output; with two registers bit 0 is the lowest of the whole. */
function bitPlace(output: Extract<Profile['outputs'][number], { kind: 'bit' }>): [number, number] {
  if (output.registers === 1) return [output.at, output.bit];
  const high = output.bit >= 16;
  const first = output.words === 'lo-hi' ? !high : high;
  return [output.at + (first ? 0 : 1), output.bit & 15];
}
