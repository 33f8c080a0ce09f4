// What the controller can do beyond slots, door and events: weekly schedules, holidays, and users by card number. Each
// call is one exchange whose outcome is a value.

import type { SlotOutcome } from '../driver.ts';
import { MAX_ZONES_PER_WRITE, REQUESTS, type Request } from './codec.ts';
import type { Talk } from './talk.ts';
import type { TimeZone } from './time-zones.ts';
import type { User } from './users.ts';

/** As of a slot: an exchange without an answer proves nothing either way. */
export type MaintenanceOutcome =
  | { outcome: 'done' }
  | Omit<Extract<SlotOutcome, { outcome: 'refused' }>, 'slot'>
  | Omit<Extract<SlotOutcome, { outcome: 'unknown' }>, 'slot'>;

export type Maintenance = {
  /**
   * Writes these zones under the numbers from `first` on; stops at the first that is not acknowledged. The controller
   * gives no way to read them back.
   */
  writeTimeZones(first: number, zones: readonly TimeZone[]): Promise<MaintenanceOutcome>;
  writeHolidays(first: number, days: readonly { month: number; day: number }[]): Promise<MaintenanceOutcome>;
  /** Into a slot of the controller's choice. Newer firmware only. */
  insertUser(user: User): Promise<MaintenanceOutcome>;
  deleteUser(uid: number): Promise<MaintenanceOutcome>;
};

/** `closed` says why nothing may be written; null: it may. */
export function maintenance(talk: Talk, closed: () => string | null): Maintenance {
  const store = async (request: Request): Promise<MaintenanceOutcome> => {
    const reason = closed();
    if (reason !== null) return { outcome: 'refused', error: 'device_error', message: reason };
    const result = await talk(request, { priority: 'write', stores: true });
    if (result.outcome === 'answered') return { outcome: 'done' };
    if (result.outcome === 'refused') return { outcome: 'refused', error: 'device_error', message: result.message };
    return { outcome: 'unknown', message: result.message };
  };

  return {
    async writeTimeZones(first, zones) {
      for (let at = 0; at < zones.length; at += MAX_ZONES_PER_WRITE) {
        const part = zones.slice(at, at + MAX_ZONES_PER_WRITE);
        const outcome = await store(REQUESTS.setTimeZones(first + at, part));
        if (outcome.outcome !== 'done') return outcome;
      }
      return { outcome: 'done' };
    },
    writeHolidays: (first, days) => store(REQUESTS.setHolidays(first, days)),
    insertUser: (user) => store(REQUESTS.insertUser(user)),
    deleteUser: (uid) => store(REQUESTS.deleteUser(uid)),
  };
}
