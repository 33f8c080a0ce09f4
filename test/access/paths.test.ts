// Paths unite and what lies within one intersects, whatever kinds there come to be: here they are made up.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { scheduleText, type DayRange } from '../../src/domain/schedule.ts';
import type { StoredPath } from '../../src/store/stored-path.ts';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { USER } from '../support/room.ts';

const READER = 'front-in';
const CARD = 'H10301:123:1';
const HOUR_MS = 3_600_000;

/** Everything of a path is known of this instant: whether its window and its schedule hold. */
type Made = { window: 'none' | 'open' | 'to come' | 'over'; schedule: 'none' | 'always' | 'never'; isSound: boolean };

const made: fc.Arbitrary<Made> = fc.record({
  window: fc.constantFrom('none', 'open', 'to come', 'over'),
  schedule: fc.constantFrom('none', 'always', 'never'),
  isSound: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
});

const isOpen = ({ window, schedule, isSound }: Made): boolean =>
  isSound && (window === 'none' || window === 'open') && schedule !== 'never';

const WINDOWS = {
  none: [null, null],
  open: [-HOUR_MS, HOUR_MS],
  'to come': [HOUR_MS, null],
  over: [null, -HOUR_MS],
} as const;
const ALL_DAY: DayRange[] = [{ fromMinute: 0, untilMinute: 24 * 60 }];
const contentOf = (day: DayRange[]): string =>
  scheduleText({ week: Array.from({ length: 7 }, () => day), holidays: null });

function pathOf({ window, schedule, isSound }: Made, nowMs: number): StoredPath {
  const [starts, ends] = WINDOWS[window];
  const content = schedule === 'none' ? null : contentOf(schedule === 'always' ? ALL_DAY : []);
  return {
    kind: 'own_list',
    id: null,
    name: null,
    window: {
      startsAtMs: starts === null ? null : nowMs + starts,
      endsAtMs: ends === null ? null : nowMs + ends,
    },
    schedule: content === null ? null : { scheduleKey: 1, scheduleId: schedule, name: schedule, content },
    links: isSound ? [] : [{ table: 'users', id: USER, values: [], seal: null }],
  };
}

async function withCard(): Promise<Keypads> {
  const here = await keypads([{ name: 'front', readers: [READER] }]);
  const ends = new Date(here.clock().nowMs() + 10 * HOUR_MS).toISOString();
  await here.caller().call('credentials/create', {
    acs_user_id: USER,
    access_method: 'card',
    card_number: CARD,
    ends_at: ends,
    allowed_acs_entrance_ids: [entranceId('front')],
  });
  return here;
}

it('a door opens by any one path that is open, whole and in time, and a path more closes none', async () => {
  const here = await withCard();
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(made, { maxLength: 4 }), made, async (some, oneMore) => {
      const opens = (paths: readonly Made[]): boolean => {
        here.store().reach.at = () => paths.map((path) => pathOf(path, here.clock().nowMs()));
        return here.card(READER, CARD) === 'granted';
      };
      await here.clock().advance(1_000);
      const before = opens(some);
      expect(before).toBe(some.some(isOpen));
      const after = opens([...some, oneMore]);
      expect(after).toBe(before || isOpen(oneMore));
      outcomes.add(`${before} ${after}`);
    }),
    { numRuns: 100, seed: 20_261_130 },
  );
  expect([...outcomes].sort()).toEqual(['false false', 'false true', 'true true']);
});

it('no path opens outside of what holds for the credential itself', async () => {
  const here = await withCard();
  const always = { window: 'none', schedule: 'none', isSound: true } as const;
  here.store().reach.at = () => [always, { ...always, schedule: 'always' as const }].map((one) => pathOf(one, 0));
  expect(here.card(READER, CARD)).toBe('granted');
  await here.clock().advance(10 * HOUR_MS);
  expect(here.card(READER, CARD)).toBe('denied');
  expect(here.details.at(-1)).toBe('expired');
});

it('of several paths the reason is that of the one that came nearest', async () => {
  const here = await withCard();
  const base = { window: 'none', schedule: 'none', isSound: true } as const;
  const nearest = (...paths: Made[]): string | undefined => {
    here.store().reach.at = () => paths.map((path) => pathOf(path, here.clock().nowMs()));
    here.card(READER, CARD);
    return here.details.at(-1);
  };
  const late = { ...base, window: 'over' } as const;
  const early = { ...base, window: 'to come' } as const;
  const closed = { ...base, schedule: 'never' } as const;
  expect(nearest(late, early)).toBe('not_yet_valid');
  expect(nearest(early, late)).toBe('not_yet_valid');
  expect(nearest(late, closed, early)).toBe('outside_schedule');
  expect(nearest({ ...closed, isSound: false }, closed)).toBe('record_tampered');
  expect(nearest()).toBe('entrance_not_allowed');
});
