// Who is let in while nobody above is heard, by class of credential and by entrance.

import { describe, expect, it } from 'vitest';
import { LOBBY, USER } from '../support/room.ts';
import { asked, ID, last, withCard, type Given, type World } from './world.ts';

const HOUR = 3_600_000;
const policy = { offline: { grace: 24 * HOUR, staff: null, one_time: HOUR } } as const;

async function shown(given: Given, params: Record<string, unknown>, forMs: number): Promise<World> {
  const here = await withCard({ policy, ...given }, params);
  here.offline.forMs = forMs;
  here.card();
  return here;
}

const SOON = { ends_at: '2030-01-01T00:00:00Z' };

describe('while nobody above is heard', () => {
  it('staff is let in as long as the facility says, visitors and one-time credentials by a time of their own', async () => {
    expect(last(await shown({}, {}, 1000 * HOUR))).toBe('lock.unlocked');
    expect(last(await shown({}, SOON, 24 * HOUR))).toBe('lock.unlocked');
    expect(last(await shown({}, SOON, 24 * HOUR + 1))).toBe('lock.access_denied offline_too_long');
    expect((await shown({}, { is_one_time_use: true }, HOUR)).events()).toContain('lock.unlocked');
    expect(last(await shown({}, { is_one_time_use: true }, HOUR + 1))).toBe('lock.access_denied offline_too_long');
  });

  it('a person with an end is a visitor, whatever the credential says', async () => {
    const here = await withCard({ policy });
    await here.caller.call('users/update', { acs_user_id: USER, access_schedule: { ends_at: SOON.ends_at } });
    here.offline.forMs = 25 * HOUR;
    here.card();
    expect(last(here)).toBe('lock.access_denied offline_too_long');
  });

  it('an entrance may say otherwise, of everybody or of some', async () => {
    const vault = { offline: { grace: HOUR, visitor: null } };
    expect(last(await shown({ entrance: vault }, {}, HOUR + 1))).toBe('lock.access_denied offline_too_long');
    expect(last(await shown({ entrance: vault }, SOON, 1000 * HOUR))).toBe('lock.unlocked');
  });

  it('an explanation names the class, and the entrance warns before it bites', async () => {
    const here = await shown({}, SOON, 23 * HOUR - 1);
    const warnings = async () => {
      const { result } = await here.caller.call('entrances/get', { acs_entrance_id: LOBBY });
      return (result?.['acs_entrance'] as { warnings: { message: string }[] }).warnings.map(({ message }) => message);
    };
    // One-time credentials are not let in any more; of visitors nothing is said yet.
    expect(await warnings()).toEqual(['Nobody above is heard: credentials for one entry are not let in.']);
    here.offline.forMs = 23 * HOUR;
    expect(await warnings()).toEqual([
      'Nobody above is heard: visitors are not let in from 2026-03-02T10:00:00.000Z on; credentials for one entry are not let in.',
    ]);
    here.offline.forMs = 25 * HOUR;
    const how = asked({ trusted: true, nowMs: here.clock.nowMs(), floorMs: null, isGraceLeft: true });
    const { reason, steps } = here.access.explain(here.entrance, { acsCredentialId: ID }, { ...how, isNow: true });
    expect(reason).toBe('offline_too_long');
    expect(steps.find(({ step }) => step === 'offline_class')?.detail).toMatch(/^a visitor: /);
    here.offline.forMs = null;
    expect(await warnings()).toEqual([]);
  });
});
