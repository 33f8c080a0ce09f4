// What a grant of a snapshot asks for, as the credential that is made for it.

import type { ParamsOf } from '../contract.ts';
import type { CreateParams } from '../factors/factor.ts';
import type { Wanted } from './wanted.ts';

type Grant = ParamsOf<'access_grants/create'>;

export function paramsOfMethod(
  grant: Grant,
  method: Grant['requested_access_methods'][number],
  wanted: Wanted,
): CreateParams {
  const { code, card_number, card_format, max_uses } = method;
  return {
    acs_credential_id: method.access_method_id,
    acs_user_id: grant.acs_user_id,
    access_method: method.mode,
    ...(code === undefined ? {} : { code }),
    ...(card_number === undefined ? {} : { card_number }),
    ...(card_format === undefined ? {} : { card_format }),
    ...(grant.starts_at === undefined ? {} : { starts_at: grant.starts_at }),
    ends_at: grant.ends_at ?? null,
    schedule_id: grant.schedule_id ?? null,
    allowed_acs_entrance_ids: [...(wanted.grants.get(grant.access_grant_id ?? '')?.entranceIds ?? [])],
    is_one_time_use: method.is_one_time_use,
    ...(max_uses === undefined ? {} : { max_uses }),
    is_multi_phone_sync_credential: method.mode === 'mobile_key',
  };
}
