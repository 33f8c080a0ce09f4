// What both kinds of line keep: loss is told once, what waits to be sent has a bound and a deadline, and no line brings
// more than its wire could carry.

import { Budget } from '../../src/domain/budget.ts';
import { withDeadline } from '../../src/domain/deadline.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { intakeTerms } from '../../src/domain/line.ts';
import type { Clock, LineSettings, PortHandlers, Timer } from '../driver.ts';

/** More than this waiting to be sent means that nobody takes it: no frame of ours is a tenth of it. */
export const MAX_UNSENT_BYTES = 64 * 1024;
/** Bytes wait and none leaves for this long: the far end does not read. */
export const STALL_MS = 5_000;
export const CLOSE_MS = 2_000;
/**
 * So much is delivered in one turn of the loop, whatever has arrived: a line that never falls silent leaves every other
 * turn to others.
 */
export const READ_BYTES = 1024;
/**
 * A line that brings more than its wire could carry is emptied without being heard, again and again: what comes after
 * the flood must not wait behind it.
 */
export const THROW_EVERY_MS = 5;

/**
 * Loss is told once and not after close; what waits to be sent is bounded in bytes and time, and whoever waits for it
 * is answered; and no line brings more than its wire could carry.
 */
export class LineLife {
  readonly #clock: Clock;
  readonly #handlers: PortHandlers;
  readonly #release: () => Promise<void>;
  readonly #intake: Budget;
  #overrunUntilMs = -Infinity;
  #state: 'open' | 'lost' | 'closed' = 'open';
  #reason = 'the line is closed';
  #released: Promise<void> | null = null;
  #unsentBytes = 0;
  /** When some of them left last, or began to wait. */
  #movedAtMs = 0;
  #stall: Timer | null = null;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(clock: Clock, settings: LineSettings, handlers: PortHandlers, release: () => Promise<void>) {
    this.#clock = clock;
    this.#handlers = handlers;
    this.#release = release;
    this.#intake = new Budget(intakeTerms(settings));
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  deliver(bytes: Buffer): void {
    if (this.open) this.#handlers.data(bytes);
    const nowMs = this.#clock.monotonicMs();
    this.#overrunUntilMs = nowMs + this.#intake.spend(nowMs, bytes.length);
  }

  /** The line has brought more than it could: what comes now is thrown away. */
  get isOverrun(): boolean {
    return this.#clock.monotonicMs() < this.#overrunUntilMs;
  }

  /** How many bytes wait now that the operating system has taken what it could. */
  setUnsent(bytes: number): void {
    if (!this.open) return;
    if (bytes < this.#unsentBytes || this.#unsentBytes === 0) this.#movedAtMs = this.#clock.monotonicMs();
    this.#unsentBytes = bytes;
    if (bytes > MAX_UNSENT_BYTES) {
      this.lose(`the far end takes no bytes: ${bytes} wait to be sent`);
      return;
    }
    if (bytes > 0) this.#stall ??= this.#startStall(STALL_MS);
    else for (const waiter of this.#waiting.splice(0)) waiter.resolve();
  }

  async whenSent(): Promise<void> {
    if (!this.open) throw this.error();
    if (this.#unsentBytes === 0) return;
    await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  lose(reason: string): void {
    if (!this.open) return;
    this.#state = 'lost';
    this.#end(reason);
    // Told in a turn of its own: who is just writing must not find itself in its own handler.
    this.#clock.immediate(() => {
      if (this.#state === 'lost') this.#handlers.lost(reason);
    });
  }

  async close(): Promise<void> {
    const first = this.open;
    this.#state = 'closed';
    if (first) this.#end('the line is closed');
    await this.#released;
  }

  error(): OperatingError {
    return new OperatingError('controller_offline', this.#reason);
  }

  #end(reason: string): void {
    this.#reason = reason;
    this.#stopStall();
    // The kernel may hold on to a dying device for long; nobody here waits for that.
    this.#released = withDeadline(this.#clock, CLOSE_MS, 'closing the line', this.#release()).catch(() => undefined);
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.error());
  }

  /** Goes on over bytes that leave, for most leave at once, and looks when its time has come whether they still do. */
  #startStall(delayMs: number): Timer {
    // A busy loop fires this late: let what has become writable meanwhile be written first.
    return this.#clock.after(delayMs, () => this.#clock.immediate(() => this.#judgeStall()));
  }

  #judgeStall(): void {
    this.#stall = null;
    if (!this.open || this.#unsentBytes === 0) return;
    const leftMs = this.#movedAtMs + STALL_MS - this.#clock.monotonicMs();
    if (leftMs > 0) this.#stall = this.#startStall(leftMs);
    else this.lose(`the far end takes no bytes: none has left for ${STALL_MS} ms`);
  }

  #stopStall(): void {
    this.#stall?.cancel();
    this.#stall = null;
  }
}
