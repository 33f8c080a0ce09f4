// Mobile keys: no secret of their own. What opens is a phone that was enrolled for one (phones.ts) and proves its key.

import { paramError, refused, type ApiError } from '../../domain/errors.ts';
import type { SiteEntrance } from '../../domain/site.ts';
import { NO_SECRET, type CreateParams, type Factor } from './factor.ts';

export const MOBILE_KEY: Factor = {
  method: 'mobile_key',
  given(_room, params) {
    refuseSecrets(params);
    if (!params.is_multi_phone_sync_credential)
      throw refused(
        'invalid_input',
        'is_multi_phone_sync_credential',
        'must be true for mobile_key: each phone is enrolled for itself, with credentials/enroll_phone',
      );
    return null;
  },
  generate: null,
  refusalOf: () => null,
  changed(_room, params) {
    refuseSecrets(params);
    return null;
  },
  columns: () => NO_SECRET,
  holds: () => true,
  open: () => null,
  held: () => ({ card: null, code: null }),
  refusalAt: (entrances) => refusalByDecider(entrances),
};

function refuseSecrets(params: Pick<CreateParams, 'code' | 'card_number'>): void {
  for (const name of ['code', 'card_number'] as const)
    if (params[name] !== undefined) throw refused('invalid_input', name, 'a mobile key has none: its phones have keys');
}

/** No controller has a place for the key of a phone. */
function refusalByDecider(entrances: readonly SiteEntrance[]): ApiError | null {
  const one = entrances.find(({ decidedBy }) => decidedBy === 'controller');
  if (one === undefined) return null;
  return paramError(
    'not_supported',
    'allowed_acs_entrance_ids',
    `${one.name} is decided by its controller, which has no place for the key of a phone; mobile keys open where the gateway decides`,
  );
}
