// What is asked of a SOYAL line and what becomes of it, in the words that the line and its callers share.

import type { Reply, Request } from './codec.ts';

/** The first one that waits goes first. */
export const PRIORITIES = ['strike', 'poll', 'erase', 'write', 'read'] as const;
export type Priority = (typeof PRIORITIES)[number];

export type Exchange = {
  node: number;
  request: Request;
  priority: Priority;
  /** How long the node may take until its answer begins, wire time not counted. */
  answerMs: number;
  /** How often the question is asked again when nothing came. Only for what may be done twice. */
  retries: number;
  /** Never handed to the line later than this (monotonic); asked again until then. Null for all but strikes. */
  notAfterMs: number | null;
  /**
   * Called in the turn in which the request itself is handed to the port, again when it is repeated. Null where nobody
   * wants to know.
   */
  onSent: (() => void) | null;
};

export type ExchangeResult =
  | { outcome: 'answered'; reply: Exclude<Reply, { kind: 'nack' }>; atMonotonicMs: number }
  /** The node said no. */
  | { outcome: 'refused'; message: string }
  /** It was sent, and nobody answered: it may have been done or not. */
  | { outcome: 'unknown'; message: string }
  | { outcome: 'not_sent'; why: 'offline' | 'too_late' | 'crowded'; message: string };

export type LineReports = {
  /** A node has answered. */
  heard(node: number): void;
  /** A node was asked and has not answered in time. */
  missed(node: number): void;
  up(): void;
  /** The line disturbs the bus, by what; null: no more. */
  disturbed(problem: string | null): void;
  down(reason: string): void;
};
