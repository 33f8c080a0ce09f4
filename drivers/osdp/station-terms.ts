// What a station tells the reader that owns it.

import type { RestartReason } from './link.ts';

/** What becomes of a station, told to the reader that owns it. */
export type StationEvents = {
  /** A reply to a poll that is not ACK. `old`: it has waited in the reader for nobody knows how long. */
  report(report: Report): void;
  /** A reply came in the clear where it should not. */
  clearText(code: number, data: Buffer): void;
  /** A poll has found nothing waiting. */
  nothingNew(atMonotonicMs: number): void;
  /**
   * It answers again after a while, and nothing proves that it has not restarted meanwhile. Told before its answer is.
   */
  returned(): void;
  /** A poll was answered with NAK. */
  refused(error: number): void;
  /**
   * The link is gone: the station is closed until `open` is called again. Strikes and feedback wait over a `restart`.
   */
  lost(loss: Loss): void;
};
export type Report = { code: number; data: Buffer; secured: boolean; old: boolean; atMonotonicMs: number };
export type Loss =
  | { why: 'silent' }
  /** It was never asked, for its line did not fall silent. */
  | { why: 'jammed' }
  | { why: 'restart'; reason: RestartReason }
  | { why: 'line'; reason: string }
  /** The reader answers and will not work like this. */
  | { why: 'refused'; reason: string };
