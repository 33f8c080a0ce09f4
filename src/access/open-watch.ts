// A door that stands open: for how long it may, the warning ahead of that, and what is told when it is too long.

import type { Clock, Timer } from '../domain/ports.ts';

/** Warned this long before it counts as held, at most a third of the allowed time. */
const WARNING_MOST_MS = 10_000;
/** The warning is shown at the reader this often, until it is closed or counts as held. */
const SHOWN_EVERY_MS = 3_000;

export type OpenPorts = {
  clock: Clock;
  /** `heldInMs`: how long there is still. */
  warn: (heldInMs: number) => void;
  /** The warning at the door itself, again and again. */
  show: () => void;
  held: (openForMs: number) => void;
};

export class OpenWatch {
  readonly #ports: OpenPorts;
  #timers: Timer[] = [];

  constructor(ports: OpenPorts) {
    this.#ports = ports;
  }

  /** It stands open, and may for so long from now on. */
  begin(allowedMs: number): void {
    const { clock, warn, held } = this.#ports;
    this.end();
    const warnMs = Math.max(allowedMs - WARNING_MOST_MS, (allowedMs * 2) / 3);
    this.#timers = [
      clock.after(warnMs, () => {
        warn(Math.round(allowedMs - warnMs));
        this.#show();
      }),
      clock.after(allowedMs, () => {
        this.end();
        held(allowedMs);
      }),
    ];
  }

  /** It is closed, or may stand open. */
  end(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }

  #show(): void {
    this.#ports.show();
    this.#timers.push(this.#ports.clock.after(SHOWN_EVERY_MS, () => this.#show()));
  }
}
