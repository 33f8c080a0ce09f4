// How many rejections are recorded: whoever sends what is no command, by mistake or to do harm, must not fill the event
// log that the building's own events stand in.

/** Recorded at once, then one a second; the rest are counted. */
const BURST = 60;
const EVERY_MS = 1_000;
/** And so many bytes at once, then so many a second. */
const BURST_BYTES = 64 * 1024;
const BYTES_A_SECOND = 256;

export class RejectionBudget {
  #tokens = BURST;
  #bytes = BURST_BYTES;
  #atMs: number;
  #suppressed = 0;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /**
   * The number of rejections not recorded since the last one, or null when this one of `bytes` is not recorded either.
   * `nowMs` is monotonic.
   */
  take(bytes: number, nowMs: number): number | null {
    const periods = Math.floor(Math.max(0, nowMs - this.#atMs) / EVERY_MS);
    if (periods > 0) {
      this.#tokens = Math.min(BURST, this.#tokens + periods);
      this.#bytes = Math.min(BURST_BYTES, this.#bytes + (periods * EVERY_MS * BYTES_A_SECOND) / 1_000);
      this.#atMs += periods * EVERY_MS;
    }
    if (this.#tokens === 0 || this.#bytes < bytes) {
      this.#suppressed += 1;
      return null;
    }
    this.#tokens -= 1;
    this.#bytes -= bytes;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
