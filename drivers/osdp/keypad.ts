// From key presses to a PIN: readers send one key or several at a time, `#` ends, `*` begins anew, and a person who
// walks away is not waited for. Digits live here until they are handed on, and nowhere else.

import type { Clock, Timer } from '../driver.ts';

export type KeypadSettings = {
  timeoutMs: number;
  /** What the time-out does with the digits so far. */
  onTimeout: 'submit' | 'discard';
  /** Ends by itself at this many digits; null: only by `#` and time-out. */
  length: number | null;
};

/** Longer than any PIN: what is typed beyond it keeps the entry from ever matching one, without being kept. */
const MAX_DIGITS = 17;
const ENTER = [0x0d, 0x23];
const CLEAR = [0x7f, 0x2a];

export class Keypad {
  readonly #clock: Clock;
  readonly #settings: KeypadSettings;
  readonly #done: (digits: string) => void;
  #digits = '';
  #timer: Timer | null = null;

  constructor(clock: Clock, settings: KeypadSettings, done: (digits: string) => void) {
    this.#clock = clock;
    this.#settings = settings;
    this.#done = done;
  }

  /** Takes keys as KEYPAD has them. Function keys are no digits and are passed over. */
  press(keys: Buffer): void {
    for (const key of keys) {
      if (ENTER.includes(key)) this.#finish();
      else if (CLEAR.includes(key)) this.clear();
      else if (key >= 0x30 && key <= 0x39) this.#digit(key);
    }
  }

  clear(): void {
    this.#digits = '';
    this.#timer?.cancel();
    this.#timer = null;
  }

  #digit(key: number): void {
    if (this.#digits.length < MAX_DIGITS) this.#digits += String.fromCharCode(key);
    this.#timer?.cancel();
    this.#timer = this.#clock.after(this.#settings.timeoutMs, () => this.#late());
    if (this.#digits.length === this.#settings.length) this.#finish();
  }

  #finish(): void {
    const digits = this.#digits;
    this.clear();
    if (digits !== '') this.#done(digits);
  }

  #late(): void {
    if (this.#settings.onTimeout === 'submit') this.#finish();
    else this.clear();
  }
}
