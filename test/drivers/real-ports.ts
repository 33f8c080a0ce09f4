// What tests of ports share: real ones, opened, and what is heard from them.

import type { Clock, LineSettings, Port } from '../../drivers/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { systemClock } from '../../src/ops/clock.ts';

export const open = portOpener(systemClock);

/** Waits of seconds pass in a twentieth of it, so that a test of a stall does not last as long as one. */
export const hurriedClock: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs / 20, run) };
export const at = (path: string, more: Partial<LineSettings> = {}): LineSettings => ({
  path,
  baud: 9600,
  parity: 'none',
  dataBits: 8,
  stopBits: 1,
  ...more,
});

/** Handlers that keep everything. */
export function listener() {
  const heard = { bytes: Buffer.alloc(0), lost: [] as string[] };
  return {
    heard,
    handlers: {
      data: (bytes: Buffer) => void (heard.bytes = Buffer.concat([heard.bytes, bytes])),
      lost: (reason: string) => void heard.lost.push(reason),
    },
  };
}

export async function refusal(opening: Promise<Port>): Promise<OperatingError> {
  const outcome = await opening.then(
    async (port) => {
      await port.close();
      return null;
    },
    (error: unknown) => error,
  );
  if (!(outcome instanceof OperatingError)) throw new Error(`expected an operating error, not ${String(outcome)}`);
  return outcome;
}

export const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
