// What a simulated device remembers of what happened, in whichever of the four shapes its profile hands it over.

import { numberToRegisters, putBits } from './layout.ts';
import type { Profile } from './profile-schema.ts';
import type { SimulatedMemory, Written } from './simulator-memory.ts';
import { TIME_FORMS, wallClock } from './times.ts';

type EventsSpec = NonNullable<Profile['events']>;
export type Happening = { kind: string; door: number | null; slot: number | null };

/** No slot, no door. */
const NOBODY = 0xffff;
const QUEUE_BOUND = 256;

export class SimulatedEvents {
  readonly #spec: EventsSpec | undefined;
  readonly #memory: SimulatedMemory;
  readonly #timeMs: () => number;
  readonly #waiting: number[][] = [];

  constructor(spec: EventsSpec | undefined, memory: SimulatedMemory, timeMs: () => number) {
    this.#spec = spec;
    this.#memory = memory;
    this.#timeMs = timeMs;
  }

  define(): void {
    const spec = this.#spec;
    if (spec === undefined) return;
    this.#memory.define(spec.area, spec.base, spec.mode === 'ring' ? spec.stride * spec.count : spec.registers);
    if (spec.mode === 'flag-clear') this.#memory.define(spec.flag.area, spec.flag.at, 1, spec.flag.clear);
    else if (spec.mode === 'sequence') this.#memory.define(spec.sequence.area, spec.sequence.at);
    else if (spec.mode === 'fifo') {
      this.#memory.define(spec.count.area, spec.count.at);
      this.#memory.define('holding', spec.pop.at);
    } else {
      this.#memory.define(spec.head.area, spec.head.at);
      this.#memory.define('holding', spec.tail.at);
    }
  }

  clear(): void {
    this.#waiting.length = 0;
  }

  /** Notes what happened; a kind that the profile has no code for is not kept. */
  add({ kind, door, slot }: Happening): void {
    const spec = this.#spec;
    const code = Object.entries(spec?.record.code.map ?? {}).find(([, name]) => name === kind)?.[0];
    if (spec === undefined || code === undefined) return;
    const registers = Array.from({ length: spec.mode === 'ring' ? spec.stride : spec.registers }, () => 0);
    const { record } = spec;
    putBits(registers, record.code, Number(code));
    if (record.door !== undefined) putBits(registers, record.door, door ?? 0);
    if (record.slot !== undefined) putBits(registers, record.slot, slot ?? NOBODY);
    if (record.time !== undefined) {
      const form = TIME_FORMS[record.time.type];
      const raw = form.toRaw(wallClock(this.#timeMs(), 'UTC')) ?? 0n;
      registers.splice(record.time.at, form.registers, ...numberToRegisters(raw, form.registers, record.time));
    }
    this.#put(spec, registers);
  }

  #put(spec: EventsSpec, registers: number[]): void {
    if (spec.mode === 'ring') {
      const head = this.#memory.get(spec.head.area, spec.head.at);
      this.#memory.write(spec.area, spec.base + (head % spec.count) * spec.stride, registers);
      const wrap = spec.indices === 'counter' ? 0x10000 : spec.count;
      this.#memory.set(spec.head.area, spec.head.at, (head + 1) % wrap);
    } else if (spec.mode === 'sequence') {
      this.#memory.write(spec.area, spec.base, registers);
      const sequence = this.#memory.get(spec.sequence.area, spec.sequence.at);
      this.#memory.set(spec.sequence.area, spec.sequence.at, (sequence + 1) & 0xffff);
    } else if (this.#waiting.length < QUEUE_BOUND) this.#waiting.push(registers);
  }

  /** Shows the oldest that waits, where only one is shown at a time. */
  refresh(): void {
    const spec = this.#spec;
    const oldest = this.#waiting[0];
    if (spec?.mode === 'fifo') this.#memory.set(spec.count.area, spec.count.at, this.#waiting.length);
    if (oldest === undefined || (spec?.mode !== 'fifo' && spec?.mode !== 'flag-clear')) return;
    this.#memory.write(spec.area, spec.base, oldest);
    if (spec.mode === 'flag-clear') this.#memory.set(spec.flag.area, spec.flag.at, 1 - spec.flag.clear);
  }

  wrote({ area, at, value }: Written): void {
    const spec = this.#spec;
    if (spec?.mode === 'fifo' && area === 'holding' && at === spec.pop.at && value === spec.pop.value)
      this.#waiting.shift();
    if (spec?.mode === 'flag-clear' && area === 'coil' && at === spec.flag.at && value === spec.flag.clear)
      this.#waiting.shift();
  }
}
