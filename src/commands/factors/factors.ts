// Every kind of credential that there is.

import type { AccessMethod } from '../../store/credentials.ts';
import { CARD } from './card.ts';
import { CODE } from './code.ts';
import type { Factor } from './factor.ts';
import { MOBILE_KEY } from './mobile-key.ts';

const FACTORS: Readonly<Record<AccessMethod, Factor>> = { code: CODE, card: CARD, mobile_key: MOBILE_KEY };

/** The kind that a command asks for, or that of a stored credential. */
export const factorOf = ({ access_method: method }: { access_method: AccessMethod }): Factor => FACTORS[method];
