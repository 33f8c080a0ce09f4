// Whether a device is there, and what is wrong with it, told upwards by one rule in every driver. `online` is told when
// it serves. `offline` is told when it no longer does; and once when it was looked for in vain, so that a device that
// was never there (a wrong address, a cable that nobody plugged in) says so too, instead of being silent for ever. How
// long it is looked for before that is the time after which it would have been given up. At a stop nothing is told.

import type { Clock, DeviceStatus, DriverEvent } from '../../src/domain/ports.ts';

export class DeviceLife {
  readonly #device: string;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #emit: (event: DriverEvent) => void;
  readonly #faults = new Map<string, string>();
  #state: 'new' | 'online' | 'offline' | 'stopped' = 'new';
  #sinceMs: number | null = null;
  #problem: string | null = 'not reached yet';

  constructor(device: string, clock: Pick<Clock, 'nowMs'>, emit: (event: DriverEvent) => void) {
    this.#device = device;
    this.#clock = clock;
    this.#emit = emit;
  }

  get online(): boolean {
    return this.#state === 'online';
  }

  get problem(): string | null {
    return this.#problem;
  }

  status(): Pick<DeviceStatus, 'online' | 'sinceMs' | 'problem'> {
    return { online: this.online, sinceMs: this.#sinceMs, problem: this.#problem };
  }

  /** What is wrong just now, for people: no verdict yet. */
  troubled(problem: string): void {
    if (this.#state !== 'stopped') this.#problem = problem;
  }

  /** It serves. False: it did already, or nobody asks any more. */
  found(): boolean {
    if (this.#state === 'stopped') return false;
    this.#problem = null;
    return this.#become('online', { type: 'online', device: this.#device });
  }

  /** It does not serve, and that is certain by now. False: that was known already. */
  lost(reason: string): boolean {
    if (this.#state === 'stopped') return false;
    this.#problem = reason;
    return this.#become('offline', { type: 'offline', device: this.#device, reason });
  }

  stop(): void {
    if (this.online) this.#sinceMs = this.#clock.nowMs();
    this.#state = 'stopped';
    this.#problem = 'stopped';
  }

  hasFault(code: string): boolean {
    return this.#faults.has(code);
  }

  /** What is wrong, for people; null while it is not. */
  faultOf(code: string): string | null {
    return this.#faults.get(code) ?? null;
  }

  /**
   * Something lasting that an installer must know, told when it begins and when it ends (`message` null; `cleared`: what
   * is said then, else what was wrong).
   */
  fault(code: string, message: string | null, cleared?: string): void {
    const before = this.#faults.get(code);
    if ((message === null) === (before === undefined)) return;
    if (message === null) this.#faults.delete(code);
    else this.#faults.set(code, message);
    this.#emit({
      type: 'fault',
      device: this.#device,
      code,
      message: message ?? cleared ?? before ?? '',
      cleared: message === null,
    });
  }

  #become(state: 'online' | 'offline', event: DriverEvent): boolean {
    if (this.#state === state) return false;
    this.#state = state;
    this.#sinceMs = this.#clock.nowMs();
    this.#emit(event);
    return true;
  }
}
