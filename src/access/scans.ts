// Scans for enrolment: what is shown next at a reader is handed to whoever asked, and decided by nobody. One scan at a
// reader, each with a deadline; what was read stays undecided for as long as it lies there, so that a card opens no door
// by being enrolled.

import type { BiometricDevice } from '../domain/biometrics.ts';
import type { ApiError } from '../domain/errors.ts';
import type { Clock, Device, DriverEvent, Feedback, Presentation, Timer } from '../domain/ports.ts';

type Presented = DriverEvent & { type: 'presented' };
/** What a scan ends with: a card, or a key that was proved. */
export type Shown = Presentation & { kind: 'card' | 'mobile_key' };
export type ScanOutcome = { shown: Shown } | { error: ApiError };

/** What was read has gone once it was not read again for so long. */
const AWAY_MS = 2_000;

/** `takes`: what ends it; null: nothing that is shown there. */
type Scan = { timer: Timer; end: (outcome: ScanOutcome) => void; takes: 'credential' | null };
const NO_TIMER: Timer = { cancel: () => undefined };
/** What was read last, and until when it is taken to lie there still, ms of the monotonic clock. */
type Lying = { thing: string; untilMs: number };

export type ScansOptions = {
  clock: Clock;
  device: (name: string) => Device | undefined;
  cardFormatsOf: (reader: string) => readonly string[];
};

export class Scans {
  readonly #options: ScansOptions;
  readonly #scans = new Map<string, Scan>();
  readonly #lying = new Map<string, Lying>();
  #isOver = false;

  constructor(options: ScansOptions) {
    this.#options = options;
  }

  cardFormatsOf(reader: string): readonly string[] {
    return this.#options.cardFormatsOf(reader);
  }

  isOnline(reader: string): boolean {
    return this.#options.device(reader)?.status().online === true;
  }

  isScanning(reader: string): boolean {
    return this.#scans.has(reader);
  }

  /** Resolves with what is shown next, or with why there is nothing. Never rejects. */
  async scan(reader: string, timeoutMs: number): Promise<ScanOutcome> {
    if (this.#isOver) return { error: STOPPED };
    if (this.#scans.has(reader)) return { error: busy(reader) };
    if (!this.isOnline(reader)) return { error: offline(reader) };
    return await new Promise<ScanOutcome>((resolve) => {
      const timer = this.#options.clock.after(timeoutMs, () => {
        const error = this.isOnline(reader) ? nothingShown(reader, timeoutMs) : offline(reader);
        this.#end(reader, { error });
      });
      this.#scans.set(reader, { timer, end: resolve, takes: 'credential' });
      this.#show(reader, 'prompt_pin');
    });
  }

  /** Fingers, faces and the like at a reader; null: it reads none. */
  biometricsOf(reader: string): BiometricDevice | null {
    return this.#options.device(reader)?.biometrics ?? null;
  }

  /** Nobody decides at the reader while `work` is at it, which ends when its signal is aborted. */
  async hold<T>(reader: string, work: (over: AbortSignal) => Promise<T>): Promise<T | { error: ApiError }> {
    if (this.#isOver) return { error: STOPPED };
    if (this.#scans.has(reader)) return { error: busy(reader) };
    if (!this.isOnline(reader)) return { error: offline(reader) };
    const over = new AbortController();
    const ended: { error: ApiError | null } = { error: null };
    const held: Scan = {
      timer: NO_TIMER,
      end: (outcome) => {
        if ('error' in outcome) ended.error = outcome.error;
        over.abort();
      },
      takes: null,
    };
    this.#scans.set(reader, held);
    try {
      const result = await work(over.signal);
      return ended.error === null ? result : { error: ended.error };
    } finally {
      if (this.#scans.get(reader) === held) this.#scans.delete(reader);
    }
  }

  show(reader: string, signal: Feedback): void {
    this.#show(reader, signal);
  }

  /** False: none was under way. */
  cancel(reader: string): boolean {
    return this.#end(reader, { error: { type: 'interrupted', message: `the scan at ${reader} was cancelled` } });
  }

  /** The stop has begun. */
  rest(): void {
    this.#isOver = true;
    for (const reader of [...this.#scans.keys()]) this.#end(reader, { error: STOPPED });
  }

  /** True: it is a matter of a scan, and nobody decides about it. */
  takes({ device: reader, presentation }: Presented): boolean {
    const scan = this.#scans.get(reader);
    if (scan === undefined) return this.#isLyingThere(reader, presentation);
    if (presentation.kind === 'card' || presentation.kind === 'mobile_key') {
      this.#lying.set(reader, { thing: nameOf(presentation), untilMs: this.#awayMs() });
      if (scan.takes === 'credential') this.#end(reader, { shown: presentation });
    } else if (presentation.kind === 'unproved') this.#show(reader, 'denied');
    return true;
  }

  #isLyingThere(reader: string, presentation: Presentation): boolean {
    const lying = this.#lying.get(reader);
    if (lying === undefined) return false;
    const isThere = this.#options.clock.monotonicMs() < lying.untilMs && nameOf(presentation) === lying.thing;
    if (isThere) lying.untilMs = this.#awayMs();
    else this.#lying.delete(reader);
    return isThere;
  }

  #awayMs(): number {
    return this.#options.clock.monotonicMs() + AWAY_MS;
  }

  #end(reader: string, outcome: ScanOutcome): boolean {
    const scan = this.#scans.get(reader);
    if (scan === undefined) return false;
    this.#scans.delete(reader);
    scan.timer.cancel();
    this.#show(reader, 'shown' in outcome ? 'granted' : 'ready');
    scan.end(outcome);
    return true;
  }

  #show(reader: string, signal: Feedback): void {
    this.#options.device(reader)?.readers?.feedback(0, signal);
  }
}

/** The same for the same card or key, and for nothing else. */
function nameOf(presentation: Presentation): string {
  if (presentation.kind === 'mobile_key') return `key ${presentation.key.toString('hex')}`;
  if (presentation.kind !== 'card') return presentation.kind;
  return `${presentation.reading.kind} ${presentation.reading.bytes.toString('hex')}`;
}

const STOPPED: ApiError = { type: 'interrupted', message: 'Lintel was stopped while it waited at the reader' };

const busy = (reader: string): ApiError => ({
  type: 'not_permitted',
  message: `a scan is under way at ${reader}. Remedy: wait for its end, or encoders/cancel_scan`,
});

const offline = (reader: string): ApiError => ({
  type: 'controller_offline',
  message: `${reader} does not answer. Remedy: look at its power and its line`,
});

const nothingShown = (reader: string, timeoutMs: number): ApiError => ({
  type: 'no_credential_on_encoder',
  message: `nothing was shown at ${reader} within ${Math.round(timeoutMs / 1_000)} s; whoever meant to may ask again`,
});
