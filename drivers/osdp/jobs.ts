// What waits in a station for its turn: a command with its lane, its deadline, and whoever wants to know what became of
// it.

import type { Timer } from '../driver.ts';
import type { WireCommand } from './commands.ts';
import type { SecurityBlock } from './frame.ts';
import type { RestartReason } from './link.ts';

/**
 * `strike`: outputs, first of all. `feedback`: what the person at the door waits for. `request`: everything else that
 * wants an answer. These three flow only while the station is open. `look`: what nobody waits for, sent when the bus
 * has nothing better to do. `connect`: what is said before that, in the clear. `probe`: is anybody there? Sent once,
 * when the bus can afford the silence.
 */
export type Lane = 'strike' | 'feedback' | 'request' | 'connect' | 'probe' | 'look';
export const LANES: readonly Lane[] = ['strike', 'feedback', 'request', 'connect', 'probe', 'look'];
export const MAX_WAITING: Readonly<Record<Lane, number>> = {
  strike: 64,
  feedback: 24,
  request: 32,
  connect: 4,
  probe: 1,
  look: 1,
};

export type JobResult =
  | { kind: 'reply'; code: number; data: Buffer; secured: boolean; block: SecurityBlock | null }
  | { kind: 'nak'; error: number }
  /** No answer, after every retry. */
  | { kind: 'silence' }
  | { kind: 'restart'; reason: RestartReason }
  /** It was busy all the time, and has not done it. */
  | { kind: 'busy' }
  /** Its deadline passed; `sent` tells whether it may have been carried out. */
  | { kind: 'expired'; sent: boolean }
  /** Never sent: the link went, the lane was full, or something newer took its place. */
  | { kind: 'dropped' };

/** Made when its turn has come, for what is only known then. */
export type LateCommand = () => WireCommand;

export type Job = {
  command: WireCommand | LateCommand;
  block: SecurityBlock | null;
  lane: Lane;
  deadline: Timer | null;
  sent: boolean;
  result: JobResult | null;
  settle: (result: JobResult) => void;
};

/** Its deadline is over. To send it again could open a door that nobody stands at any more. */
export const isSettled = (job: Job | null): boolean => job !== null && job.result !== null;

export function finish(job: Job, result: JobResult): void {
  if (job.result !== null) return;
  job.result = result;
  job.deadline?.cancel();
  job.settle(result);
}
