// What the bus, its lines and its devices say to each other: what is asked of a unit and what came of it.

import type { Reply, Request } from './codec.ts';
import type { DeviceCounters } from '../../src/domain/ports.ts';

/** In the order of the house: strikes and feedback, inputs that are due, erasures, writes, read-back. */
export const PRIORITIES = ['strike', 'input', 'erase', 'write', 'read'] as const;
export type Priority = (typeof PRIORITIES)[number];

export type UnitSettings = {
  unit: number;
  /** The longest a device takes before its answer begins. */
  turnaroundMs: number;
  /** How late an answer may still come once it was given up: so long nothing else is asked of that unit. */
  lateReplyMs: number;
  /** Least pause before a request to this unit, beyond what the line itself asks for. */
  minGapMs: number;
  /** How often a read whose answer was lost is asked again; writes never are. */
  readRetries: number;
  maxInFlight: number;
  /** Reads that show whether the unit lives, asked in turn. */
  probes: readonly Request[];
  /**
   * Reads whose answers differ in function or length: after a lost answer one that no owed answer can look like shows
   * where we are.
   */
  settlers: readonly Request[];
};

export type Outcome =
  | { outcome: 'reply'; reply: Reply; atMonotonicMs: number }
  | { outcome: 'exception'; code: number }
  /** It was sent, and nobody knows whether the device did it. */
  | { outcome: 'no_reply'; why: 'timed_out' | 'garbled' | 'line_lost'; message: string }
  /** It never left. */
  | { outcome: 'not_sent'; why: 'offline' | 'too_late' | 'queue_full' | 'closed'; message: string };

/** What one attempt on the line came to. */
export type Attempt =
  | { result: 'reply'; reply: Reply; atMonotonicMs: number }
  | { result: 'exception'; code: number }
  | { result: 'timed_out'; message: string }
  | { result: 'garbled'; message: string }
  | { result: 'lost'; message: string }
  /** Its time passed before it could be sent. */
  | { result: 'expired' };

/** What a line is told about the unit it speaks to. */
export type LineUnit = {
  readonly settings: UnitSettings;
  readonly counters: DeviceCounters;
  /** Lately answering; a dead one's silence needs no pause for the others. */
  readonly online: boolean;
  /**
   * What was asked of it while it was offline was answered so long after it was sent, when nobody waited for it any
   * more: a gateway has spent that time on it.
   */
  answeredLate(tookMs: number, attempt: Attempt): void;
};

export type SendOptions = {
  /** Past this instant it is not sent any more. */
  notAfterMonotonicMs?: number;
  /** Called in the turn in which it is handed to the port. */
  onSent?: () => void;
};

export type Line = {
  start(events: LineEvents): void;
  stop(): Promise<void>;
  /** Requests at once; a line may find out that its device takes fewer. */
  readonly maxInFlight: number;
  /** What a request and its answer take of the line, ms; 0: nobody waits for them. */
  lengthMs(request: Request): number;
  /** How long from `nowMs`, monotonic, a request to this unit must still wait, ms; 0: it may go now. */
  waitMs(unit: LineUnit, nowMs: number): number;
  /**
   * Sends in this very turn and resolves with what came of it; never rejects. Only called when `waitMs` is 0. Where
   * something else must be asked first, the request follows unless it is too late for it then.
   */
  exchange(unit: LineUnit, request: Request, options: SendOptions): Promise<Attempt>;
  /** Sends to every unit at once and resolves when they have had time for it; false when the line was lost. */
  broadcast(request: Request): Promise<boolean>;
  /** Since when bytes of somebody else have kept it from falling silent, monotonic ms; left out or null: they do not. */
  heldUpSinceMs?(nowMs: number): number | null;
  /** Whether this unit is asked by a way of its own, which keeps nobody else waiting; left out: never. */
  isAside?(unit: LineUnit): boolean;
  /** Waits no longer for a unit that is not online: a strike elsewhere goes before the hope that it is back. */
  abandonProbe(): void;
  /** Nobody answers at all: a connection may be dead without saying so. */
  renew(reason: string): void;
};

export type LineEvents = {
  up(): void;
  down(reason: string): void;
  /** An answer came that nobody waited for any more. */
  late?(): void;
  /** Somebody sent a frame that nobody here asked for. */
  strange?(unit: number): void;
};

export type UnitWatch = {
  online(): void;
  /** Told again where more has become known of the reason. */
  offline(reason: string): void;
  /** It answers, and wrongly; told once for each way in which it does. */
  faulty?(fault: string): void;
  /**
   * A transfer is about to take the bus for this long, ms: inputs that fall due before its end are asked for in this
   * very turn.
   */
  ahead?(lengthMs: number): void;
};

export type RequestOptions = SendOptions & { priority: Priority };

/** A unit of the bus as its device sees it. */
export type BusUnit = {
  readonly counters: Readonly<DeviceCounters>;
  readonly online: boolean;
  /** When it answered last, monotonic ms. */
  readonly heardAtMs: number;
  /** When a transfer last waited for the bus or was on it, this unit's or another's, monotonic ms. */
  readonly transferAtMs: number;
  request(request: Request, options: RequestOptions): Promise<Outcome>;
  /**
   * A strike was sent at or after this instant, monotonic ms, and its time is over without an answer. Where the line
   * has been heard since, the strike has arrived. Where a network has stood still since, it would deliver the strike
   * when it moves again, and open the door to nobody: then the connection is thrown away.
   */
  callBack(sinceMonotonicMs: number): void;
};
