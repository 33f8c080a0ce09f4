// Every kind of credential that this version has.

import { OperatingError } from '../../domain/errors.ts';
import { CARD } from './card.ts';
import { CODE } from './code.ts';
import type { CreateParams, Factor } from './factor.ts';

/** The kind that a command asks for. */
export function wantedFactor({ access_method: method }: CreateParams): Factor {
  if (method === 'mobile_key')
    throw new OperatingError('not_supported', 'mobile_key is not built in this version; code and card are', [
      'params',
      'access_method',
    ]);
  return factorOf({ access_method: method });
}

/** The kind of a stored credential. */
export const factorOf = ({ access_method: method }: { access_method: 'card' | 'code' }): Factor =>
  method === 'card' ? CARD : CODE;
