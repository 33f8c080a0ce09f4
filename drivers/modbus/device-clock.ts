// The clock of a device, read and set by its registers.

import type { Priority } from './bus-terms.ts';
import { clockLength, clockRegisters, fromClockRegisters } from './clock-registers.ts';
import type { Profile } from './profile-schema.ts';
import { valueOf, type Talk } from './talk.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import type { DeviceClock } from '../../src/domain/ports.ts';

/** `refusal`: why it cannot be asked just now, or null. */
export function deviceClock(
  spec: NonNullable<Profile['clock']>,
  zone: string,
  talk: Talk,
  refusal: () => string | null,
): DeviceClock {
  const refuse = (): void => {
    const why = refusal();
    if (why !== null) throw new OperatingError('controller_offline', why);
  };
  return {
    read: async () => {
      refuse();
      const registers = valueOf(await talk.readRegisters('holding', spec.at, clockLength(spec), 'read'));
      const atMs = fromClockRegisters(spec, registers, zone);
      if (atMs === null) throw new OperatingError('internal', 'the device’s clock shows no date');
      return atMs;
    },
    set: async (atMs) => {
      refuse();
      const priority: Priority = 'write';
      valueOf(await talk.writeRegisters(spec.at, clockRegisters(spec, atMs, zone), { priority }));
      if (spec.set !== undefined) valueOf(await talk.writeRegisters(spec.set.at, [spec.set.value], { priority }));
    },
  };
}
