// One door: its strike, its contact and its request-to-exit, and what they say together: opened, not opened, held,
// forced, restored. Works without the store: leaving never depends on it.

import { newEventAt, type BodyOf, type EventType } from '../domain/events.ts';
import type { LockSetup } from '../domain/facility.ts';
import type { OutputStand } from '../domain/output-watch.ts';
import type { Clock, Device, DriverEvent, InputEvent, Log, OutputOutcome, Timer } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { Crossed } from './areas.ts';
import type { Leaf } from './interlocks.ts';
import { Lock } from './lock.ts';
import { OpenWatch } from './open-watch.ts';
import type { Recorder } from './recorder.ts';

export type DoorPorts = {
  clock: Clock;
  log: Log;
  recorder: Recorder;
  device: (name: string) => Device | undefined;
  acsSystemId: string;
  onChange: () => void;
  /** What became of whoever was let through, as far as it can be seen. */
  crossed?: (how: Crossed) => void;
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
/** Whoever is in a cabin stays there: a floor is released as long as half of its time is left. */
const deadlineMs = ({ lift }: SiteEntrance, durationMs: number): number =>
  lift === null ? STRIKE_DEADLINE_MS : Math.max(STRIKE_DEADLINE_MS, durationMs / 2);
/** By then the modes are known: inputs are waited for ten seconds (modes.ts). */
const FOUND_WITHIN_MS = 12_000;
/** What lets somebody through: their door may stay free, and open, for longer than others’. */
export type Passing = { isExtended: boolean; isExit?: boolean };
const USUAL: Passing = { isExtended: false };

/** How the door is kept by its mode: `free` to walk through, or `open` so that everybody gets out. */
export type Kept = 'locked' | 'free' | 'open';

export type DoorState = {
  isLocked: boolean;
  isOpen: boolean | null;
  isHeld: boolean;
  isForced: boolean;
  isOnline: boolean;
};

type Stand = { stand: OutputStand; isFree: boolean };

export class Door {
  readonly entrance: SiteEntrance;
  readonly #ports: DoorPorts;
  #isOpen: boolean | null = null;
  #isHeld = false;
  #isForced = false;
  /** The strike first. */
  readonly #locks: readonly Lock[];
  /** How each of them was seen to stand, and whether that lets anybody through. */
  readonly #stands: Stand[];
  readonly #openWatch: OpenWatch;
  /** Until when an opening is expected, monotonic ms. */
  #expectedUntil = -Infinity;
  #unlockedUntil = -Infinity;
  /** Whoever was let in last needs longer. */
  #passing = USUAL;
  /** It is free for somebody who goes out. */
  #isForExit = false;
  #isRexPressed = false;
  #lastRexEvent = -Infinity;
  #lastRexStrike = -Infinity;
  #rexTimer: Timer | null = null;
  #isAwaited = false;
  /** Whether the strike that is awaited was driven at all: its answer never came. */
  #isDoubtful = false;
  #awaitTimer: Timer | null = null;
  #lockTimer: Timer | null = null;
  #foundTimer: Timer | null = null;
  #isResting = false;
  #kept: Kept = 'locked';

  constructor(entrance: SiteEntrance, ports: DoorPorts) {
    this.entrance = entrance;
    this.#ports = ports;
    const { strike, secondLock, atStop } = entrance;
    this.#locks = [strike, secondLock].flatMap((setup) => (setup === null ? [] : [new Lock(setup, ports, atStop === 'keep')])); // prettier-ignore
    this.#stands = this.#locks.map(() => ({ stand: 'as_told', isFree: false }));
    this.#openWatch = new OpenWatch({
      clock: ports.clock,
      warn: (heldInMs) => this.#record('acs_entrance.held_warning', { held_in_ms: heldInMs }),
      show: () => this.#showHeld(),
      held: (openForMs) => {
        this.#isHeld = true;
        this.#record('acs_entrance.held', { open_for_ms: openForMs });
        ports.onChange();
      },
    });
  }

  /** Before anything is served: locks that are locked by power are given it. */
  start(): void {
    for (const lock of this.#locks) lock.start();
    if (this.entrance.atStop === 'keep')
      this.#foundTimer = this.#ports.clock.after(FOUND_WITHIN_MS, () => this.#settle());
  }

  /** Its mode is known, or nobody will know it: it is as found no more. */
  #settle(): void {
    this.#foundTimer?.cancel();
    for (const lock of this.#locks) lock.settle();
  }

  /** Outputs that a stop leaves as they are. */
  get keptOutputs(): LockSetup[] {
    if (this.entrance.atStop === 'rest') return [];
    return this.#locks.filter(({ mayStay }) => mayStay).map(({ setup }) => setup);
  }

  state(): DoorState {
    return {
      isLocked:
        this.#ports.clock.monotonicMs() >= this.#unlockedUntil &&
        !this.#isFreeByItself() &&
        !this.#locks.some((lock) => lock.mayBeFree),
      isOpen: this.#isOpen,
      isHeld: this.#isHeld,
      isForced: this.#isForced,
      isOnline: this.#controllers().every((name) => this.#ports.device(name)?.status().online === true),
    };
  }

  /** Why a lock is not as the mode keeps it, for people; null: all are, as far as is known. */
  get lockProblem(): string | null {
    return this.#locks.find(({ problem }) => problem !== null)?.problem ?? null;
  }

  /**
   * Commands the strike for its time. The request is handed to the bus in this very turn. `decidedAt` is the instant of
   * the decision, monotonic ms: later than 2 s after it nothing is commanded. `onSent`: the request has been handed to
   * the line.
   */
  async strike(decidedAt: number, onSent?: () => void, passing = USUAL): Promise<OutputOutcome> {
    if (this.#isResting) return { outcome: 'failed', error: 'controller_offline', message: 'Lintel is stopping' };
    const { strike } = this.entrance;
    const [first, ...others] = this.#locks;
    if (strike === null || first === undefined) {
      const message = `entrance ${this.entrance.name} has no strike`;
      return { outcome: 'failed', error: 'device_error', message };
    }
    const durationMs = passing.isExtended ? strike.extendedPulseMs : strike.pulseMs;
    const notAfter = decidedAt + deadlineMs(this.entrance, durationMs);
    const pulses = [
      first.pulse(durationMs, notAfter, onSent),
      ...others.map((lock) => lock.pulse(durationMs, notAfter)),
    ];
    this.#passing = passing;
    this.#isForExit = passing.isExit === true;
    const isSeen = this.#expect(durationMs);
    const outcome = allOf(await Promise.all(pulses));
    // Nobody will see the leaf move: whoever is let through goes.
    if (outcome.outcome === 'done' && !isSeen) this.#ports.crossed?.('walked');
    return outcome;
  }

  /** From now on, until told otherwise. `isCertain`: it may not be that its mode only cannot be known yet. */
  keep(kept: Kept, isCertain = true): void {
    if (this.#kept === kept || this.#isResting) {
      if (isCertain && !this.#isResting) this.#settle();
      return;
    }
    const wasFree = this.#kept !== 'locked';
    this.#kept = kept;
    for (const lock of this.#locks) lock.keep(kept);
    if (kept === 'locked') this.#lockAgain(wasFree);
    else {
      this.#isAwaited = false;
      this.#awaitTimer?.cancel();
      this.#openWatch.end();
      this.#ports.crossed?.('unknown');
    }
    this.#ports.onChange();
  }

  /** Nobody is let in any more: a strike for somebody on the way in is called back, one for the way out never is. */
  callBack(): void {
    const isUnlocked = this.#ports.clock.monotonicMs() < this.#unlockedUntil;
    if (!isUnlocked || this.#isForExit || this.#kept !== 'locked') return;
    this.#relock();
    this.#isAwaited = false;
    this.#awaitTimer?.cancel();
    this.#ports.crossed?.('not_walked');
  }

  deviceOnline(name: string): void {
    for (const lock of this.#locks) if (lock.setup.controller === name) lock.deviceOnline();
  }

  /** Free passage is over; whoever stands in the door has the time that everybody has. */
  #lockAgain(wasFree: boolean): void {
    if (!wasFree) return;
    this.#unlockedUntil = -Infinity;
    this.#expectUntil(PASSING_MS);
    if (this.#isOpen === true && !this.#isHeld) this.#openWatch.begin(this.#allowedMs());
  }

  #relock(): void {
    this.#unlockedUntil = -Infinity;
    this.#lockTimer?.cancel();
    for (const lock of this.#locks) lock.relock();
    this.#ports.onChange();
  }

  /** Somebody may pass now, let in by Lintel or by the controller itself. True: the contact will say whether. */
  #expect(durationMs: number): boolean {
    const { clock } = this.#ports;
    const now = clock.monotonicMs();
    this.#unlockedUntil = now + durationMs;
    this.#expectedUntil = now + durationMs + PASSING_MS;
    this.#lockTimer?.cancel();
    this.#lockTimer = clock.after(durationMs, () => this.#ports.onChange());
    this.#ports.onChange();
    if (this.entrance.contact === null || this.#isOpen === true || this.#kept !== 'locked') return false;
    this.#isAwaited = true;
    this.#isDoubtful = false;
    this.#awaitTimer?.cancel();
    this.#awaitTimer = clock.after(durationMs + PASSING_MS, () => {
      if (!this.#isAwaited) return;
      this.#isAwaited = false;
      if (!this.#isDoubtful) this.#record('acs_entrance.not_opened', {});
      this.#ports.crossed?.(this.#isDoubtful ? 'unknown' : 'not_walked');
    });
    return this.#isOpen !== null && this.#isContactThere;
  }

  get #isContactThere(): boolean {
    const { contact } = this.entrance;
    return contact !== null && this.#ports.device(contact.controller)?.status().online === true;
  }

  /** For the doors that must not be open together with it. */
  get leaf(): Leaf {
    if (this.#isOpen === true) return 'open';
    const isFree =
      this.#ports.clock.monotonicMs() < this.#unlockedUntil || this.#kept !== 'locked' || this.#isFreeByItself();
    if (isFree) return 'unlocked';
    return this.entrance.contact === null || this.#isContactThere ? 'shut' : 'unseen';
  }

  /** The controller let somebody in by its own table. */
  passedByController(): void {
    this.#expect(this.entrance.strike?.pulseMs ?? PASSING_MS);
  }

  /** A strike that could not be commanded: nobody is expected any more, but where nobody knows whether it was. */
  strikeFailed(error: StrikeError): void {
    if (error !== 'timed_out') this.#expectedUntil = -Infinity;
    this.#unlockedUntil = -Infinity;
    if (error === 'timed_out' && this.#isAwaited && this.#isContactThere) {
      // The answer may be all that was lost: the contact will say.
      this.#isDoubtful = true;
      this.#ports.onChange();
      return;
    }
    this.#isAwaited = false;
    this.#awaitTimer?.cancel();
    this.#ports.crossed?.(error === 'timed_out' ? 'unknown' : 'not_walked');
    this.#ports.onChange();
  }

  input(event: InputEvent): void {
    const { contact, rex } = this.entrance;
    const isMine = (place: { controller: string; input: number } | null): boolean =>
      place?.controller === event.device && place.input === event.input;
    if (isMine(rex)) this.#rex(event);
    if (isMine(contact)) this.#contact(event.active);
  }

  /** Whatever is said of a lock beyond what Lintel told it. */
  output({ device, output, stand, energised }: DriverEvent & { type: 'output' }): void {
    const index = this.#locks.findIndex(({ setup }) => setup.controller === device && setup.output === output);
    const lock = this.#locks[index];
    const before = this.#stands[index];
    if (lock === undefined || before === undefined) return;
    const wasFree = this.#isFreeByItself() && this.#stands.every(({ stand: one }) => one !== 'astray');
    const frees = energised === (lock.setup.energised === 'unlocks');
    this.#stands[index] = { stand, isFree: frees && stand !== 'as_told' };
    const body = { controller: device, output };
    if (stand === 'stuck') this.#record('acs_entrance.strike_stuck', { ...body, energised });
    else if (before.stand === 'stuck') this.#record('acs_entrance.restored', { after: 'strike_stuck' });
    if (stand === 'astray' && frees) this.#record('acs_entrance.unlocked_externally', body);
    // Whoever goes through a door that its controller opened, or that does not lock, forces nothing.
    if (wasFree) this.#expectUntil(PASSING_MS);
    this.#ports.onChange();
  }

  /** All of its locks are free, otherwise than told. */
  #isFreeByItself(): boolean {
    return this.#stands.length > 0 && this.#stands.every(({ isFree }) => isFree);
  }

  #expectUntil(durationMs: number): void {
    this.#expectedUntil = Math.max(this.#expectedUntil, this.#ports.clock.monotonicMs() + durationMs);
  }

  /** From now on its strike is not commanded; what its contact says still counts. */
  rest(): void {
    this.#isResting = true;
    this.#rexTimer?.cancel();
    this.#foundTimer?.cancel();
    for (const lock of this.#locks) lock.rest();
  }

  stop(): void {
    for (const timer of [this.#awaitTimer, this.#lockTimer, this.#rexTimer, this.#foundTimer]) timer?.cancel();
    for (const lock of this.#locks) lock.rest();
    this.#openWatch.end();
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
    void this.strike(this.#lastRexStrike, undefined, { isExtended: false, isExit: true }).then((outcome) => {
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
    const isFree = this.#isFreeByItself() && this.#stands.every(({ stand }) => stand !== 'astray');
    const isKeptFree = this.#kept !== 'locked';
    const isExpected = isFirst || isFree || isKeptFree || clock.monotonicMs() <= this.#expectedUntil;
    if (isExpected) {
      if (!isFirst) this.#record('acs_entrance.opened', {});
    } else {
      this.#isForced = true;
      this.#record('acs_entrance.forced', {});
    }
    if (!isFirst) this.#ports.crossed?.('walked');
    if (!isKeptFree) this.#openWatch.begin(this.#allowedMs());
    if (!isFirst) this.#relockAt('opening');
  }

  #closed(isFirst: boolean): void {
    this.#openWatch.end();
    this.#passing = USUAL;
    if (!isFirst) this.#record('acs_entrance.closed', {});
    if (this.#isHeld || this.#isForced) {
      this.#record('acs_entrance.restored', { after: this.#isForced ? 'forced' : 'held' });
      this.#isHeld = false;
      this.#isForced = false;
    }
    if (!isFirst) this.#relockAt('closing');
  }

  /** Behind whoever went through nobody else does. */
  #relockAt(moment: 'opening' | 'closing'): void {
    const isUnlocked = this.#ports.clock.monotonicMs() < this.#unlockedUntil && this.#kept === 'locked';
    if (this.entrance.strike?.relock === moment && isUnlocked) this.#relock();
  }

  #allowedMs(): number {
    const { contact } = this.entrance;
    return (this.#passing.isExtended ? contact?.extendedHeldAfterMs : contact?.heldAfterMs) ?? 30_000;
  }

  #showHeld(): void {
    const { readers, feedback } = this.entrance;
    for (const reader of readers) this.#ports.device(reader)?.readers?.feedback(0, 'denied', feedback.held);
  }

  #record<T extends EventType & `acs_entrance.${string}`>(
    type: T,
    body: Omit<BodyOf<T>, 'acs_system_id' | 'acs_entrance_id'>,
  ): void {
    const door = { acs_system_id: this.#ports.acsSystemId, acs_entrance_id: this.entrance.acsEntranceId };
    this.#ports.recorder.note({ ...door, device: null }, [newEventAt(type, door, body)]);
  }

  #controllers(): string[] {
    const { readers, controller, strike, secondLock, contact, rex, lift } = this.entrance;
    return [
      ...new Set(
        [
          ...readers,
          controller,
          strike?.controller,
          secondLock?.controller,
          contact?.controller,
          rex?.controller,
          lift?.selected?.controller,
        ].filter((name) => name != null),
      ),
    ];
  }
}

/** As the worst of them. */
function allOf(outcomes: readonly OutputOutcome[]): OutputOutcome {
  const failure = outcomes.find(({ outcome }) => outcome === 'failed');
  if (failure !== undefined) return failure;
  const isConfirmed = outcomes.every((outcome) => outcome.outcome === 'done' && outcome.confirmed);
  return { outcome: 'done', confirmed: isConfirmed };
}
