// What is said of a reader that did not do what was asked of it, or that is gone.

import { OperatingError } from '../../src/domain/errors.ts';
import { describeRestart } from './channel-health.ts';
import type { WireCommand } from './commands.ts';
import type { JobResult } from './jobs.ts';
import { describeNak } from './replies.ts';
import type { Loss } from './station.ts';

export function refusal(
  reader: string,
  wire: WireCommand,
  result: Exclude<JobResult, { kind: 'reply' }>,
): OperatingError {
  switch (result.kind) {
    case 'nak':
      return new OperatingError('not_supported', `${reader} refused ${wire.name}: ${describeNak(result.error)}`);
    case 'restart':
      return new OperatingError('interrupted', `${reader}: the link began anew (${describeRestart(result.reason)})`);
    case 'silence':
    case 'dropped':
      return new OperatingError('controller_offline', `${reader} went offline`);
    case 'expired':
      return new OperatingError('timed_out', `${reader} did not answer ${wire.name} in time`);
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
