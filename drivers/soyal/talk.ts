// How the parts of a controller speak to the wire: one request, its priority, and an outcome that is a value.

import { OperatingError } from '../../src/domain/errors.ts';
import type { Request } from './codec.ts';
import type { ExchangeResult, Priority } from './line.ts';

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

/** What a call that can only reject says of an exchange that failed. */
export function failure(what: string, result: Exclude<ExchangeResult, { outcome: 'answered' }>): OperatingError {
  const type =
    result.outcome === 'not_sent' && result.error === 'controller_offline'
      ? 'controller_offline'
      : result.outcome === 'refused'
        ? 'not_supported'
        : 'timed_out';
  return new OperatingError(type, `${what}: ${result.message}`);
}
