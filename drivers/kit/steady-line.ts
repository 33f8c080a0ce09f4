// A line that stays: what a driver holds instead of a port. Ports come and go with cables and converters; the driver is
// told `up` and `down` and has no opening, waiting and trying again of its own.

import { assert, OperatingError } from '../../src/domain/errors.ts';
import type { Clock, LineSettings, OpenPort, Port, PortHandlers, Random, Timer } from '../../src/domain/ports.ts';

const OPEN_MS = 5_000;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 5_000;
/** A line that was up for less and said nothing counts as one more failed attempt. */
const SETTLED_MS = 5_000;

export type LineEvents = {
  /** The line is open; nothing from before is left of any other port. Write to this one until `down`. */
  up(port: Port): void;
  data(bytes: Buffer): void;
  /**
   * The line is not open, for this reason: told when it goes or could not be opened at first, and again whenever the
   * reason changes.
   */
  down(reason: string): void;
};

/**
 * Keeps one line open, for ever: opens it, and after each failure or loss tries again after 0.25 s to 5 s, with jitter
 * so that many gateways do not knock at one converter in step. The order of events is `up`, `data` and more, `down`;
 * after `stop()` there are none.
 */
export class SteadyLine {
  readonly #settings: LineSettings;
  readonly #clock: Clock;
  readonly #random: Pick<Random, 'fraction'>;
  readonly #openPort: OpenPort;
  readonly #events: LineEvents;
  #state: 'stopped' | 'waiting' | 'opening' | 'up' = 'stopped';
  #port: Port | null = null;
  /** Counts attempts, so that what a former port still says is not taken for the present one's. */
  #attempt = 0;
  #failures = 0;
  #upSinceMs = 0;
  #told: string | null = null;
  #timer: Timer | null = null;
  #closing: Promise<void> = Promise.resolve();

  constructor(
    settings: LineSettings,
    context: { clock: Clock; random: Pick<Random, 'fraction'>; openPort: OpenPort },
    events: LineEvents,
  ) {
    this.#settings = settings;
    this.#clock = context.clock;
    this.#random = context.random;
    this.#openPort = context.openPort;
    this.#events = events;
  }

  /** The open port, or null while there is none. */
  get port(): Port | null {
    return this.#port;
  }

  start(): void {
    assert(this.#state === 'stopped', 'a line is started once');
    void this.#open();
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#attempt++;
    this.#timer?.cancel();
    const port = this.#port;
    this.#port = null;
    await this.#closing;
    await port?.close();
  }

  /**
   * Gives up the open port, with what is still on its way, and opens anew: for a driver that knows from silence what
   * the kernel cannot tell, e.g. a converter that has restarted.
   */
  reopen(reason: string): void {
    if (this.#state === 'up') void this.#fail(reason, 'abort');
  }

  async #open(): Promise<void> {
    this.#state = 'opening';
    const attempt = ++this.#attempt;
    const current = (): boolean => attempt === this.#attempt;
    const handlers: PortHandlers = {
      data: (bytes) => {
        if (!current()) return;
        this.#failures = 0;
        this.#events.data(bytes);
      },
      lost: (reason) => {
        if (current()) void this.#fail(reason);
      },
    };
    const opened = await this.#openPort(this.#settings, handlers, OPEN_MS).catch((error: unknown) => {
      if (error instanceof OperatingError) return error;
      throw error;
    });
    if (opened instanceof OperatingError) {
      if (current()) await this.#fail(opened.message);
    } else if (current()) {
      this.#state = 'up';
      this.#port = opened;
      this.#upSinceMs = this.#clock.monotonicMs();
      this.#told = null;
      this.#events.up(opened);
    } else await opened.close();
  }

  async #fail(reason: string, end: 'close' | 'abort' = 'close'): Promise<void> {
    const port = this.#port;
    const settled = this.#state === 'up' && this.#clock.monotonicMs() - this.#upSinceMs >= SETTLED_MS;
    this.#failures = settled ? 0 : this.#failures;
    this.#state = 'waiting';
    this.#port = null;
    const attempt = ++this.#attempt;
    if (reason !== this.#told) this.#events.down(reason);
    this.#told = reason;
    // Closed before it is opened again: the lock of the old port would keep the new one out.
    this.#closing = port?.[end]() ?? Promise.resolve();
    await this.#closing;
    if (attempt !== this.#attempt) return;
    const longestMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures++, 10));
    this.#timer = this.#clock.after(longestMs * (0.5 + 0.5 * this.#random.fraction()), () => void this.#open());
  }
}
