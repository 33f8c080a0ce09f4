// What the event log keeps of scans: that a reader waited for somebody to enrol, for whom, and what came of it. Never
// what was shown.

import { newEvent, newEventAt, type NewEvent } from '../domain/events.ts';
import type { ApiError } from '../domain/errors.ts';
import type { SiteEncoder } from '../domain/site.ts';
import type { Call, Room } from './room.ts';
import { attribution } from './trace.ts';

/** The two commands that scan, with the names that Seam gives their attempts. */
export const SCANS = {
  'encoders/scan_credential': {
    type: 'SCAN_CREDENTIAL',
    succeeded: 'action_attempt.scan_credential.succeeded',
    failed: 'action_attempt.scan_credential.failed',
  },
  'encoders/scan_to_assign_credential': {
    type: 'SCAN_TO_ASSIGN_CREDENTIAL',
    succeeded: 'action_attempt.scan_to_assign_credential.succeeded',
    failed: 'action_attempt.scan_to_assign_credential.failed',
  },
} as const;
type ScanCommand = keyof typeof SCANS;

/** One scan, as its events tell of it. */
export type Attempt = { command: ScanCommand; encoder: SiteEncoder; actionAttemptId: string; call: Call };
type Found = { acs_credential_id: string | null; phone_acs_credential_id: string | null };

const base = (room: Room, { encoder, actionAttemptId, call }: Attempt) => ({
  acs_system_id: room.acsSystemId,
  acs_encoder_id: encoder.acsEncoderId,
  acs_entrance_id: encoder.acsEntranceId,
  reader: encoder.reader,
  action_attempt_id: actionAttemptId,
  ...attribution(call),
});

export const scanStarted = (room: Room, attempt: Attempt, untilMs: number): NewEvent =>
  newEventAt('acs_encoder.scan_started', base(room, attempt), { until: new Date(untilMs).toISOString() });

export const scanSucceeded = (room: Room, attempt: Attempt, found: Found): NewEvent =>
  newEventAt(SCANS[attempt.command].succeeded, base(room, attempt), found);

export const scanFailed = (room: Room, attempt: Attempt, error: ApiError): NewEvent =>
  newEventAt(SCANS[attempt.command].failed, base(room, attempt), { error });

/** Null: the command is no scan. */
export function interruptedScan(
  command: string,
  body: { acs_system_id: string; command_id: string; error: ApiError },
): NewEvent | null {
  if (command === 'encoders/scan_credential') return newEvent('action_attempt.scan_credential.failed', body);
  if (command !== 'encoders/scan_to_assign_credential') return null;
  return newEvent('action_attempt.scan_to_assign_credential.failed', body);
}
