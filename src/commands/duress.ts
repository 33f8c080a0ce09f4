// A code that is typed under threat must not be typed by mistake: nobody's duress code is a slip of the finger away from
// another code of the same person.

import { paramError, refused, type ApiError } from '../domain/errors.ts';
import { isSlip } from '../domain/slip.ts';
import type { CredentialRow } from '../store/credentials.ts';
import type { CreateParams } from './factors/factor.ts';
import { CODE } from './factors/code.ts';
import type { Room } from './room.ts';

export function duressOf({ is_duress: isDuress, access_method: method }: CreateParams): 0 | 1 {
  if (isDuress === true && method !== 'code')
    throw refused('invalid_input', 'is_duress', 'only for access_method code: it is typed');
  return isDuress === true ? 1 : 0;
}

/** `code` null: none was chosen. */
export function refusalOfClose(
  room: Room,
  {
    user_key: userKey,
    acs_credential_id: id,
    is_duress: isDuress,
  }: Pick<CredentialRow, 'user_key' | 'acs_credential_id' | 'is_duress'>,
  code: string | null,
): ApiError | null {
  if (code === null || userKey === null || room.isAccepted === true) return null;
  // A person may have thousands of usual codes, and has few for a threat.
  const others = isDuress === 1 ? room.store.credentials.ofUser(userKey) : room.store.credentials.duressOf(userKey);
  const close = others.find((other) => {
    const isBeside = other.access_method === 'code' && other.acs_credential_id !== id && other.is_duress !== isDuress;
    return isBeside && isSlip(CODE.open(room, other) ?? '', code);
  });
  if (close === undefined) return null;
  const which = isDuress === 1 ? 'the usual code' : 'the duress code';
  return paramError(
    'code_constraints_violated',
    'code',
    `it is one mistyped digit away from ${which} of the same person (credential ${close.acs_credential_id}), and an alarm would be raised by mistake. Remedy: one that differs in two digits at least`,
  );
}
