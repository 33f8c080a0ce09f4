// A row of what a controller should hold (targets.ts): its columns, the numbers that stand for words in them, and what it
// is when it owns nothing.

export type TargetState = 'scheduled' | 'writing' | 'set' | 'unconfirmed' | 'removing' | 'removed' | 'failed';

/** Failures that pass by themselves; any other lasts until the credential changes. */
export const RETRIED = [
  'failed_to_set_on_device',
  'failed_to_remove_from_device',
  'no_space_for_access_code_on_device',
] as const;

/** Due at once, whatever the clock says. */
export const AT_ONCE = 0;
export const WAITS = { erasure: 1, write: 2 } as const;
export const ANNOUNCED = { nothing: 0, scheduled: 1, set: 2 } as const;

export type TargetRow = {
  target_key: number;
  controller: string;
  credential_key: number;
  acs_credential_id: string;
  slot: number | null;
  state: TargetState;
  /** Keyed hash of the content sent last, or being sent; null: nothing, or an erasure. */
  written_hash: Buffer | null;
  /** Keyed hash of the image as last read; null while nobody knows what the slot holds. */
  read_hash: Buffer | null;
  verified_at: number | null;
  error_type: string | null;
  error_message: string | null;
  attempts: number;
  due_at: number | null;
  waits: 1 | 2 | null;
  urgent_at: number | null;
  erase_since: number | null;
  erase_reason: 'ended' | 'revoked' | null;
  is_overdue: 0 | 1;
  announced: 0 | 1 | 2;
  partner_key: number | null;
  /** The time zone that the content named which was sent last; null: none. */
  zone: number | null;
  /** It made way in a full table and is not written ahead of its start. */
  is_deferred: 0 | 1;
};
/** A row's place in the queue for the controller. */
export type Waiting = Pick<TargetRow, 'target_key' | 'slot' | 'urgent_at'>;
export type Waits = Pick<TargetRow, 'target_key' | 'waits' | 'due_at'>;
export type SyncSummary = {
  pending: number;
  unconfirmed: number;
  failed: number;
  oldest_pending_erasure_at: number | null;
};

/** What of a row is about a slot, in one that owns none. */
export const NO_SLOT = {
  slot: null,
  written_hash: null,
  read_hash: null,
  verified_at: null,
  partner_key: null,
  zone: null,
} as const;

/** Nothing is to be erased. */
export const NOTHING_OWED = { erase_since: null, erase_reason: null, is_overdue: 0 } as const;

/** The row without the slot that it had. */
export const emptied = (target: TargetRow): TargetRow => ({ ...target, ...NO_SLOT });

/** A row that owns no slot, waits for nothing and has said nothing; whatever failed is still known of it. */
export const atRest = (target: TargetRow): TargetRow => ({
  ...emptied(target),
  ...NOTHING_OWED,
  attempts: 0,
  waits: null,
  urgent_at: null,
  announced: ANNOUNCED.nothing,
});

/** As `atRest`, with nothing known of it. */
export const cleared = (target: TargetRow): TargetRow => ({ ...atRest(target), error_type: null, error_message: null });
