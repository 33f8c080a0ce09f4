// Tells the glitches that RS-485 has from a channel that somebody should look at. One lost session is ten milliseconds
// of traffic and nobody's business; a forged or clear reply, or sessions that keep falling, are.

import type { Clock, DriverEvent, Timer } from '../driver.ts';
import type { Stranger } from './key-ring.ts';
import type { RestartReason } from './link.ts';

const WINDOW_MS = 10 * 60_000;
const UNSTABLE_LOSSES = 5;
const CODE = 'secure_channel_unstable';

/** Never the work of noise that has passed a CRC: at once worth an event. */
const SUSPICIOUS: readonly RestartReason[] = ['bad_mac', 'bad_padding', 'clear_text', 'unexpected_security'];

const REASON_TEXT: Readonly<Record<RestartReason, string>> = {
  sequence: 'the reader counts its frames differently',
  session_refused: 'the reader has dropped the session',
  reader_restarted: 'the reader has restarted',
  clear_text: 'a reply came in the clear',
  bad_mac: 'a reply’s authentication code was wrong',
  bad_padding: 'a reply could not be decrypted',
  unexpected_security: 'a secured reply came where there was no session',
  abandoned: 'a command was given up',
};

const STRANGER_TEXT: Readonly<Record<Stranger, string>> = {
  other_key: 'somebody answered who does not hold the key of this reader',
  no_channel: 'somebody answered who knows no Secure Channel, at the address of a reader that has a key',
};

export const describeRestart = (reason: RestartReason): string => REASON_TEXT[reason];

export class ChannelHealth {
  readonly #device: string;
  readonly #clock: Clock;
  readonly #emit: (event: DriverEvent) => void;
  #losses: number[] = [];
  #alarm: Timer | null = null;
  #met: Stranger | null = null;

  constructor(device: string, clock: Clock, emit: (event: DriverEvent) => void) {
    this.#device = device;
    this.#clock = clock;
    this.#emit = emit;
  }

  /** A session has ended that nobody meant to end. */
  lost(reason: RestartReason): void {
    const nowMs = this.#clock.monotonicMs();
    this.#losses = [...this.#losses.filter((atMs) => nowMs - atMs < WINDOW_MS), nowMs].slice(-UNSTABLE_LOSSES);
    const unstable = this.#losses.length >= UNSTABLE_LOSSES;
    if (SUSPICIOUS.includes(reason) || (unstable && this.#alarm === null)) {
      this.#emit({ type: 'secure_channel_lost', device: this.#device, reason: REASON_TEXT[reason] });
    }
    if (unstable) this.#raise(reason);
  }

  /**
   * After an attempt to get in. Who answers without the key is told once, however often it is tried, until the reader
   * itself has been met again.
   */
  met(stranger: Stranger | null, secured: boolean): void {
    if (stranger !== null && this.#met === null)
      this.#emit({ type: 'secure_channel_lost', device: this.#device, reason: STRANGER_TEXT[stranger] });
    this.#met = stranger ?? (secured ? null : this.#met);
  }

  #raise(reason: RestartReason): void {
    if (this.#alarm === null) {
      const message = `Secure Channel was lost ${UNSTABLE_LOSSES} times in ten minutes, last because ${REASON_TEXT[reason]}: check cable, termination and grounding, and who else is on the line`;
      this.#emit({ type: 'fault', device: this.#device, code: CODE, message, cleared: false });
    }
    this.#alarm?.cancel();
    this.#alarm = this.#clock.after(WINDOW_MS, () => {
      this.#alarm = null;
      this.#losses = [];
      this.#emit({
        type: 'fault',
        device: this.#device,
        code: CODE,
        message: 'Secure Channel holds again',
        cleared: true,
      });
    });
  }
}
