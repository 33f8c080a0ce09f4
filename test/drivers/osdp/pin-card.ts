// A smart card with a PIN of its own, as PIV has it: eight characters, the last ones filled up with FF.

import type { CardPinRequest } from '../../../drivers/osdp/card-pin.ts';
import type { LaidCard } from '../../../drivers/osdp/simulated-field.ts';
import { hex } from './vectors.ts';

const [SELECT, VERIFY] = [0xa4, 0x20];
const TRIES = 3;

export class PinCard implements LaidCard {
  static readonly REQUEST: CardPinRequest = {
    application: hex('A000000308000010000100'),
    pin: 0x80,
    minDigits: 6,
    maxDigits: 8,
    seconds: 30,
  };
  /** What it was asked, newest last. */
  readonly asked: Buffer[] = [];
  readonly #pin: string;
  #tries = TRIES;
  #isVerified = false;

  constructor(pin: string) {
    this.#pin = pin;
  }

  answer(command: Buffer): Buffer {
    this.asked.push(Buffer.from(command));
    const [, instruction, , which, length = 0] = command;
    if (instruction === SELECT) return this.#select(command.subarray(5, 5 + length));
    if (instruction !== VERIFY || which !== 0x80) return hex('6A88');
    if (command.length > 5) this.#verify(command.subarray(5, 5 + length));
    return this.#isVerified ? hex('9000') : this.#tries === 0 ? hex('6983') : Buffer.from([0x63, 0xc0 | this.#tries]);
  }

  #select(application: Buffer): Buffer {
    this.#isVerified = false;
    return PinCard.REQUEST.application.equals(application) ? hex('61049000') : hex('6A82');
  }

  #verify(block: Buffer): void {
    const isRight = block.equals(Buffer.from(this.#pin.padEnd(8, '\xff'), 'latin1'));
    this.#isVerified = isRight && this.#tries > 0;
    if (!isRight) this.#tries = Math.max(0, this.#tries - 1);
    else if (this.#isVerified) this.#tries = TRIES;
  }
}
