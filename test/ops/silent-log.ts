// A log that keeps what it is told, for tests that look at it and for those that do not.

import type { Log, LogFields } from '../../src/domain/ports.ts';

export type KeptLog = Log & { lines: { level: string; message: string; fields: LogFields }[] };

export function keptLog(): KeptLog {
  const lines: KeptLog['lines'] = [];
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields });
  const log: KeptLog = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return log;
}
