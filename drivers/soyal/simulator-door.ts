// What a simulated SOYAL controller keeps and decides: its user table, time zones, clock, event log, EEPROM and door.
// It is written from the manual and shares no code with the driver, so that a mistake in one is not repeated in the
// other.

import type { Clock, Timer } from '../driver.ts';

export type SimulatedUser = { uid: number; pin: number; mode: number; zone: number };

export type SimulatedEvent = { code: number; address: number; uid: number; pin: number; forced: boolean };

/** Who had the door opened. */
export type Opening = 'card' | 'pin' | 'exit' | 'host';

const EEPROM_BYTES = 0x8000;
export const EEPROM_OPTIONS = 0x06;
export const EEPROM_MODE = 0x0b;
export const EEPROM_DOOR_TIME = 0x12;
const CODE = {
  pinError: 0x01,
  invalidCard: 0x03,
  timeZone: 0x04,
  access: 0x0b,
  egress: 0x10,
  alarm: 0x11,
  byPin: 0x1c,
};
const CARD_THEN_PIN_MS = 10_000;
/** After a poll by 18H a card is handed to the host for so long. */
const HOST_MODE_MS = 5_000;

export type DoorTraits = {
  address: number;
  eventCapacity: number;
  /** Firmware that lets a card of number 0 open a slot without a card. */
  opensForCardZero: boolean;
};

export class SimulatedDoor {
  readonly users = new Map<number, SimulatedUser>();
  readonly zones = new Map<number, Buffer>();
  readonly holidays: { month: number; day: number }[] = [];
  readonly eeprom = Buffer.alloc(EEPROM_BYTES);
  /** Oldest first, 26 bytes each. */
  readonly log: Buffer[] = [];
  /** Each time the door relay was energised, and by whom. */
  readonly openings: Opening[] = [];
  keypadLocked = false;
  armed = false;
  alarming = false;
  editing = false;
  latched = false;
  /** The relay stays on once it is, whatever it is told. */
  welded = false;
  readonly #clock: Clock;
  readonly #traits: DoorTraits;
  #clockOffsetMs = 0;
  #doorOpen = false;
  #exitPressed = false;
  #forcedOpen = false;
  #relayOn = false;
  #relayTimer: Timer | null = null;
  #cardWaits: { address: number; untilMs: number } | null = null;
  #hostUntilMs = 0;
  #handedToHost: number | null = null;

  /** `traits` are looked at anew at each decision. */
  constructor(clock: Clock, traits: DoorTraits) {
    this.#clock = clock;
    this.#traits = traits;
  }

  // ---- its clock: UTC, as far as it knows ---------------------------------------------------------------------------

  get clockMs(): number {
    return this.#clock.nowMs() + this.#clockOffsetMs;
  }

  set clockMs(atMs: number) {
    this.#clockOffsetMs = atMs - this.#clock.nowMs();
  }

  /** Seconds first, Sunday as 1. */
  stamp(): number[] {
    const now = new Date(this.clockMs);
    return [
      now.getUTCSeconds(),
      now.getUTCMinutes(),
      now.getUTCHours(),
      now.getUTCDay() + 1,
      now.getUTCDate(),
      now.getUTCMonth() + 1,
      now.getUTCFullYear() % 100,
    ];
  }

  // ---- its state ----------------------------------------------------------------------------------------------------

  parameters(): number {
    return this.eeprom.readUInt8(EEPROM_OPTIONS);
  }

  /** The two bytes of input and output status. */
  io(): [number, number] {
    const bits = (...flags: [boolean, number][]): number => flags.reduce((sum, [on, bit]) => sum | (on ? bit : 0), 0);
    return [
      bits(
        [this.keypadLocked, 0x80],
        [this.#relayOn, 0x40],
        [this.armed, 0x10],
        [this.alarming, 0x08],
        [this.latched, 0x04],
        [this.#exitPressed, 0x02],
        [this.#doorOpen, 0x01],
      ),
      bits([this.#forcedOpen, 0x80], [this.editing, 0x20]),
    ];
  }

  // ---- polled by 18H, cards go to the host --------------------------------------------------------------------------

  /** The card that waits for a verdict; null: none. From now on cards are handed over for a while. */
  online(): number | null {
    this.#hostUntilMs = this.#clock.monotonicMs() + HOST_MODE_MS;
    return this.#handedToHost;
  }

  verdict(accepted: boolean): void {
    if (this.#handedToHost !== null && accepted) this.pulse('host');
    this.#handedToHost = null;
  }

  // ---- at the door --------------------------------------------------------------------------------------------------

  get relayOn(): boolean {
    return this.#relayOn;
  }

  /** True when the door opened. A slot that asks for both waits for the PIN. */
  presentCard(uid: number): boolean {
    if (this.#clock.monotonicMs() < this.#hostUntilMs) {
      this.#handedToHost = uid;
      return false;
    }
    const known = [...this.users].find(([, user]) => (user.mode & 3) !== 0 && user.uid === uid);
    if (known === undefined || (uid === 0 && !this.#traits.opensForCardZero)) {
      // What a real reader leaves in the address of an unknown card is a part of its number.
      this.#logEvent({ code: CODE.invalidCard, address: uid & 0xffff, uid });
      return false;
    }
    const [address, user] = known;
    if (!this.#inZone(user.zone)) {
      this.#logEvent({ code: CODE.timeZone, address, uid });
      return false;
    }
    if ((user.mode & 3) === 3) {
      this.#cardWaits = { address, untilMs: this.#clock.monotonicMs() + CARD_THEN_PIN_MS };
      return false;
    }
    this.#admit({ code: CODE.access, address, uid }, 'card');
    return true;
  }

  /**
   * Four digits and `#`, as in operation mode 8. True when the door opened; in mode 6 a PIN of one's own opens nothing.
   */
  typePin(digits: string): boolean {
    const pin = Number(digits);
    const waits = this.#cardWaits;
    this.#cardWaits = null;
    if (waits !== null && this.#clock.monotonicMs() <= waits.untilMs) {
      const user = this.users.get(waits.address);
      if (user !== undefined && pin !== 0 && user.pin === pin) {
        this.#admit({ code: CODE.access, address: waits.address, uid: user.uid }, 'card');
        return true;
      }
      this.#logEvent({ code: CODE.pinError, pin });
      return false;
    }
    const own = this.eeprom[EEPROM_MODE] === 6 ? [] : [...this.users];
    const found = own.find(([, user]) => (user.mode & 3) === 2 && pin !== 0 && user.pin === pin);
    if (found === undefined || !this.#inZone(found[1].zone)) {
      this.#logEvent({ code: found === undefined ? CODE.pinError : CODE.timeZone, address: found?.[0] ?? 0, pin });
      return false;
    }
    this.#admit({ code: CODE.byPin, address: found[0], pin }, 'pin');
    return true;
  }

  pressExit(pressed: boolean): void {
    if (pressed && !this.#exitPressed) {
      this.#logEvent({ code: CODE.egress });
      this.pulse('exit');
    }
    this.#exitPressed = pressed;
  }

  /** A door that opens while the relay is off was forced. */
  setDoor(open: boolean): void {
    if (open && !this.#doorOpen && !this.#relayOn) {
      this.#forcedOpen = true;
      this.#logEvent({ code: CODE.alarm, forced: true });
    }
    if (!open) this.#forcedOpen = false;
    this.#doorOpen = open;
  }

  /** Off and on again: the relay falls, the receiver starts afresh, and without a battery the clock starts in 2000. */
  powerCycle(keeps: { memory: boolean; clock: boolean }): void {
    this.#cardWaits = null;
    this.#hostUntilMs = 0;
    this.#handedToHost = null;
    this.setRelay(false, 'host');
    if (!keeps.memory) {
      this.users.clear();
      this.zones.clear();
      this.holidays.length = 0;
      this.log.length = 0;
    }
    if (!keeps.clock) this.clockMs = Date.UTC(2000, 0, 1);
  }

  #admit(event: Partial<SimulatedEvent> & { code: number }, by: Opening): void {
    this.#logEvent(event);
    this.pulse(by);
  }

  pulse(by: Opening): void {
    this.setRelay(true, by);
    const timeMs = this.eeprom.readUInt16BE(EEPROM_DOOR_TIME) * 10;
    if (timeMs > 0) this.#relayTimer = this.#clock.after(timeMs, () => this.setRelay(false, by));
  }

  setRelay(on: boolean, by: Opening): void {
    this.#relayTimer?.cancel();
    this.#relayTimer = null;
    this.#relayOn = on || (this.welded && this.#relayOn);
    if (on) this.openings.push(by);
  }

  #inZone(number: number, visited: readonly number[] = []): boolean {
    if (number === 0) return true;
    const zone = this.zones.get(number);
    if (zone === undefined || visited.includes(number)) return false;
    const link = zone.readUInt8(0) & 0x7f;
    const holdsElsewhere = (): boolean => link !== 0 && this.#inZone(link, [...visited, number]);
    if (this.#isHoliday() && (zone.readUInt8(0) & 0x80) === 0) return holdsElsewhere();
    const now = new Date(this.clockMs);
    const minute = now.getUTCHours() * 60 + now.getUTCMinutes();
    const at = 2 + now.getUTCDay() * 4;
    const [begin, end] = [zone.readUInt16BE(at), zone.readUInt16BE(at + 2)];
    return (begin < end && minute >= begin && minute <= end) || holdsElsewhere();
  }

  #isHoliday(): boolean {
    const now = new Date(this.clockMs);
    return this.holidays.some(({ month, day }) => month === now.getUTCMonth() + 1 && day === now.getUTCDate());
  }

  /** A full log loses its oldest event. */
  #logEvent(event: Partial<SimulatedEvent> & { code: number }): void {
    const { code, address = 0, uid = 0, pin = 0, forced = false } = event;
    const node = this.#traits.address;
    const [site, card] = [uid >>> 16, uid & 0xffff];
    this.log.push(
      Buffer.from([
        code,
        node,
        ...this.stamp(),
        node,
        address >> 8,
        address & 0xff,
        0,
        forced ? 0x80 : 0,
        this.parameters(),
        0,
        site >> 8,
        site & 0xff,
        node,
        0,
        card >> 8,
        card & 0xff,
        0,
        0,
        pin >> 8,
        pin & 0xff,
      ]),
    );
    if (this.log.length > this.#traits.eventCapacity) this.log.shift();
  }
}
