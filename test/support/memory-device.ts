// A controller with a credential table, in memory, behind the contract of drivers: it remembers what it ever held, and
// fails in the ways that real ones do.

import type {
  Capabilities, Clock, ControllerEvent, Device, DeviceClock, DeviceStatus, EventDevice, ScheduleDevice, ScheduleOutcome, SlotCapabilities, SlotContent, SlotDevice, SlotOutcome, SlotReading, SlotRefusal,
  SlotWrite, ZoneContent,
} from '../../src/domain/ports.ts'; // prettier-ignore
import { OperatingError } from '../../src/domain/errors.ts';
import { SLOTS } from './room.ts';
import { newCounters } from '../../drivers/kit/counters.ts';

export type Faults = {
  /** Requests time out: nothing is stored, nothing is read. */
  isSilent: boolean;
  /** Writes are acknowledged and not stored. */
  isForgetful: boolean;
  /** How many more slots are stored before the line is cut in the middle of the next one. */
  cutAfter: number | null;
  /** Writes and erasures are stored, but their answers never come. */
  isAnswerLost: boolean;
  refusal: SlotRefusal | null;
  /** Only these slots are affected by `isSilent`, `isForgetful` and `refusal`; null: all. */
  onlySlots: readonly number[] | null;
};

const NO_FAULTS: Faults = {
  isSilent: false,
  isForgetful: false,
  cutAfter: null,
  isAnswerLost: false,
  refusal: null,
  onlySlots: null,
};

export const EMPTY = Buffer.from('empty');
const HALF = Buffer.from('half written, disabled');

export type MemoryOptions = {
  name?: string;
  slots?: Partial<SlotCapabilities>;
  identity?: string;
  /** The device has a clock, right by this one at first. */
  clock?: Clock;
};

export class MemoryDevice implements Device {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly outputs = null;
  readonly readers = null;
  readonly table = new Map<number, Buffer>();
  readonly recorded: ControllerEvent[] = [];
  isOverflowed = false;
  /** Gives so many of its events at a time, however many are asked for. */
  eventsPerRead = Infinity;
  readonly clock: DeviceClock | null;
  /** Wrong by so much. */
  clockDriftMs = 0;
  /** So many times it is asked for the time in vain. */
  clockFailures = 0;
  faults: Faults = { ...NO_FAULTS };
  identity: string;
  isOnline = true;
  /** Every call, for the order of things. */
  readonly calls: { what: 'read' | 'write' | 'erase'; slots: number[] }[] = [];
  /** Told of every record that is sent, at the moment it is. */
  onSent: (slot: number, content: SlotContent | null) => void = () => undefined;
  /** Called before each request is carried out; one that never resolves is a gateway that lost its power. */
  beforeEach: () => Promise<void> = () => new Promise((resolve) => void setImmediate(resolve));
  /** A request is carried out at once and its answer takes its time; otherwise the request does. */
  isAnswerSlow = false;
  #life = 0;
  readonly #can: SlotCapabilities;

  constructor({ name = 'store-panel', slots = {}, identity = 'memory 1', clock }: MemoryOptions = {}) {
    this.name = name;
    this.identity = identity;
    this.#can = { ...SLOTS, count: 100, slotsPerWrite: 8, ...slots };
    this.capabilities = {
      slots: this.#can,
      readers: [],
      outputs: [],
      inputs: [],
      doors: [{ door: 1, strike: null, contact: null, rex: null }],
      clock: clock !== undefined,
      events: true,
    };
    this.clock =
      clock === undefined
        ? null
        : {
            read: () => {
              if (this.clockFailures === 0) return Promise.resolve(clock.nowMs() + this.clockDriftMs);
              this.clockFailures -= 1;
              return Promise.reject(new OperatingError('timed_out', `${this.name} does not answer`));
            },
            set: (atMs) => Promise.resolve(void (this.clockDriftMs = atMs - clock.nowMs())),
          };
  }

  get slotCapabilities(): SlotCapabilities {
    return this.#can;
  }

  status(): DeviceStatus {
    const counters = newCounters();
    return { online: this.isOnline, sinceMs: 0, identity: this.identity, problem: null, counters };
  }

  /** Whoever asked is gone: requests on their way never arrive, answers never do. */
  hangUp(): void {
    this.#life += 1;
  }

  async #travel(): Promise<void> {
    const life = this.#life;
    await this.beforeEach();
    if (life !== this.#life) await new Promise(() => undefined);
  }

  heal(): void {
    this.faults = { ...NO_FAULTS };
  }

  /** What is in the table, by slot, without what it masks. */
  held(): Map<number, SlotContent> {
    const found = new Map<number, SlotContent>();
    for (const [slot, record] of this.table) {
      if (record.subarray(0, 1).toString() === '{') found.set(slot, JSON.parse(record.toString()) as SlotContent);
    }
    return found;
  }

  /** The weekly schedules it holds, by number, and its holidays; what is written is noted in order. */
  readonly zones = new Map<number, ZoneContent>();
  holidays: string[] = [];
  readonly told: string[] = [];
  zoneRefusal: string | null = null;
  /** Called when it holds what it was told, before it says so. */
  onTold: (what: string) => void = () => undefined;
  readonly schedules: ScheduleDevice = {
    writeZone: (zone, content) => this.#tell(`zone ${zone}`, () => void this.zones.set(zone, content)),
    writeHolidays: (days, former) =>
      this.#tell(
        'holidays',
        () => void (this.holidays = [...days, ...this.holidays.slice(Math.max(days.length, former))]),
      ),
  };

  async #tell(what: string, apply: () => void): Promise<ScheduleOutcome> {
    this.told.push(what);
    try {
      await this.#reach([]);
    } catch {
      return { outcome: 'unknown', message: 'no answer' };
    }
    if (this.faults.isSilent) return { outcome: 'unknown', message: 'no answer' };
    if (this.zoneRefusal === what) return { outcome: 'refused', message: 'the device says no' };
    apply();
    this.onTold(what);
    return this.faults.isAnswerLost ? { outcome: 'unknown', message: 'no answer' } : { outcome: 'done' };
  }

  readonly events: EventDevice = {
    read: async (max) => {
      await this.#reach([]);
      return { events: this.recorded.slice(0, Math.min(max, this.eventsPerRead)), lost: this.isOverflowed };
    },
    acknowledge: async (cursor) => {
      await this.#reach([]);
      const at = this.recorded.findIndex((event) => event.cursor === cursor);
      this.recorded.splice(0, at + 1);
    },
  };

  readonly slots: SlotDevice = {
    image: (_slot, content) => (content === null ? EMPTY : this.#image(Buffer.from(JSON.stringify(content)))),
    read: async (slots) => {
      this.calls.push({ what: 'read', slots: [...slots] });
      await this.#reach(slots);
      if (this.#can.readBack === 'none') throw new OperatingError('not_supported', 'cannot be read');
      return slots.map((slot): SlotReading => {
        const record = this.table.get(slot);
        return {
          slot,
          state: record === undefined ? 'empty' : 'occupied',
          image: record === undefined ? EMPTY : this.#image(record),
        };
      });
    },
    write: async (writes) => {
      this.calls.push({ what: 'write', slots: writes.map(({ slot }) => slot) });
      for (const { slot, content } of writes) this.onSent(slot, content);
      return await this.#change(
        writes.map(({ slot }) => slot),
        (slot, i) => this.#store(slot, writes[i]),
      );
    },
    erase: async (slots) => {
      this.calls.push({ what: 'erase', slots: [...slots] });
      for (const slot of slots) this.onSent(slot, null);
      return await this.#change(slots, (slot) => {
        this.table.delete(slot);
        return null;
      });
    },
  };

  async #change(
    slots: readonly number[],
    apply: (slot: number, i: number) => SlotRefusal | null,
  ): Promise<SlotOutcome[]> {
    const unknown = (slot: number): SlotOutcome => ({ slot, outcome: 'unknown', message: 'no answer' });
    try {
      await this.#reach(slots);
    } catch {
      return slots.map(unknown);
    }
    const done = slots.map((slot, i): SlotOutcome => {
      const { faults } = this;
      const isHit = faults.onlySlots === null || faults.onlySlots.includes(slot);
      if (isHit && faults.isSilent) return unknown(slot);
      if (isHit && faults.refusal !== null)
        return { slot, outcome: 'refused', error: faults.refusal, message: 'the device says no' };
      if (faults.cutAfter === 0) {
        this.faults = { ...faults, cutAfter: null, isSilent: true, onlySlots: null };
        this.isOnline = false;
        this.table.set(slot, HALF);
        return unknown(slot);
      }
      if (faults.cutAfter !== null) this.faults.cutAfter = faults.cutAfter - 1;
      const refused = isHit && faults.isForgetful ? null : apply(slot, i);
      if (refused !== null) return { slot, outcome: 'refused', error: refused, message: 'the device says no' };
      return faults.isAnswerLost ? unknown(slot) : { slot, outcome: 'written' };
    });
    if (this.isAnswerSlow) await this.#travel();
    return done;
  }

  #store(slot: number, write: SlotWrite | undefined): SlotRefusal | null {
    if (write === undefined) return 'device_error';
    const { content } = write;
    const isTaken = (other: SlotContent, at: number): boolean =>
      at !== slot && other.pin !== null && other.pin === content.pin;
    if (this.#can.duplicatePins === 'reject' && [...this.held()].some(([at, other]) => isTaken(other, at)))
      return 'duplicate';
    this.table.set(slot, Buffer.from(JSON.stringify(content)));
    return null;
  }

  async #reach(slots: readonly number[]): Promise<void> {
    if (!this.isAnswerSlow) await this.#travel();
    const isHit =
      this.faults.onlySlots === null ||
      (slots.length > 0 && slots.every((slot) => this.faults.onlySlots?.includes(slot)));
    if (!this.isOnline || (this.faults.isSilent && isHit))
      throw new OperatingError('timed_out', `${this.name} does not answer`);
  }

  #image(record: Buffer): Buffer {
    if (this.#can.readBack === 'full' || record.subarray(0, 1).toString() !== '{') return record;
    const content = JSON.parse(record.toString()) as SlotContent;
    return Buffer.from(JSON.stringify({ ...content, pin: content.pin === null ? null : '****' }));
  }
}

/** Somebody else's record, as an installer leaves it at the device. */
export const foreignRecord = (name: string): Buffer => Buffer.from(`enrolled at the device: ${name}`);
