// What can become of a command to a device, whatever its protocol, and which error each fate is: of an output to the
// door that commanded it, and of a request to whoever asked.

import { OperatingError, type ErrorType } from '../../src/domain/errors.ts';
import type { OutputOutcome } from '../../src/domain/ports.ts';

/**
 * `refused`: the device said no. `unanswered`: it was sent, and there is no proof either way. `interrupted`: the link
 * began anew while it was on its way. `too_late`: its time was over before it could be sent. `crowded`: too much waited
 * before it. `offline`: there was nobody to send it to.
 */
export type Fate = 'refused' | 'unanswered' | 'interrupted' | 'too_late' | 'crowded' | 'offline';

type OutputError = (OutputOutcome & { outcome: 'failed' })['error'];

const ERRORS: Readonly<Record<Fate, { output: OutputError; request: ErrorType }>> = {
  refused: { output: 'device_error', request: 'not_supported' },
  unanswered: { output: 'timed_out', request: 'timed_out' },
  interrupted: { output: 'controller_offline', request: 'interrupted' },
  too_late: { output: 'too_late', request: 'timed_out' },
  crowded: { output: 'timed_out', request: 'timed_out' },
  offline: { output: 'controller_offline', request: 'controller_offline' },
};

export const outputFailure = (fate: Fate, message: string): OutputOutcome => ({
  outcome: 'failed',
  error: ERRORS[fate].output,
  message,
});

export const requestError = (fate: Fate, message: string): OperatingError =>
  new OperatingError(ERRORS[fate].request, message);

export const STOPPING: OutputOutcome = outputFailure('offline', 'Lintel is stopping');
