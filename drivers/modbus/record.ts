// One slot's record between credentials and registers, both ways, after the `record` of a profile. The codec is
// compiled once; what the device's own bits hold (reserved ones, a use counter) is left out of every comparison.

import { cardLayout, cardWidthBits } from './cards.ts';
import { words as toBytes } from './codec.ts';
import {
  cardRegisters,
  extents,
  fitsBits,
  FULL,
  getBits,
  patternNumber,
  putBits,
  putNumber,
  recordRegisters,
  registersToNumber,
  type CredentialsSpec,
  type RecordSpec,
  type SmallField,
} from './layout.ts';
import { decodePin, encodePin, pinRegisters } from './pins.ts';
import { TIME_FORMS, windowFromRaw, windowToRaw } from './times.ts';
import { assert } from '../../src/domain/errors.ts';
import { brokenConstraint, CODE_CONSTRAINTS } from '../../src/domain/code-constraints.ts';
import type { SlotContent, SlotRefusal } from '../../src/domain/ports.ts';

export type Encoded = { ok: true; registers: number[] } | { ok: false; refusal: SlotRefusal; message: string };

/** What a record says, for people and for the device's own decision. */
export type DecodedRecord = {
  enabled: boolean;
  /** Canonical, when the number alone tells which card it is. */
  card: string | null;
  cardNumber: bigint | null;
  pin: string | null;
  cardAndPin: boolean;
  doors: number[];
  startsAtMs: number | null;
  endsAtMs: number | null;
  oneTimeUse: boolean;
};

// ---- the codec ------------------------------------------------------------------------------------------------------

/** `zone` is the controller's own for fields that say local; `doorCount` of the profile. */
export class RecordCodec {
  readonly registers: number;
  readonly #spec: CredentialsSpec;
  readonly #zone: string;
  readonly #doorCount: number;
  /** Bits that are compared when a slot is read back. */
  readonly #compared: number[];
  readonly #erased: readonly number[];

  constructor(spec: CredentialsSpec, doorCount: number, zone: string) {
    this.#spec = spec;
    this.#zone = zone;
    this.#doorCount = doorCount;
    this.registers = recordRegisters(spec.record);
    const masked = spec.readback.mode === 'masked' ? new Set<string>(spec.readback.mask_fields) : new Set<string>();
    this.#compared = Array.from({ length: this.registers }, () => 0);
    for (const { name, at, masks } of extents(spec.record)) {
      if (!masked.has(name))
        masks.forEach((mask, i) => (this.#compared[at + i] = (this.#compared[at + i] ?? 0) | mask));
    }
    const { mode, fill } = spec.delete;
    const filled = Array.from({ length: this.registers }, () => (mode === 'flag-clear' ? 0 : fill));
    this.#erased = mode === 'flag-clear' ? this.disabled(filled) : filled;
  }

  /** Whether a record can be written without being in force. */
  get hasEnable(): boolean {
    return this.#spec.record.flags?.bits.enabled !== undefined || this.#spec.record.mode !== undefined;
  }

  /** Where the register stands that puts a record in force, by offset. */
  get enableAt(): number {
    const { flags, mode } = this.#spec.record;
    const at = flags?.bits.enabled === undefined ? mode?.at : flags.at;
    assert(at !== undefined, 'the record can be disabled');
    return at;
  }

  /** The registers that hold this credential; refused when the device cannot keep it. */
  encode(slot: number, content: SlotContent): Encoded {
    const registers = Array.from({ length: this.registers }, () => 0);
    const problem =
      this.#checkKind(content) ??
      this.#putCard(registers, content.card) ??
      this.#putPin(registers, content.pin) ??
      this.#putDoors(registers, content.doors) ??
      this.#putWindow(registers, content);
    if (problem !== null) return problem;
    this.#putFlags(registers, content);
    const { record } = this.#spec;
    if (record.slot !== undefined) putBits(registers, record.slot, slot);
    for (const constant of record.constants) putBits(registers, constant, constant.value);
    if (this.isEmpty(registers) || !this.isInForce(registers))
      return refuse(
        content.card === null ? 'bad_pin' : 'bad_card',
        'such a slot would be an empty one to this controller',
      );
    return { ok: true, registers };
  }

  /** The same record, written but not in force. */
  disabled(registers: readonly number[]): number[] {
    const copy = [...registers];
    const { flags, mode } = this.#spec.record;
    if (flags?.bits.enabled !== undefined) {
      copy[flags.at] = (copy[flags.at] ?? 0) & ~(1 << flags.bits.enabled) & FULL;
    } else if (mode !== undefined) putBits(copy, mode, mode.values.empty);
    return copy;
  }

  /** What an emptied slot holds. */
  erased(): number[] {
    return [...this.#erased];
  }

  /**
   * Empty is what an erasure leaves, and memory that was never written (all zeros or all ones, not in force): nothing
   * else. A record that is only put out of force still has somebody's card and PIN in it.
   */
  isEmpty(registers: readonly number[]): boolean {
    if (this.#isShownAs(registers, this.#erased)) return true;
    if (!this.hasEnable || this.isInForce(registers)) return false;
    const first = registers[0] ?? 0;
    return (first === 0 || first === FULL) && registers.every((register) => register === first);
  }

  /** False for a record that opens nothing, whatever it holds. */
  isInForce(registers: readonly number[]): boolean {
    const { flags, mode } = this.#spec.record;
    if (flags?.bits.enabled !== undefined) return ((registers[flags.at] ?? 0) & (1 << flags.bits.enabled)) !== 0;
    if (mode !== undefined) return getBits(registers, mode) !== mode.values.empty;
    return !this.#isShownAs(registers, this.#erased);
  }

  /**
   * Whether a write of `payload` into an empty slot that ended half-way may have left this: each register is still
   * erased, or written, in force or not.
   */
  mayBeLeftOf(payload: readonly number[], image: Buffer): boolean {
    const stages = [this.#erased, this.disabled(payload), payload].map((registers) => this.shown(registers));
    for (let at = 0; at < image.length; at += 2) {
      if (!stages.some((stage) => stage[at] === image[at] && stage[at + 1] === image[at + 1])) return false;
    }
    return true;
  }

  #isShownAs(registers: readonly number[], other: readonly number[]): boolean {
    for (let i = 0; i < this.#compared.length; i++) {
      if (((registers[i] ?? 0) & (this.#compared[i] ?? 0)) !== ((other[i] ?? 0) & (this.#compared[i] ?? 0)))
        return false;
    }
    return true;
  }

  /**
   * What counts when a record is compared: one image for every empty slot, and otherwise the bits that the profile
   * names and the device shows.
   */
  image(registers: readonly number[]): Buffer {
    return this.shown(this.isEmpty(registers) ? this.#erased : registers);
  }

  /** The bits of a record that the profile names and the device shows, in force or not. */
  shown(registers: readonly number[]): Buffer {
    return toBytes(registers.map((register, i) => register & (this.#compared[i] ?? 0)));
  }

  decode(registers: readonly number[]): DecodedRecord {
    const { record } = this.#spec;
    const cardNumber = this.#cardNumber(registers);
    const flag = (bit: number | undefined): boolean | null =>
      record.flags === undefined || bit === undefined ? null : ((registers[record.flags.at] ?? 0) & (1 << bit)) !== 0;
    const mode = record.mode === undefined ? null : getBits(registers, record.mode);
    const bits = record.flags?.bits;
    const pin = this.#pinOf(registers);
    return {
      enabled: this.isInForce(registers),
      card: cardNumber === null ? null : this.#cardOf(cardNumber, registers),
      cardNumber,
      pin: flag(bits?.pin) === false ? null : pin,
      cardAndPin:
        flag(bits?.card_and_pin) ??
        (mode === null
          ? cardNumber !== null && pin !== null && !this.#spec.capabilities.card_or_pin
          : mode === record.mode?.values.card_and_pin),
      doors: this.#doorsOf(registers),
      startsAtMs: this.#edgeOf(registers, 'from'),
      endsAtMs: this.#edgeOf(registers, 'until'),
      oneTimeUse: flag(bits?.one_time) ?? false,
    };
  }

  /** The number under which the device knows this card, or null when it cannot hold it. */
  numberOfCard(canonical: string): bigint | null {
    const spec = this.#spec.record.card;
    if (spec === undefined) return null;
    for (const name of typeof spec.format === 'string' ? [spec.format] : spec.format) {
      const value = cardLayout(name).toNumber(canonical);
      if (value === null) continue;
      const kept =
        spec.mask === undefined ? value : (value >> BigInt(spec.mask.drop_low)) & ((1n << BigInt(spec.mask.keep)) - 1n);
      return kept >> BigInt(this.#cardBits()) === 0n ? kept : null;
    }
    return null;
  }

  // ---- writing, field by field --------------------------------------------------------------------------------------

  #checkKind(content: SlotContent): Encoded | null {
    const can = this.#spec.capabilities;
    const hasCard = content.card !== null;
    const hasPin = content.pin !== null;
    if (!hasCard && !hasPin) return refuse('not_supported', 'a slot needs a card or a PIN');
    if (!hasCard && !can.pin_without_card)
      return refuse('not_supported', 'this controller takes no PIN without a card');
    if (hasCard && hasPin && content.cardAndPin && !can.card_and_pin)
      return refuse('not_supported', 'this controller cannot ask for card and PIN together');
    if (hasCard && hasPin && !content.cardAndPin && !can.card_or_pin)
      return refuse('not_supported', 'this controller cannot take card or PIN in one slot');
    if (content.oneTimeUse && this.#spec.record.flags?.bits.one_time === undefined)
      return refuse('not_supported', 'this controller does not know one-time use');
    return null;
  }

  #cardBits(): number {
    const spec = this.#spec.record.card;
    assert(spec !== undefined, 'the record holds cards');
    const registers = cardRegisters(spec);
    if (spec.type === 'bcd') return Math.floor(registers * 4 * Math.log2(10));
    return spec.type === 'ascii' ? 64 : registers * 16;
  }

  #putCard(registers: number[], card: string | null): Encoded | null {
    const { card: spec, card_width: width } = this.#spec.record;
    if (spec === undefined) return card === null ? null : refuse('bad_card', 'this controller holds no cards');
    const count = cardRegisters(spec);
    const empty = patternNumber(spec.empty, count);
    if (card === null) {
      putNumber(registers, spec.at, empty, count, spec);
      return null;
    }
    const value = this.numberOfCard(card);
    const raw = value === null ? null : cardToRaw(value, spec, count);
    if (raw === null) return refuse('bad_card', 'a card of this format does not fit into this controller’s table');
    if (raw === empty) return refuse('bad_card', 'this card’s number means "no card" to this controller');
    putNumber(registers, spec.at, raw, count, spec);
    if (width !== undefined) putBits(registers, width, cardWidthBits(card));
    return null;
  }

  #putPin(registers: number[], pin: string | null): Encoded | null {
    const { pin: spec, pin_length: length } = this.#spec.record;
    if (spec === undefined) return pin === null ? null : refuse('bad_pin', 'this controller holds no PINs');
    const [least, most] = spec.digits;
    if (pin !== null && (!/^[0-9]+$/.test(pin) || pin.length < least || pin.length > most)) {
      const range = least === most ? `${least}` : `${least} to ${most}`;
      return refuse('bad_pin', `this controller takes PINs of ${range} digits`);
    }
    const broken = pin === null ? null : brokenConstraint(pin, this.#spec.capabilities.code_constraints);
    if (broken !== null) return refuse('bad_pin', `this controller takes PINs ${CODE_CONSTRAINTS[broken].says}`);
    const raw = encodePin(spec, pin);
    if (raw === null) return refuse('bad_pin', 'this PIN does not fit into this controller’s table');
    if (pin !== null && this.#spec.record.flags?.bits.pin === undefined && raw === encodePin(spec, null))
      return refuse('bad_pin', 'these digits mean "no PIN" to this controller');
    putNumber(registers, spec.at, raw, pinRegisters(spec), spec);
    if (length !== undefined) putBits(registers, length, pin?.length ?? 0);
    return null;
  }

  #putDoors(registers: number[], doors: readonly number[]): Encoded | null {
    const field = this.#doorField();
    if (doors.length === 0) return refuse('not_supported', 'a credential needs a door');
    if (doors.some((door) => door < 1 || door > Math.max(1, this.#doorCount)))
      return refuse('not_supported', `this controller has ${this.#doorCount} doors`);
    if (field === null) {
      return new Set(doors).size >= this.#doorCount
        ? null
        : refuse('not_supported', 'this controller opens all its doors or none for a credential');
    }
    const value = doors.reduce((mask, door) => mask | (1 << (door - 1)), 0);
    if (!fitsBits(field, value)) return refuse('not_supported', 'this controller has no bit for that door');
    putBits(registers, field, value);
    return null;
  }

  #putWindow(registers: number[], content: SlotContent): Encoded | null {
    const edges = [
      ['from', content.startsAtMs],
      ['until', content.endsAtMs],
    ] as const;
    const stored: (number | null)[] = [];
    for (const [edge, atMs] of edges) {
      const spec = this.#spec.record[edge];
      if (spec === undefined) continue;
      const count = TIME_FORMS[spec.type].registers;
      const none = patternNumber(spec.none ?? (edge === 'from' ? 'zeros' : 'ones'), count);
      const raw = atMs === null ? none : windowToRaw(spec.type, edge, atMs, this.#zoneOf(spec), spec.inclusive);
      if (raw === null || (atMs !== null && raw === none))
        return refuse('not_supported', `this controller cannot store such a${edge === 'from' ? ' start' : 'n end'}`);
      putNumber(registers, spec.at, raw, count, spec);
      stored.push(this.#edgeOf(registers, edge));
    }
    const [startsAtMs, endsAtMs] = stored;
    if (typeof startsAtMs === 'number' && typeof endsAtMs === 'number' && startsAtMs >= endsAtMs)
      return refuse('not_supported', 'the window is shorter than this controller can tell times apart');
    return null;
  }

  #putFlags(registers: number[], content: SlotContent): void {
    const { flags, mode } = this.#spec.record;
    const both = content.card !== null && content.pin !== null;
    if (flags !== undefined) {
      const on = (bit: number | undefined, value: boolean): number => (bit !== undefined && value ? 1 << bit : 0);
      registers[flags.at] =
        (registers[flags.at] ?? 0) |
        flags.set |
        on(flags.bits.enabled, true) |
        on(flags.bits.card, content.card !== null) |
        on(flags.bits.pin, content.pin !== null) |
        on(flags.bits.card_and_pin, both && content.cardAndPin) |
        on(flags.bits.one_time, content.oneTimeUse);
    }
    if (mode !== undefined) {
      const kind = both
        ? content.cardAndPin
          ? mode.values.card_and_pin
          : mode.values.card_or_pin
        : content.card === null
          ? mode.values.pin
          : mode.values.card;
      assert(kind !== undefined, 'the lint has seen that every kind of slot has a mode');
      putBits(registers, mode, kind);
    }
  }

  // ---- reading, field by field --------------------------------------------------------------------------------------

  #cardNumber(registers: readonly number[]): bigint | null {
    const { card: spec } = this.#spec.record;
    if (spec === undefined) return null;
    const count = cardRegisters(spec);
    const raw = registersToNumber(registers.slice(spec.at, spec.at + count), spec);
    return raw === patternNumber(spec.empty, count) ? null : cardFromRaw(raw, spec, count);
  }

  #cardOf(value: bigint, registers: readonly number[]): string | null {
    const { card: spec, card_width: width } = this.#spec.record;
    if (spec === undefined || spec.mask !== undefined) return null;
    const widthBits = width === undefined ? null : getBits(registers, width);
    for (const name of typeof spec.format === 'string' ? [spec.format] : spec.format) {
      const card = cardLayout(name).fromNumber(value, widthBits);
      if (card !== null) return card;
    }
    return null;
  }

  #pinOf(registers: readonly number[]): string | null {
    const { pin: spec, pin_length: length } = this.#spec.record;
    if (spec === undefined) return null;
    const raw = registersToNumber(registers.slice(spec.at, spec.at + pinRegisters(spec)), spec);
    const digits = length === undefined ? null : getBits(registers, length);
    if (digits === 0 || (this.#spec.record.flags?.bits.pin === undefined && raw === encodePin(spec, null))) return null;
    return decodePin(spec, raw, digits);
  }

  #doorField(): SmallField | null {
    const { doors, flags } = this.#spec.record;
    if (doors !== undefined) return doors;
    return flags?.bits.door === undefined ? null : { at: flags.at, bits: flags.bits.door };
  }

  #doorsOf(registers: readonly number[]): number[] {
    const field = this.#doorField();
    const all = Array.from({ length: Math.max(1, this.#doorCount) }, (_, i) => i + 1);
    if (field === null) return all;
    const mask = getBits(registers, field);
    return Array.from({ length: 16 }, (_, i) => i + 1).filter((door) => (mask & (1 << (door - 1))) !== 0);
  }

  #edgeOf(registers: readonly number[], edge: 'from' | 'until'): number | null {
    const spec = this.#spec.record[edge];
    if (spec === undefined) return null;
    const count = TIME_FORMS[spec.type].registers;
    const raw = registersToNumber(registers.slice(spec.at, spec.at + count), spec);
    if (raw === patternNumber(spec.none ?? (edge === 'from' ? 'zeros' : 'ones'), count)) return null;
    return windowFromRaw(spec.type, edge, raw, this.#zoneOf(spec), spec.inclusive);
  }

  #zoneOf(spec: { zone: 'utc' | 'local' }): string {
    return spec.zone === 'utc' ? 'UTC' : this.#zone;
  }
}

const refuse = (refusal: SlotRefusal, message: string): Encoded => ({ ok: false, refusal, message });

type CardSpec = NonNullable<RecordSpec['card']>;

/**
 * A card's number as the registers hold it: binary, decimal digits in nibbles, or as text (10h in hexadecimal, others
 * in decimal).
 */
function cardToRaw(value: bigint, spec: CardSpec, registers: number): bigint | null {
  if (spec.type === 'bcd') {
    const text = value.toString();
    return text.length > registers * 4 ? null : BigInt(`0x${text}`);
  }
  if (spec.type === 'ascii') {
    const text = (isHexText(spec) ? value.toString(16).toUpperCase() : value.toString()).padStart(registers * 2, '0');
    return text.length > registers * 2 ? null : BigInt(`0x${Buffer.from(text, 'latin1').toString('hex')}`);
  }
  return value;
}

function cardFromRaw(raw: bigint, spec: CardSpec, registers: number): bigint | null {
  if (spec.type === 'bcd') {
    const text = raw.toString(16);
    return /^[0-9]+$/.test(text) ? BigInt(text) : null;
  }
  if (spec.type === 'ascii') {
    const text = Buffer.from(raw.toString(16).padStart(registers * 4, '0'), 'hex').toString('latin1');
    if (!(isHexText(spec) ? /^[0-9A-F]+$/ : /^[0-9]+$/).test(text)) return null;
    return BigInt(isHexText(spec) ? `0x${text}` : text);
  }
  return raw;
}

const isHexText = (spec: CardSpec): boolean => spec.format === '10h';
