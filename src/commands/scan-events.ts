// What the event log keeps of scans: that a reader waited for somebody to enrol, for whom, and what came of it. Never
// what was shown.

import { newEvent, newEventAt, type BodyOf, type NewEvent } from '../domain/events.ts';
import type { ApiError } from '../domain/errors.ts';
import type { SiteEncoder } from '../domain/site.ts';
import type { Call, Room } from './room.ts';
import { attribution } from './trace.ts';

/** The commands that scan, with the names that Seam gives their attempts. */
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
  'encoders/enroll_biometric': {
    type: 'ENROLL_BIOMETRIC',
    succeeded: 'action_attempt.enroll_biometric.succeeded',
    failed: 'action_attempt.enroll_biometric.failed',
  },
} as const;
type ScanCommand = keyof typeof SCANS;

/** One scan, as its events tell of it. */
export type Attempt = { command: ScanCommand; encoder: SiteEncoder; actionAttemptId: string; call: Call };
export type CardAttempt = Attempt & { command: Exclude<ScanCommand, 'encoders/enroll_biometric'> };
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

export const scanSucceeded = (room: Room, attempt: CardAttempt, found: Found): NewEvent =>
  newEventAt(SCANS[attempt.command].succeeded, base(room, attempt), found);

export const enrollSucceeded = (
  room: Room,
  attempt: Attempt & { command: 'encoders/enroll_biometric' },
  enrolled: Pick<BodyOf<'acs_user.biometric_enrolled'>, 'acs_user_id' | 'acs_biometric_id' | 'biometric_type'>,
): NewEvent => newEventAt(SCANS[attempt.command].succeeded, base(room, attempt), enrolled);

export const scanFailed = (room: Room, attempt: Attempt, error: ApiError): NewEvent =>
  newEventAt(SCANS[attempt.command].failed, base(room, attempt), { error });

/** Null: the command is no scan. */
export function interruptedScan(
  command: string,
  body: { acs_system_id: string; command_id: string; error: ApiError },
): NewEvent | null {
  if (command === 'encoders/scan_credential') return newEvent('action_attempt.scan_credential.failed', body);
  if (command === 'encoders/enroll_biometric') return newEvent('action_attempt.enroll_biometric.failed', body);
  if (command !== 'encoders/scan_to_assign_credential') return null;
  return newEvent('action_attempt.scan_to_assign_credential.failed', body);
}
