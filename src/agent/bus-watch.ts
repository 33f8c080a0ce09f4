// How the lines of the building are, apart from the devices on them: told as events when one is disturbed and when it
// is well again, and shown in the status.

import type { EventSource } from '../domain/event-budget.ts';
import { newEvent, type NewEvent } from '../domain/events.ts';
import type { Driver, DriverEvent } from '../domain/ports.ts';
import type { StateSource } from '../mqtt/state.ts';

/** What is recorded of it, and whose budget of events that counts against. */
export function busNews(
  { bus, problem }: DriverEvent & { type: 'bus_disturbed' },
  acsSystemId: string,
): [EventSource, NewEvent[]] {
  const base = { acs_system_id: acsSystemId, bus };
  const event =
    problem === null ? newEvent('bus.recovered', base) : newEvent('bus.disturbed', { ...base, message: problem });
  return [{ acs_system_id: acsSystemId, acs_entrance_id: null, device: bus }, [event]];
}

/** Buses whose driver judges them; the others show in their devices alone. */
export const busObjects = (drivers: readonly Driver[]): Record<string, unknown>[] =>
  drivers.flatMap((driver) => {
    const object = busObject(driver);
    return object === null ? [] : [object];
  });

export const busStates = (drivers: readonly Driver[], topicOf: (bus: string) => string): StateSource[] =>
  drivers
    .filter((driver) => driver.health !== undefined)
    .map((driver) => ({ topic: topicOf(driver.bus), read: () => busObject(driver), restless: ['counters'] }));

function busObject(driver: Driver): Record<string, unknown> | null {
  const health = driver.health?.();
  if (health === undefined) return null;
  const { state, problem, counters } = health;
  return {
    bus: driver.bus,
    state,
    problem,
    counters: {
      exchanges: counters.exchanges,
      lost: counters.lost,
      unsent: counters.unsent,
      strange_frames: counters.strangeFrames,
      late_frames: counters.lateFrames,
    },
  };
}
