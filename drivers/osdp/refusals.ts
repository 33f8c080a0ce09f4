// What is said of a reader that did not do what was asked of it, or that is gone.

import type { OperatingError } from '../../src/domain/errors.ts';
import { requestError } from '../kit/fates.ts';
import { describeRestart } from './channel-health.ts';
import type { WireCommand } from './commands.ts';
import type { JobResult } from './jobs.ts';
import { describeNak } from './replies.ts';
import type { Loss } from './station-terms.ts';

export function refusal(
  reader: string,
  wire: WireCommand,
  result: Exclude<JobResult, { kind: 'reply' }>,
): OperatingError {
  switch (result.kind) {
    case 'nak':
      return requestError('refused', `${reader} refused ${wire.name}: ${describeNak(result.error)}`);
    case 'restart':
      return requestError('interrupted', `${reader}: the link began anew (${describeRestart(result.reason)})`);
    case 'busy':
      return requestError('crowded', `${reader} was busy all the time, and did not do ${wire.name}`);
    case 'silence':
    case 'dropped':
      return requestError('offline', `${reader} went offline`);
    case 'expired':
      return requestError('unanswered', `${reader} did not answer ${wire.name} in time`);
  }
}

export function describeLoss(loss: Loss): string {
  switch (loss.why) {
    case 'silent':
      return 'it does not answer any more';
    case 'jammed':
      return 'it cannot be asked: its line never falls silent, for somebody else speaks on it (see its bus)';
    case 'line':
    case 'refused':
      return loss.reason;
    case 'restart':
      return describeRestart(loss.reason);
  }
}
