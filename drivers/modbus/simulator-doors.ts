// What a simulated controller decides by itself, with Lintel far away: a card or a PIN is looked up in its own table,
// by its own window and clock, and its own relay opens the door. It reads nothing but its registers.

import { cardWidthBits } from './cards.ts';
import { getBits } from './layout.ts';
import { RecordCodec, type DecodedRecord } from './record.ts';
import type { Profile } from './profile-schema.ts';
import type { SimulatedEvents } from './simulator-events.ts';
import type { SimulatedMemory } from './simulator-memory.ts';
import { assert } from '../../src/domain/errors.ts';
import { parseCanonical } from '../../src/domain/card-formats.ts';
import type { Clock, Timer } from '../../src/domain/ports.ts';

export type Presented = { card?: string; pin?: string };
export type Decision = { granted: boolean; slot: number | null; reason: string };

/** What the deciding part uses of its device. */
export type DoorBox = {
  readonly profile: Profile;
  readonly zone: string;
  readonly strikeMs: number;
  readonly memory: SimulatedMemory;
  readonly events: SimulatedEvents;
  timeMs(): number;
  drive(output: number, energised: boolean, pulseMs: number): void;
};

export class SimulatedDoors {
  readonly #unit: DoorBox;
  readonly #clock: Clock;
  readonly #codec: RecordCodec | null;
  /** Until when an opening is no break-in. */
  readonly #freeUntilMs = new Map<number, number>();
  readonly #held = new Map<number, Timer>();

  constructor(unit: DoorBox, clock: Clock) {
    this.#unit = unit;
    this.#clock = clock;
    const { credentials, doors } = unit.profile;
    this.#codec = credentials === undefined ? null : new RecordCodec(credentials, doors.length, unit.zone);
  }

  /** Somebody shows a card (canonical), a PIN, or both at a door's reader. */
  present(door: number, { card, pin }: Presented): Decision {
    const decision = this.#decide(door, card === undefined ? null : parseCanonical(card), pin ?? null);
    this.#unit.events.add({ kind: decision.reason, door, slot: decision.slot });
    if (decision.granted) {
      this.#open(door);
      if (decision.slot !== null) this.#useUp(decision.slot);
    }
    return decision;
  }

  inputChanged(index: number, active: boolean): void {
    this.#unit.profile.doors.forEach(({ contact, rex }, i) => {
      const door = i + 1;
      if (index === rex && active) {
        this.#unit.events.add({ kind: 'rex', door, slot: null });
        this.#open(door);
      }
      if (index !== contact) return;
      const free = this.#clock.monotonicMs() <= (this.#freeUntilMs.get(door) ?? -1);
      this.#unit.events.add({ kind: active ? (free ? 'opened' : 'forced') : 'closed', door, slot: null });
      this.#held.get(door)?.cancel();
      if (active)
        this.#held.set(
          door,
          this.#clock.after(30_000, () => this.#unit.events.add({ kind: 'held', door, slot: null })),
        );
    });
    const role = this.#unit.profile.inputs[index]?.role;
    if (role === 'tamper' && active) this.#unit.events.add({ kind: 'tamper', door: null, slot: null });
  }

  /** The record in a slot, as the device understands it. */
  slot(slot: number): DecodedRecord {
    const [codec, registers] = this.#registers(slot);
    return codec.decode(registers);
  }

  eraseSlot(slot: number): void {
    const [codec] = this.#registers(slot);
    this.#unit.memory.write('holding', this.#baseOf(slot), codec.erased());
  }

  /** Whether another slot in force holds the same PIN; only for a device that minds. */
  isDuplicate(slot: number): boolean {
    if (this.#unit.profile.credentials?.capabilities.duplicate_pins !== 'reject') return false;
    const { pin } = this.slot(slot);
    return (
      pin !== null &&
      this.#slots().some((other) => other !== slot && this.slot(other).enabled && this.slot(other).pin === pin)
    );
  }

  reset(): void {
    this.#freeUntilMs.clear();
    this.close();
  }

  close(): void {
    for (const timer of this.#held.values()) timer.cancel();
    this.#held.clear();
  }

  #decide(door: number, card: string | null, pin: string | null): Decision {
    const fitting = this.#slots().filter((slot) => this.#matches(slot, card, pin));
    if (fitting.length === 0) return { granted: false, slot: null, reason: this.#unmatched(card) };
    const atMs = this.#unit.timeMs();
    let reason = 'denied-door';
    for (const slot of fitting) {
      const record = this.slot(slot);
      if (!record.doors.includes(door)) continue;
      const open = (record.startsAtMs ?? -Infinity) <= atMs && atMs < (record.endsAtMs ?? Infinity);
      if (open) return { granted: true, slot, reason: 'granted' };
      reason = 'denied-time';
    }
    return { granted: false, slot: fitting[0] ?? null, reason };
  }

  /** A known card without its PIN is another refusal than an unknown card. */
  #unmatched(card: string | null): string {
    return card !== null && this.#slots().some((slot) => this.#holdsCard(slot, card)) ? 'denied-pin' : 'denied-unknown';
  }

  #matches(slot: number, card: string | null, pin: string | null): boolean {
    const record = this.slot(slot);
    if (!record.enabled) return false;
    const cardFits = card !== null && this.#holdsCard(slot, card);
    const pinFits = pin !== null && record.pin === pin;
    if (record.cardAndPin) return cardFits && pinFits;
    return cardFits || pinFits;
  }

  #holdsCard(slot: number, card: string): boolean {
    const [codec, registers] = this.#registers(slot);
    const record = codec.decode(registers);
    const width = this.#unit.profile.credentials?.record.card_width;
    if (!record.enabled || record.cardNumber === null || record.cardNumber !== codec.numberOfCard(card)) return false;
    return width === undefined || getBits(registers, width) === cardWidthBits(card);
  }

  #open(door: number): void {
    const strike = this.#unit.profile.doors[door - 1]?.strike;
    this.#freeUntilMs.set(door, this.#clock.monotonicMs() + this.#unit.strikeMs + 1_000);
    if (strike !== undefined) this.#unit.drive(strike, true, this.#unit.strikeMs);
  }

  #useUp(slot: number): void {
    const [codec, registers] = this.#registers(slot);
    if (codec.decode(registers).oneTimeUse)
      this.#unit.memory.write('holding', this.#baseOf(slot), codec.disabled(registers));
  }

  #slots(): number[] {
    const table = this.#unit.profile.credentials?.table;
    return table === undefined ? [] : Array.from({ length: table.count }, (_, i) => table.first_slot + i);
  }

  #baseOf(slot: number): number {
    const table = this.#unit.profile.credentials?.table;
    assert(table !== undefined, 'the device holds credentials');
    return table.base + (slot - table.first_slot) * table.stride;
  }

  #registers(slot: number): [RecordCodec, number[]] {
    assert(this.#codec !== null, 'the device holds credentials');
    return [this.#codec, this.#unit.memory.read('holding', this.#baseOf(slot), this.#codec.registers)];
  }
}
