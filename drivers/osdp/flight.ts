// The one frame of a reader that waits for its answer, with its tries.

import type { Job } from './jobs.ts';

export type Flight = {
  bytes: Buffer;
  job: Job | null;
  tries: number;
  /** Sent, and neither answered nor given up yet. */
  outstanding: boolean;
  /** When the first copy went. */
  sentAtMs: number;
  damaged: number;
  forged: number;
  busySinceMs: number | null;
  /** One of its answers was passed over as an old one, so that none is left to come after the next. */
  passedOver: boolean;
};

export const newFlight = (bytes: Buffer, job: Job | null, nowMs: number): Flight => ({
  bytes,
  job,
  tries: 0,
  outstanding: true,
  sentAtMs: nowMs,
  damaged: 0,
  forged: 0,
  busySinceMs: null,
  passedOver: false,
});
