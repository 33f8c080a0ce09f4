// How the door relay is seen to stand, in every answer about the door. The controller opens by its own table as well,
// so a relay that is on counts as its own decision for a while; one that stays on beyond that is switched off, and
// where it does not follow that is an alarm.

import type { Clock, DriverEvent } from '../driver.ts';
import { OutputWatch } from '../../src/domain/output-watch.ts';
import type { DoorStatus } from './codec.ts';

/** People who come one after the other keep the relay on from one to the next. */
const OWN_TIMES = 3;
const OWN_SLACK_MS = 10_000;
/** The relay moves this long after the answer. */
const SETTLE_MS = 500;

export type RelayWatchPorts = {
  device: string;
  clock: Clock;
  emit: (event: DriverEvent) => void;
  fault: (code: string, present: boolean, message: string) => void;
  /** As stored in the controller, ms; null until it was read, 0: until it is switched off. */
  relayTimeMs: () => number | null;
  switchOff: () => void;
};

export class RelayWatch {
  readonly #ports: RelayWatchPorts;
  readonly #watch: OutputWatch;
  readonly #will: { afterOursMs: number; mostMs: number } = { afterOursMs: 0, mostMs: 0 };
  #isWantedOn = false;
  #settledAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: RelayWatchPorts) {
    this.#ports = ports;
    this.#watch = new OutputWatch(this.#will, (stand, energised, atMonotonicMs) => {
      ports.fault(
        'relay_stuck',
        stand === 'stuck',
        'the door relay does not release: it sticks, or something else drives it. Look at it now, for the door may be open',
      );
      ports.emit({ type: 'output', device: ports.device, output: 0, stand, energised, atMonotonicMs });
    });
  }

  get isStuck(): boolean {
    return this.#watch.isStuck;
  }

  told(wanted: 'on' | 'off' | 'pulse'): void {
    const { clock, relayTimeMs } = this.#ports;
    this.#isWantedOn = wanted === 'on';
    if (wanted === 'pulse') this.#watch.pulsed();
    this.#settledAtMs = clock.monotonicMs() + SETTLE_MS + (wanted === 'pulse' ? (relayTimeMs() ?? 0) : 0);
  }

  seen({ relayOn, autoOpenZone, latched }: DoorStatus, atMs: number): void {
    const relayTimeMs = this.#ports.relayTimeMs();
    if (relayTimeMs === null || atMs <= this.#settledAtMs) return;
    this.#will.afterOursMs = this.#will.mostMs = OWN_TIMES * relayTimeMs + OWN_SLACK_MS;
    if (autoOpenZone || latched) this.#watch.held(relayOn, atMs);
    // One that is wanted on and is off was switched off by its own decision, or by hand: whoever holds it open tells it
    // so again.
    else if (this.#isWantedOn && !relayOn) return;
    else if (this.#watch.look(relayOn, this.#isWantedOn, atMs)) this.#ports.switchOff();
  }
}
