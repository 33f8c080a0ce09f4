// A house whose controller keeps weekly schedules itself, for tests of what it is told of them.

import { getSchedule } from '../../src/commands/schedules.ts';
import type { SlotCapabilities } from '../../src/domain/ports.ts';
import { House, without } from '../support/sync-house.ts';

export const A = '99999999-9999-9999-9999-00000000000a';
export const B = '99999999-9999-9999-9999-00000000000b';
export const C = '99999999-9999-9999-9999-00000000000c';
export const card = (n: number) => ({ card_number: `H10301:1:${n}` });
export const keeping = (lastZone = 4, more: Partial<SlotCapabilities> = {}): Partial<SlotCapabilities> =>
  without({ cardAndPin: true, schedules: { firstZone: 2, lastZone, holidays: 5, timeZone: 'Europe/Oslo' }, ...more });

export async function opened(slots = keeping(), more: ConstructorParameters<typeof House>[0] = {}): Promise<House> {
  const house = new House({ slots, ...more });
  house.sync.start();
  await house.settle();
  return house;
}

export const heldZones = (house: House): (number | null | undefined)[] =>
  [...house.device.held().values()].map(({ zone }) => zone);

/** What the schedule A says of its controllers. */
export function statesOf(house: House): unknown {
  const { result } = getSchedule(house.room, { schedule_id: A });
  return (result['schedule'] as { controller_states: unknown }).controller_states;
}
