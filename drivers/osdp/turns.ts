// Whose turn it is on a bus: strikes and feedback before polls, a reader that has more to say again at once (a few
// times), those that nobody waits for when nobody waits, and readers that do not answer in what is left of the line.

import { SilenceShare } from '../kit/silence.ts';
import type { Station } from './station.ts';

/**
 * A handshake, or events that wait in one reader, may take this many exchanges of a visit before the others have their
 * turn.
 */
const VISIT_EXCHANGES = 4;
/**
 * Readers are looked for ahead of the ordinary turns, but those that are online must not be forgotten over a whole bus
 * that wakes up.
 */
const PROBES_IN_A_ROW = 3;
/** From a round of this length on every reader has one exchange in its turn. */
const LONG_ROUND_MS = 1_000;
/** This many strikes and feedbacks in a row, then one ordinary turn. */
const PRIORITY_EXCHANGES = 8;
/** What unanswered probes may take of the bus while others are online. */
const PROBES = { share: 1 / 13, leastPauseMs: 2_500 } as const;
/** What looks may take of the bus, one after the other. */
const LOOK_SHARE = 1 / 20;

export class Turns {
  readonly stations: readonly Station[];
  readonly #silence = new SilenceShare(PROBES);
  #visited: Station | null = null;
  #visitExchanges = 0;
  #priorityExchanges = 0;
  #cursor = 0;
  #roundBeganMs = 0;
  #roundMs = 0;
  #probeCursor = 0;
  #probesInARow = 0;
  /** No look before this instant. */
  #lookAtMs = 0;
  #lookCursor = 0;

  constructor(stations: readonly Station[]) {
    this.stations = stations;
  }

  /** The line has just been opened. */
  open(): void {
    this.#silence.open(this.stations.length);
  }

  /** The one whose frame leaves now. */
  visit(station: Station | null): void {
    this.#visited = station;
  }

  /** A reader that was given up has answered: where the cable is whole again, others may be there as well. */
  forgive(): void {
    this.#silence.forgive();
  }

  /** A look took the line from then until now, answered or not. */
  looked(sentAtMs: number, nowMs: number): void {
    this.#lookAtMs = nowMs + (nowMs - sentAtMs) * (1 / LOOK_SHARE - 1);
  }

  /** A probe was not answered. */
  probed(station: Station, sentAtMs: number, nowMs: number): void {
    // Those that answer are not made to wait for another silence.
    this.#probesInARow = PROBES_IN_A_ROW;
    const others = this.stations.some((one) => one !== station && one.isActive);
    this.#silence.spend(nowMs, nowMs - sentAtMs, others);
  }

  /** Whoever has something to send now, and its turn; null: nobody. */
  next(nowMs: number): Station | null {
    if (this.#priorityExchanges < PRIORITY_EXCHANGES) {
      const urgent = this.#first('strike', nowMs) ?? this.#first('feedback', nowMs);
      if (urgent !== null) {
        this.#priorityExchanges++;
        return urgent;
      }
    }
    this.#priorityExchanges = 0;
    const probe = nowMs >= this.#silence.readyAtMs ? this.#nextProbe(nowMs) : null;
    if (this.#visited !== null && this.#visitExchanges < VISIT_EXCHANGES && this.#goesOn(this.#visited, nowMs, probe)) {
      this.#visitExchanges++;
      return this.#visited;
    }
    this.#visitExchanges = 1;
    const ordinary = probe === null || this.#probesInARow >= PROBES_IN_A_ROW ? this.#nextOrdinary(nowMs) : null;
    this.#probesInARow = ordinary === null ? this.#probesInARow + 1 : 0;
    return ordinary ?? probe;
  }

  /**
   * Whoever is to be looked at: while nobody waits for anything on this bus, or when it has waited for that for too
   * long and no strike or feedback is due.
   */
  nextLook(nowMs: number): Station | null {
    if (nowMs < this.#lookAtMs) return null;
    const count = this.stations.length;
    for (let i = 0; i < count; i++) {
      const index = (this.#lookCursor + i) % count;
      const station = this.stations[index];
      const looks = station?.looks(nowMs) ?? null;
      if (station === undefined || looks === null) continue;
      const isKept =
        looks === 'overdue'
          ? this.#first('strike', nowMs) !== null || this.#first('feedback', nowMs) !== null
          : this.isPressed(nowMs);
      if (isKept) continue;
      this.#lookCursor = index + 1;
      return station;
    }
    return null;
  }

  /** Does somebody wait for the line? */
  isPressed(nowMs: number): boolean {
    return this.stations.some((station) => station.isPressed(nowMs));
  }

  /** When somebody will have something to send; Infinity: not before a kick. */
  dueAtMs(nowMs: number): number {
    let dueMs = Infinity;
    for (const station of this.stations) {
      const wants = station.wants(nowMs);
      if (wants !== null && wants !== 'probe') return nowMs;
      const at = wants === 'probe' ? Math.max(nowMs, this.#silence.readyAtMs) : station.wakesAtMs(nowMs);
      const lookMs = station.looks(nowMs) === null ? Infinity : Math.max(nowMs, this.#lookAtMs);
      dueMs = Math.min(dueMs, at ?? Infinity, lookMs);
    }
    return dueMs;
  }

  /**
   * May the station that was heard last speak again at once: for the rest of its handshake, events that wait in it, or
   * its requests?
   */
  #goesOn(station: Station, nowMs: number, probe: Station | null): boolean {
    const wants = station.wants(nowMs);
    if (wants === 'connect') return true;
    if (wants === 'poll') return station.draining;
    // Setting a reader up can wait while another one is not even online, and must not make a long round longer:
    // sessions end after eight seconds of silence.
    const roundMs = Math.max(this.#roundMs, nowMs - this.#roundBeganMs);
    return wants === 'request' && probe === null && roundMs < LONG_ROUND_MS;
  }

  #first(lane: 'strike' | 'feedback', nowMs: number): Station | null {
    return this.stations.find((station) => station.wants(nowMs) === lane) ?? null;
  }

  #nextOrdinary(nowMs: number): Station | null {
    const count = this.stations.length;
    for (let i = 0; i < count; i++) {
      const index = (this.#cursor + i) % count;
      const station = this.stations[index];
      if (station === undefined) continue;
      const wants = station.wants(nowMs);
      if (wants === null || wants === 'probe') continue;
      if (index < this.#cursor) {
        this.#roundMs = nowMs - this.#roundBeganMs;
        this.#roundBeganMs = nowMs;
      }
      this.#cursor = index + 1;
      return station;
    }
    return null;
  }

  #nextProbe(nowMs: number): Station | null {
    const count = this.stations.length;
    for (let i = 0; i < count; i++) {
      const index = (this.#probeCursor + i) % count;
      const station = this.stations[index];
      if (station?.wants(nowMs) !== 'probe') continue;
      this.#probeCursor = index + 1;
      return station;
    }
    return null;
  }
}
