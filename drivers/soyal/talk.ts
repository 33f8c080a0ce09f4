// How the parts of a controller speak to the wire: one request, its priority, and an outcome that is a value.

import type { OperatingError } from '../../src/domain/errors.ts';
import { requestError, type Fate } from '../kit/fates.ts';
import type { Request } from './codec.ts';
import type { ExchangeResult, Priority } from './line-terms.ts';

export type TalkOptions = {
  priority: Priority;
  /** Only for what may be done twice; default 0. */
  retries?: number;
  /** Storing to EEPROM takes longer than answering. */
  stores?: boolean;
  /** For strikes: see `Exchange`. */
  notAfterMs?: number;
  onSent?: () => void;
};

/** Never rejects. */
export type Talk = (request: Request, options: TalkOptions) => Promise<ExchangeResult>;

type Failed = Exclude<ExchangeResult, { outcome: 'answered' }>;

export function fateOf(result: Failed): Fate {
  if (result.outcome === 'refused') return 'refused';
  return result.outcome === 'unknown' ? 'unanswered' : result.why;
}

/** What a call that can only reject says of an exchange that failed. */
export const failure = (what: string, result: Failed): OperatingError =>
  requestError(fateOf(result), `${what}: ${result.message}`);
