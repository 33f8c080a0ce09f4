// What the device itself noted, in whichever of the four shapes its profile names: one behind a flag, one under a
// sequence number, a queue, or a ring. Reading frees nothing; only the acknowledgement does, once the events are
// stored.

import { getBits, registersToNumber } from './layout.ts';
import { EVENT_KINDS, type Profile } from './profile-schema.ts';
import { toError, valueOf, type Talk } from './talk.ts';
import { TIME_FORMS, windowFromRaw } from './times.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { Clock, ControllerEvent, EventDevice } from '../../src/domain/ports.ts';
import { memberOf } from '../../src/domain/named.ts';

type EventsSpec = NonNullable<Profile['events']>;
type Place = { area: 'holding' | 'input'; at: number };
type Batch = { events: ControllerEvent[]; lost: boolean };

/** What makes events of a device distinct from those before it restarted. */
export type EventContext = {
  talk: Talk;
  clock: Clock;
  zone: string;
  doorCount: number;
  slots: { first: number; count: number } | null;
  /** Changes whenever the device starts; 0 when it does not tell. */
  boot(): number;
  refusal(): string | null;
};

export function eventLog(spec: EventsSpec, context: EventContext): EventDevice {
  const log = logOf(spec, context);
  const refuse = (): void => {
    const refusal = context.refusal();
    if (refusal !== null) throw new OperatingError('controller_offline', refusal);
  };
  return {
    async read(max) {
      refuse();
      return max < 1 ? { events: [], lost: false } : await log.read(max);
    },
    async acknowledge(cursor) {
      refuse();
      await log.acknowledge(cursor);
    },
  };
}

function logOf(spec: EventsSpec, context: EventContext): EventDevice {
  switch (spec.mode) {
    case 'ring':
      return new RingLog(spec, context);
    case 'sequence':
      return new SequenceLog(spec, context);
    case 'flag-clear':
      return oneByOne(spec, context, {
        waits: async () => {
          const { area, at, clear } = spec.flag;
          return Number(valueOf(await context.talk.readBits(area, at, 1, 'read'))[0]) !== clear;
        },
        free: async () => {
          valueOf(await context.talk.writeCoil(spec.flag.at, spec.flag.clear === 1, { priority: 'write' }));
        },
      });
    case 'fifo':
      return oneByOne(spec, context, {
        waits: async () => (await readWord(context.talk, spec.count)) > 0,
        free: async () => {
          valueOf(await context.talk.writeRegisters(spec.pop.at, [spec.pop.value], { priority: 'write' }));
        },
      });
  }
}

// ---- a record -------------------------------------------------------------------------------------------------------

/** Reads a record; `number` is its own number at the device, which together with start and time makes the cursor. */
function decode(
  spec: EventsSpec,
  context: EventContext,
  registers: readonly number[],
  number: number,
): ControllerEvent {
  const { record } = spec;
  const code = getBits(registers, record.code);
  const [kind, ...detail] = (memberOf(record.code.map, String(code)) ?? 'other').split('-');
  const atMs = timeOf(spec, context, registers);
  const slot = record.slot === undefined ? null : getBits(registers, record.slot);
  const door = record.door === undefined ? null : getBits(registers, record.door);
  const { slots, doorCount } = context;
  return {
    cursor: `${context.boot()}.${number}.${atMs === null ? '' : Math.floor(atMs / 1000)}`,
    kind: EVENT_KINDS.find((known) => known === kind) ?? 'other',
    code,
    detail: detail.length === 0 ? null : detail.join('-'),
    door: door !== null && door >= 1 && door <= doorCount ? door : null,
    slot: slot !== null && slots !== null && slot >= slots.first && slot < slots.first + slots.count ? slot : null,
    atMs,
  };
}

function timeOf(spec: EventsSpec, { zone }: EventContext, registers: readonly number[]): number | null {
  const { time } = spec.record;
  if (time === undefined) return null;
  const count = TIME_FORMS[time.type].registers;
  const raw = registersToNumber(registers.slice(time.at, time.at + count), time);
  return raw === 0n ? null : windowFromRaw(time.type, 'from', raw, time.zone === 'utc' ? 'UTC' : zone, false);
}

/** The device's own number in a cursor. */
const numberIn = (cursor: string): number => Number(cursor.split('.')[1]);

async function readWord(talk: Talk, place: Place): Promise<number> {
  return valueOf(await talk.readRegisters(place.area, place.at, 1, 'read'))[0] ?? 0;
}

// ---- the shapes -----------------------------------------------------------------------------------------------------

class RingLog implements EventDevice {
  readonly #spec: Extract<EventsSpec, { mode: 'ring' }>;
  readonly #context: EventContext;

  constructor(spec: Extract<EventsSpec, { mode: 'ring' }>, context: EventContext) {
    this.#spec = spec;
    this.#context = context;
  }

  async read(max: number): Promise<Batch> {
    const { head, tail, count, indices } = this.#spec;
    const { talk } = this.#context;
    const written = await readWord(talk, head);
    const taken = await readWord(talk, { area: 'holding', at: tail.at });
    const wrap = this.#wrap;
    const waiting = (written - taken + wrap) % wrap;
    // A counter shows that the ring went round; with places there is nothing to tell it by.
    const lost = indices === 'counter' && waiting > count;
    const first = lost ? (written - count + wrap) % wrap : taken;
    const events: ControllerEvent[] = [];
    const wanted = Math.min(max, lost ? count : waiting);
    while (events.length < wanted) {
      const number = (first + events.length) % wrap;
      events.push(...(await this.#readFrom(number, wanted - events.length)));
    }
    return { events, lost };
  }

  async acknowledge(cursor: string): Promise<void> {
    const next = (numberIn(cursor) + 1) % this.#wrap;
    valueOf(await this.#context.talk.writeRegisters(this.#spec.tail.at, [next], { priority: 'write' }));
  }

  get #wrap(): number {
    return this.#spec.indices === 'counter' ? 0x10000 : this.#spec.count;
  }

  /** Events from this number on, up to the end of the ring and what one transfer carries. */
  async #readFrom(number: number, most: number): Promise<ControllerEvent[]> {
    const { area, base, stride, count } = this.#spec;
    const { talk } = this.#context;
    const place = number % count;
    const several = Math.max(1, Math.floor(talk.readRegistersLimit / stride));
    const length = Math.min(most, several, count - place);
    const registers = valueOf(await talk.readRegisters(area, base + place * stride, length * stride, 'read'));
    return Array.from({ length }, (_, i) => {
      const record = registers.slice(i * stride, (i + 1) * stride);
      return decode(this.#spec, this.#context, record, (number + i) % this.#wrap);
    });
  }
}

/** One event, one deep: a new one takes the place of the last, and the number says how many were missed. */
class SequenceLog implements EventDevice {
  readonly #spec: Extract<EventsSpec, { mode: 'sequence' }>;
  readonly #context: EventContext;
  /** The last number that was acknowledged; null after a start, when nobody knows. */
  #acknowledged: number | null = null;

  constructor(spec: Extract<EventsSpec, { mode: 'sequence' }>, context: EventContext) {
    this.#spec = spec;
    this.#context = context;
  }

  async read(): Promise<Batch> {
    const { sequence, area, base, registers } = this.#spec;
    const { talk } = this.#context;
    for (let attempt = 0; attempt < 3; attempt++) {
      const number = await readWord(talk, sequence);
      if (number === 0 || number === this.#acknowledged) return { events: [], lost: false };
      const record = valueOf(await talk.readRegisters(area, base, registers, 'read'));
      // Read as a pair only when no other event came in between.
      if ((await readWord(talk, sequence)) !== number) continue;
      const lost = this.#acknowledged !== null && ((number - this.#acknowledged + 0x10000) & 0xffff) > 1;
      return { events: [decode(this.#spec, this.#context, record, number)], lost };
    }
    throw toError({ kind: 'unknown', message: 'events come faster than they can be read' });
  }

  acknowledge(cursor: string): Promise<void> {
    this.#acknowledged = numberIn(cursor);
    return Promise.resolve();
  }
}

/**
 * The oldest stands at one place and is followed by the next once it is freed. The device gives no numbers: ours go on
 * from the clock, so that none comes twice.
 */
function oneByOne(
  spec: Extract<EventsSpec, { mode: 'flag-clear' | 'fifo' }>,
  context: EventContext,
  shape: { waits(): Promise<boolean>; free(): Promise<void> },
): EventDevice {
  let number = Math.floor(context.clock.nowMs());
  return {
    async read() {
      if (!(await shape.waits())) return { events: [], lost: false };
      const record = valueOf(await context.talk.readRegisters(spec.area, spec.base, spec.registers, 'read'));
      return { events: [decode(spec, context, record, number)], lost: false };
    },
    async acknowledge(cursor) {
      if (numberIn(cursor) !== number) return;
      await shape.free();
      number++;
    },
  };
}
