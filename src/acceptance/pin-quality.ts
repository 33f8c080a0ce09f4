// PINs that people try first, where the facility wants none of them (`policy.pin_quality`).

import { paramError, type ApiError } from '../domain/errors.ts';
import type { Policy } from '../domain/facility.ts';
import { trivialityOf } from '../domain/pin.ts';

/** Why a chosen PIN is refused; null: it is not. `code` null: none was chosen. */
export function refusalOfTrivial(policy: Pick<Policy, 'pinQuality'>, code: string | null): ApiError | null {
  const triviality = code === null || policy.pinQuality !== 'refuse' ? null : trivialityOf(code);
  if (triviality === null) return null;
  return paramError(
    'code_constraints_violated',
    'code',
    `${triviality.says} (${triviality.name}), and policy.pin_quality refuses what people try first. Remedy: choose another, or leave code out: one is generated`,
  );
}
