// What is made of how an output is seen to stand: as it was told, driven by the device's own decision, otherwise than
// told, or stuck there however often it is told.

/**
 * `own`: the device drives it by its own decision. `astray`: it was not told so, and is told again. `stuck`: told
 * again, and it does not follow.
 */
export type OutputStand = 'as_told' | 'own' | 'astray' | 'stuck';

/**
 * How long a device that decides by itself may go on driving what a pulse of ours has energised, for somebody whom it
 * let in meanwhile; and what it energised itself.
 */
export type OwnWill = { afterOursMs: number; mostMs: number };

/** Told so often in vain, each time with its time to follow, it is stuck. */
const TELLS_UNTIL_STUCK = 2;
/** What is stuck is told again this often. */
const STUCK_AGAIN_MS = 2_000;

export class OutputWatch {
  readonly #ownWill: OwnWill | null;
  readonly #tell: (stand: OutputStand, energised: boolean, atMs: number) => void;
  #stand: OutputStand = 'as_told';
  #ownSinceMs: number | null = null;
  #tells = 0;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  /** It has been on ever since a pulse of ours. */
  #isAfterOurs = false;

  /** `ownWill` is null where nobody but us drives it. `tell` hears of every change. */
  constructor(ownWill: OwnWill | null, tell: (stand: OutputStand, energised: boolean, atMs: number) => void) {
    this.#ownWill = ownWill;
    this.#tell = tell;
  }

  get isStuck(): boolean {
    return this.#stand === 'stuck';
  }

  get isAstray(): boolean {
    return this.#stand === 'astray' || this.#stand === 'stuck';
  }

  pulsed(): void {
    this.#isAfterOurs = true;
  }

  /**
   * How it stands at this moment, long enough after the last command. True: it is to be told again what it was told.
   */
  look(isOn: boolean, wanted: boolean, atMs: number): boolean {
    if (!isOn) this.#isAfterOurs = false;
    if (isOn === wanted) {
      this.#ownSinceMs = null;
      this.#tells = 0;
      this.#become('as_told', isOn, atMs);
      return false;
    }
    if (isOn && this.#isByItself(atMs)) {
      this.#become('own', isOn, atMs);
      return false;
    }
    if (this.#tells >= TELLS_UNTIL_STUCK) this.#become('stuck', isOn, atMs);
    // Too long for a decision of its own, but nobody else's.
    else if (!this.isStuck) this.#become(this.#ownWill === null || !isOn ? 'astray' : 'own', isOn, atMs);
    if (this.isStuck && atMs - this.#toldAtMs < STUCK_AGAIN_MS) return false;
    this.#tells++;
    this.#toldAtMs = atMs;
    return true;
  }

  /** The device says that it holds it as it is, by a schedule or by hand: that is nobody's fault, however long. */
  held(isOn: boolean, atMs: number): void {
    this.#ownSinceMs = null;
    this.#tells = 0;
    this.#become(isOn ? 'own' : 'as_told', isOn, atMs);
  }

  #isByItself(atMs: number): boolean {
    if (this.#ownWill === null) return false;
    this.#ownSinceMs ??= atMs;
    return atMs - this.#ownSinceMs < (this.#isAfterOurs ? this.#ownWill.afterOursMs : this.#ownWill.mostMs);
  }

  #become(stand: OutputStand, isOn: boolean, atMs: number): void {
    if (this.#stand === stand) return;
    this.#stand = stand;
    this.#tell(stand, isOn, atMs);
  }
}
