// Random credentials that a profile's table should be able to hold, and whether each comes back from its registers as
// it went in.

import { cardLayout, cardWidthBits, type CardLayoutName } from '../../drivers/modbus/cards.ts';
import { capabilitiesOf } from '../../drivers/modbus/capabilities.ts';
import { cardRegisters, getBits } from '../../drivers/modbus/layout.ts';
import type { Profile } from '../../drivers/modbus/profile-schema.ts';
import { RecordCodec, type DecodedRecord } from '../../drivers/modbus/record.ts';
import { WIEGAND_FORMATS } from '../domain/card-formats.ts';
import { assert } from '../domain/errors.ts';
import { brokenConstraint } from '../domain/code-constraints.ts';
import type { Random, SlotCapabilities, SlotContent } from '../domain/ports.ts';
import { memberOf } from '../domain/named.ts';

type Credentials = NonNullable<Profile['credentials']>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const FIRST_START_MS = Date.UTC(2026, 0, 1);
/** Starts lie within so many days of the first, ends so many behind their start. */
const WITHIN_DAYS = 1_000;
const MOST_PROBLEMS = 5;
const ATTEMPTS = 50;

/** Makes credentials up; no PIN and no card twice, for devices that mind. */
export class CredentialMint {
  readonly #credentials: Credentials;
  readonly #slots: SlotCapabilities;
  readonly #doors: number;
  readonly #random: Random;
  readonly #used = new Set<string>();

  constructor(profile: Profile, random: Random) {
    const { slots } = capabilitiesOf(profile);
    assert(profile.credentials !== undefined && slots !== null, 'the profile holds credentials');
    this.#credentials = profile.credentials;
    this.#slots = slots;
    this.#doors = Math.max(1, profile.doors.length);
    this.#random = random;
  }

  content(): SlotContent {
    const kind = this.#pick(this.#kinds());
    const startsAtMs = this.#slots.windows === 'from-until' && this.#half() ? this.#start() : null;
    const hasEnd = this.#slots.windows !== 'none' && this.#half();
    return {
      card: kind === 'pin' ? null : this.#unused(() => this.#card()),
      pin: kind === 'card' ? null : this.#unused(() => this.#pin()),
      cardAndPin: kind === 'card_and_pin',
      doors: this.#someDoors(),
      startsAtMs,
      endsAtMs: hasEnd ? (startsAtMs ?? this.#start()) + (2 + this.#below(WITHIN_DAYS)) * DAY_MS : null,
      oneTimeUse: this.#slots.oneTimeUse && this.#half(),
    };
  }

  /** The next one that passes; null when hardly any does. */
  acceptable(accepts: (content: SlotContent) => boolean): SlotContent | null {
    for (let i = 0; i < ATTEMPTS; i++) {
      const content = this.content();
      if (accepts(content)) return content;
    }
    return null;
  }

  #kinds(): ('card' | 'pin' | 'card_and_pin' | 'card_or_pin')[] {
    const { record, capabilities: can } = this.#credentials;
    return [
      ...(record.card === undefined ? [] : (['card'] as const)),
      ...(can.pin_without_card ? (['pin'] as const) : []),
      ...(can.card_and_pin ? (['card_and_pin'] as const) : []),
      ...(can.card_or_pin ? (['card_or_pin'] as const) : []),
    ];
  }

  #card(): string {
    const { card } = this.#credentials.record;
    assert(card !== undefined, 'the record holds cards');
    const names: readonly CardLayoutName[] = typeof card.format === 'string' ? [card.format] : card.format;
    const layout = cardLayout(this.#pick(names));
    const format = this.#pick(layout.formats);
    if (format === 'uid')
      return `uid:${this.#random
        .bytes((layout.bits ?? 32) / 8)
        .toString('hex')
        .toUpperCase()}`;
    const wiegand = memberOf(WIEGAND_FORMATS, format);
    if (wiegand === undefined) return this.#rawCard(Math.min(63, cardRegisters(card) * 16));
    const number = this.#bits(wiegand.number.bits);
    return wiegand.facilityCode === null
      ? `${format}:${number}`
      : `${format}:${this.#bits(wiegand.facilityCode.bits)}:${number}`;
  }

  #rawCard(mostBits: number): string {
    const width = 8 + this.#below(mostBits - 7);
    const card = cardLayout('raw').fromNumber(this.#bits(width), width);
    assert(card !== null, 'any bits are a raw card');
    return card;
  }

  #pin(): string {
    const { pin } = this.#slots;
    assert(pin !== null, 'the record holds PINs');
    for (;;) {
      const length = this.#pick(pin.lengths);
      const code = Array.from({ length }, () => this.#below(10)).join('');
      if (brokenConstraint(code, pin.constraints ?? []) === null) return code;
    }
  }

  #someDoors(): number[] {
    const all = Array.from({ length: this.#doors }, (_, i) => i + 1);
    const { doors, flags } = this.#credentials.record;
    if (doors === undefined && flags?.bits.door === undefined) return all;
    const some = all.filter(() => this.#half());
    return some.length > 0 ? some : [this.#pick(all)];
  }

  /** In whole units of what the device can tell apart, so that it comes back as it is. */
  #start(): number {
    const stepMs = Math.max(1_000, this.#slots.windowResolutionMs);
    return FIRST_START_MS + this.#below(Math.floor((WITHIN_DAYS * DAY_MS) / stepMs)) * stepMs;
  }

  /** Short PINs may run out; then one comes twice. */
  #unused(make: () => string): string {
    let value = make();
    for (let i = 0; i < ATTEMPTS && this.#used.has(value); i++) value = make();
    this.#used.add(value);
    return value;
  }

  #bits(count: number): bigint {
    const bytes = this.#random.bytes(Math.ceil(count / 8));
    return BigInt(`0x${bytes.toString('hex')}`) & ((1n << BigInt(count)) - 1n);
  }

  #below(most: number): number {
    return Math.floor(this.#random.fraction() * most);
  }

  #half(): boolean {
    return this.#random.fraction() < 0.5;
  }

  #pick<T>(list: readonly T[]): T {
    const picked = list[this.#below(list.length)];
    assert(picked !== undefined, 'there is something to pick from');
    return picked;
  }
}

/**
 * Encodes and decodes so many credentials; `problems` names what came back otherwise. A table that refuses most of what
 * it should hold is a problem as well.
 */
export function roundTrip(
  profile: Profile,
  mint: CredentialMint,
  count: number,
): { tried: number; refused: number; problems: string[] } {
  const { credentials, doors } = profile;
  assert(credentials !== undefined, 'the profile holds credentials');
  const codec = new RecordCodec(credentials, doors.length, 'UTC');
  const problems = new Set<string>();
  const { first_slot: first, count: slots } = credentials.table;
  let refused = 0;
  let lastRefusal = '';
  for (let i = 0; i < count; i++) {
    const content = mint.content();
    const encoded = codec.encode(first + (i % slots), content);
    if (!encoded.ok) {
      refused += 1;
      lastRefusal = encoded.message;
      continue;
    }
    const problem =
      difference(codec, encoded.registers, content, capabilitiesOf(profile).slots) ??
      widthDifference(credentials, encoded.registers, content.card);
    if (problem !== null) problems.add(problem);
    if (codec.hasEnable && codec.isInForce(codec.disabled(encoded.registers)))
      problems.add('a disabled record still counts as one in force');
  }
  if (!codec.isEmpty(codec.erased())) problems.add('an erased slot does not count as empty');
  if (refused > count / 2) problems.add(`${refused} of ${count} are refused, the last because ${lastRefusal}`);
  return { tried: count, refused, problems: [...problems].slice(0, MOST_PROBLEMS) };
}

function difference(
  codec: RecordCodec,
  registers: readonly number[],
  content: SlotContent,
  slots: SlotCapabilities | null,
): string | null {
  const back = codec.decode(registers);
  if (!back.enabled) return 'a used slot counts as empty';
  if (back.pin !== content.pin) return 'a PIN comes back with other digits, or not at all';
  if (content.card === null ? back.cardNumber !== null : codec.numberOfCard(content.card) !== back.cardNumber)
    return `a card of format ${content.card?.split(':')[0] ?? 'none'} comes back as another one`;
  if (content.card !== null && content.pin !== null && back.cardAndPin !== content.cardAndPin)
    return 'card and PIN together come back as card or PIN, or the other way round';
  if (String(back.doors) !== String(content.doors)) return 'the doors come back as others';
  if (back.oneTimeUse !== content.oneTimeUse) return 'one-time use is lost';
  return windowDifference(back, content, slots);
}

/** Else two cards of different width and the same number would be one. */
function widthDifference({ record }: Credentials, registers: readonly number[], card: string | null): string | null {
  const fits =
    card === null || record.card_width === undefined || getBits(registers, record.card_width) === cardWidthBits(card);
  return fits ? null : 'the number of bits of a card does not fit into card_width';
}

function windowDifference(back: DecodedRecord, content: SlotContent, slots: SlotCapabilities | null): string | null {
  const resolutionMs = slots?.windowResolutionMs ?? 0;
  const differs = (wanted: number | null, found: number | null): boolean =>
    wanted === null || found === null ? wanted !== found : Math.abs(wanted - found) > resolutionMs;
  if (differs(content.startsAtMs, back.startsAtMs)) return 'a start comes back at another time';
  return differs(content.endsAtMs, back.endsAtMs) ? 'an end comes back at another time' : null;
}
