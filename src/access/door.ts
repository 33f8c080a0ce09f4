// One door: its strike, its contact and its request-to-exit, and what they say together: opened, not opened, held,
// forced, restored. Works without the store: leaving never depends on it.

import { newEventAt, type BodyOf, type EventType } from '../domain/events.ts';
import type { OutputStand } from '../domain/output-watch.ts';
import type { Clock, Device, DriverEvent, InputEvent, Log, OutputOutcome, Timer } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { Recorder } from './recorder.ts';

export type DoorPorts = {
  clock: Clock;
  log: Log;
  recorder: Recorder;
  device: (name: string) => Device | undefined;
  acsSystemId: string;
  onChange: () => void;
};

type StrikeError = Extract<OutputOutcome, { outcome: 'failed' }>['error'];

/** A person who was let in has gone after this long: a strike is never commanded later. */
export const STRIKE_DEADLINE_MS = 2000;
/** How long after the strike has fallen back somebody may still be on the way through. */
const PASSING_MS = 3000;
/** REX opens the way for as long as a grant does; held down it is one event. */
const REX_EVENT_EVERY_MS = 2000;
/**
 * A button that chatters commands the strike no more often than this: at once, then for all presses since. None is left
 * out.
 */
const REX_STRIKE_EVERY_MS = 250;
/** Warned this long before it counts as held, at most a third of the allowed time. */
const WARNING_MOST_MS = 10_000;

export class Door {
  readonly entrance: SiteEntrance;
  readonly #ports: DoorPorts;
  #isOpen: boolean | null = null;
  #isHeld = false;
  #isForced = false;
  /** How the strike was seen to stand, and whether that lets anybody through. */
  #strike: { stand: OutputStand; isFree: boolean } = { stand: 'as_told', isFree: false };
  /** Until when an opening is expected, monotonic ms. */
  #expectedUntil = -Infinity;
  #unlockedUntil = -Infinity;
  #isRexPressed = false;
  #lastRexEvent = -Infinity;
  #lastRexStrike = -Infinity;
  #rexTimer: Timer | null = null;
  #isAwaited = false;
  #heldTimer: Timer | null = null;
  #warnTimer: Timer | null = null;
  #awaitTimer: Timer | null = null;
  #lockTimer: Timer | null = null;
  #isResting = false;

  constructor(entrance: SiteEntrance, ports: DoorPorts) {
    this.entrance = entrance;
    this.#ports = ports;
  }

  state(): { isLocked: boolean; isOpen: boolean | null; isHeld: boolean; isForced: boolean; isOnline: boolean } {
    return {
      isLocked: this.#ports.clock.monotonicMs() >= this.#unlockedUntil && !this.#strike.isFree,
      isOpen: this.#isOpen,
      isHeld: this.#isHeld,
      isForced: this.#isForced,
      isOnline: this.#controllers().every((name) => this.#ports.device(name)?.status().online === true),
    };
  }

  /**
   * Commands the strike for its time. The request is handed to the bus in this very turn. `decidedAt` is the instant of
   * the decision, monotonic ms: later than 2 s after it nothing is commanded. `onSent`: the request has been handed to
   * the line.
   */
  strike(decidedAt: number, onSent?: () => void): Promise<OutputOutcome> {
    if (this.#isResting)
      return Promise.resolve({ outcome: 'failed', error: 'controller_offline', message: 'Lintel is stopping' });
    const { strike } = this.entrance;
    const outputs = strike === null ? null : (this.#ports.device(strike.controller)?.outputs ?? null);
    if (strike === null || outputs === null) {
      return Promise.resolve({
        outcome: 'failed',
        error: 'device_error',
        message: `entrance ${this.entrance.name} has no strike`,
      });
    }
    const pulse = outputs.pulse(strike.output, strike.pulseMs, decidedAt + STRIKE_DEADLINE_MS, onSent);
    this.#expect(strike.pulseMs);
    return pulse;
  }

  /** Somebody may pass now, let in by Lintel or by the controller itself. */
  #expect(durationMs: number): void {
    const { clock } = this.#ports;
    const now = clock.monotonicMs();
    this.#unlockedUntil = now + durationMs;
    this.#expectedUntil = now + durationMs + PASSING_MS;
    this.#lockTimer?.cancel();
    this.#lockTimer = clock.after(durationMs, () => this.#ports.onChange());
    this.#ports.onChange();
    if (this.entrance.contact === null || this.#isOpen === true) return;
    this.#isAwaited = true;
    this.#awaitTimer?.cancel();
    this.#awaitTimer = clock.after(durationMs + PASSING_MS, () => {
      if (!this.#isAwaited) return;
      this.#isAwaited = false;
      this.#record('acs_entrance.not_opened', {});
    });
  }

  /** The controller let somebody in by its own table. */
  passedByController(): void {
    this.#expect(this.entrance.strike?.pulseMs ?? PASSING_MS);
  }

  /** A strike that could not be commanded: nobody is expected any more, but where nobody knows whether it was. */
  strikeFailed(error: StrikeError): void {
    if (error !== 'timed_out') this.#expectedUntil = -Infinity;
    this.#unlockedUntil = -Infinity;
    this.#isAwaited = false;
    this.#awaitTimer?.cancel();
    this.#ports.onChange();
  }

  input(event: InputEvent): void {
    const { contact, rex } = this.entrance;
    const isMine = (place: { controller: string; input: number } | null): boolean =>
      place?.controller === event.device && place.input === event.input;
    if (isMine(rex)) this.#rex(event);
    if (isMine(contact)) this.#contact(event.active);
  }

  /** Whatever is said of the strike beyond what Lintel told it. */
  output({ device, output, stand, energised }: DriverEvent & { type: 'output' }): void {
    const { strike } = this.entrance;
    if (strike?.controller !== device || strike.output !== output) return;
    const before = this.#strike;
    this.#strike = { stand, isFree: energised && stand !== 'as_told' };
    const body = { controller: device, output };
    if (stand === 'stuck') this.#record('acs_entrance.strike_stuck', { ...body, energised });
    else if (before.stand === 'stuck') this.#record('acs_entrance.restored', { after: 'strike_stuck' });
    if (stand === 'astray' && energised) this.#record('acs_entrance.unlocked_externally', body);
    // Whoever goes through a door that its controller opened, or that does not lock, forces nothing.
    if (before.isFree && before.stand !== 'astray') this.#expectUntil(PASSING_MS);
    this.#ports.onChange();
  }

  #expectUntil(durationMs: number): void {
    this.#expectedUntil = Math.max(this.#expectedUntil, this.#ports.clock.monotonicMs() + durationMs);
  }

  /** From now on its strike is not commanded; what its contact says still counts. */
  rest(): void {
    this.#isResting = true;
    this.#rexTimer?.cancel();
  }

  stop(): void {
    for (const timer of [this.#heldTimer, this.#warnTimer, this.#awaitTimer, this.#lockTimer, this.#rexTimer])
      timer?.cancel();
  }

  /**
   * What happened out of sight is of the past: whoever pressed while a line was cut has left or given up, and nobody
   * watches the door that would open now.
   */
  #rex({ active, changedAfterMonotonicMs: changedAfter }: InputEvent): void {
    const wasPressed = this.#isRexPressed;
    this.#isRexPressed = active;
    if (!active) return;
    const now = this.#ports.clock.monotonicMs();
    if (changedAfter !== null && now - changedAfter <= STRIKE_DEADLINE_MS) this.#requestToExit();
    else if (!wasPressed) this.#record('acs_entrance.rex', { out_of_sight: true });
  }

  /** Nothing suppresses this: no mode, no lockout, no store that refuses. Free exit itself is wired in hardware. */
  #requestToExit(): void {
    const now = this.#ports.clock.monotonicMs();
    if (this.entrance.strike !== null && !this.#isResting) {
      const waitMs = this.#lastRexStrike + REX_STRIKE_EVERY_MS - now;
      if (waitMs <= 0) this.#letOut();
      else this.#rexTimer ??= this.#ports.clock.after(waitMs, () => this.#letOut());
    } else {
      this.#expectedUntil = now + PASSING_MS;
    }
    if (now - this.#lastRexEvent >= REX_EVENT_EVERY_MS) {
      this.#lastRexEvent = now;
      this.#record('acs_entrance.rex', {});
    }
  }

  #letOut(): void {
    const { clock, log } = this.#ports;
    this.#rexTimer?.cancel();
    this.#rexTimer = null;
    this.#lastRexStrike = clock.monotonicMs();
    void this.strike(this.#lastRexStrike).then((outcome) => {
      if (outcome.outcome === 'failed')
        log.warn('REX could not drive the strike', { entrance: this.entrance.name, error: outcome.message });
    });
  }

  #contact(isOpen: boolean): void {
    const wasOpen = this.#isOpen;
    this.#isOpen = isOpen;
    if (wasOpen === isOpen) return;
    if (isOpen) this.#opened(wasOpen === null);
    else this.#closed(wasOpen === null);
    this.#ports.onChange();
  }

  /** `isFirst`: how the door stood when we first looked; nobody forced it while we watched. */
  #opened(isFirst: boolean): void {
    const { clock } = this.#ports;
    this.#isAwaited = false;
    this.#awaitTimer?.cancel();
    const isFree = this.#strike.isFree && this.#strike.stand !== 'astray';
    const isExpected = isFirst || isFree || clock.monotonicMs() <= this.#expectedUntil;
    if (isExpected) {
      if (!isFirst) this.#record('acs_entrance.opened', {});
    } else {
      this.#isForced = true;
      this.#record('acs_entrance.forced', {});
    }
    const allowedMs = this.entrance.contact?.heldAfterMs ?? 30_000;
    const warnMs = Math.max(allowedMs - WARNING_MOST_MS, (allowedMs * 2) / 3);
    this.#warnTimer = clock.after(warnMs, () =>
      this.#record('acs_entrance.held_warning', { held_in_ms: Math.round(allowedMs - warnMs) }),
    );
    this.#heldTimer = clock.after(allowedMs, () => {
      this.#isHeld = true;
      this.#record('acs_entrance.held', { open_for_ms: allowedMs });
      this.#ports.onChange();
    });
  }

  #closed(isFirst: boolean): void {
    this.#heldTimer?.cancel();
    this.#warnTimer?.cancel();
    if (!isFirst) this.#record('acs_entrance.closed', {});
    if (this.#isHeld || this.#isForced) {
      this.#record('acs_entrance.restored', { after: this.#isForced ? 'forced' : 'held' });
      this.#isHeld = false;
      this.#isForced = false;
    }
  }

  #record<T extends EventType & `acs_entrance.${string}`>(
    type: T,
    body: Omit<BodyOf<T>, 'acs_system_id' | 'acs_entrance_id'>,
  ): void {
    const door = { acs_system_id: this.#ports.acsSystemId, acs_entrance_id: this.entrance.acsEntranceId };
    this.#ports.recorder.note({ ...door, device: null }, [newEventAt(type, door, body)]);
  }

  #controllers(): string[] {
    const { readers, controller, strike, contact, rex } = this.entrance;
    return [
      ...new Set(
        [...readers, controller, strike?.controller, contact?.controller, rex?.controller].filter(
          (name) => name != null,
        ),
      ),
    ];
  }
}
