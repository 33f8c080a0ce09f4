// Operating errors are values with a type from one list; programmer errors are asserts that crash. `OperatingError` is
// the one class that carries the former through code that must throw (a driver's line, an opening file).

/** The error types of the API, in the order of docs/mqtt-api.md. */
export const ERROR_TYPES = [
  'invalid_input',
  'unknown_command',
  'command_conflict',
  'command_expired',
  'clock_untrusted',
  'retained_command',
  'stale_revision',
  'not_permitted',
  'interrupted',
  'reply_too_large',
  'acs_system_not_found',
  'acs_user_not_found',
  'acs_credential_not_found',
  'acs_entrance_not_found',
  'acs_access_group_not_found',
  'acs_encoder_not_found',
  'acs_biometric_not_found',
  'access_grant_not_found',
  'access_method_not_found',
  'space_not_found',
  'area_not_found',
  'controller_not_found',
  'schedule_not_found',
  'holiday_not_found',
  'event_not_found',
  'snapshot_not_found',
  'acs_credential_exists',
  'acs_credential_deleted',
  'acs_user_exists',
  'acs_access_group_exists',
  'access_grant_exists',
  'space_exists',
  'schedule_exists',
  'schedule_in_use',
  'holiday_exists',
  'duplicate_access_code',
  'duplicate_card_number',
  'code_constraints_violated',
  'no_space_for_access_code_on_device',
  'not_supported',
  'controller_offline',
  'no_credential_on_encoder',
  'timed_out',
  'device_error',
  'storage_full',
  'storage_damaged',
  'internal',
] as const;

export type ErrorType = (typeof ERROR_TYPES)[number];

export type ApiError = {
  type: ErrorType;
  /** For people: what is wrong, where, and what would be right. Never holds a secret. */
  message: string;
  path?: readonly (string | number)[];
};

/** An error that the world caused, on its way to where it becomes a value. */
export class OperatingError extends Error {
  readonly type: ErrorType;
  readonly path: readonly (string | number)[] | undefined;

  constructor(type: ErrorType, message: string, path?: readonly (string | number)[]) {
    super(message);
    this.name = 'OperatingError';
    this.type = type;
    this.path = path;
  }

  toApiError(): ApiError {
    return this.path === undefined
      ? { type: this.type, message: this.message }
      : { type: this.type, message: this.message, path: this.path };
  }
}

/** About one parameter of a command: its message begins with the place that its path names. */
export const paramError = (type: ErrorType, param: string, message: string): ApiError => ({
  type,
  message: `params.${param}: ${message}`,
  path: ['params', param],
});

/** The same, to be thrown. */
export const refused = (type: ErrorType, param: string, message: string): OperatingError =>
  new OperatingError(type, `params.${param}: ${message}`, ['params', param]);

/** Throws what was found to be wrong; null: nothing was. */
export function refuse(error: ApiError | null): void {
  if (error !== null) throw new OperatingError(error.type, error.message, error.path);
}

/** A broken assumption of our own: the process ends, systemd starts it again, the journal resumes. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
