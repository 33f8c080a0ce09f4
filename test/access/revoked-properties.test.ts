// Two rules that hold whatever commands come in whatever order. What was taken away, has ended, is used up or nobody
// ever had opens nothing; and whoever is given a further way in loses none.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';

const DOORS = [
  { name: 'front', readers: ['front-in'] },
  { name: 'back', readers: ['back-in'] },
];
const MINUTE_MS = 60_000;
const id = (kind: number, n: number): string =>
  `${String(kind).repeat(8)}-0000-4000-8000-${String(n).padStart(12, '0')}`;
const userId = (n: number): string => id(3, n);
const credentialId = (n: number): string => id(6, n);
const cardOf = (n: number): string => `H10301:1:${n}`;
const codeOf = (n: number): string => `48${n}7${n}5`;
const ALL_DOORS = DOORS.map(({ name }) => entranceId(name));

/** Even ones are cards, odd ones codes; each person has two. */
const HOLDINGS = [0, 1, 2, 3];
const ownerOf = (holding: number): number => Math.floor(holding / 2);
const isCard = (holding: number): boolean => holding % 2 === 0;

/** Why it must not open; nothing here says that it must. */
type Taken = { isDeleted: boolean; owner: number | null; endsAtMs: number; isUsed: boolean; isOneTime: boolean };

const holding = fc.constantFrom(...HOLDINGS);
const person = fc.constantFrom(0, 1);
const step = fc.oneof(
  fc.record({ do: fc.constant('create' as const), holding, isOneTime: fc.boolean(), minutes: fc.constantFrom(null, 1, 10) }),
  fc.record({ do: fc.constant('delete' as const), holding }),
  fc.record({ do: fc.constant('unassign' as const), holding }),
  fc.record({ do: fc.constant('assign' as const), holding, person }),
  fc.record({ do: fc.constant('end' as const), holding, minutes: fc.constantFrom(-1, 1, null) }),
  fc.record({ do: fc.constant('suspend' as const), person, is: fc.boolean() }),
  fc.record({ do: fc.constant('lockdown' as const), is: fc.boolean() }),
  fc.record({ do: fc.constant('wait' as const), minutes: fc.constantFrom(1, 5) }),
  fc.record({ do: fc.constant('restart' as const), how: fc.constantFrom('orderly' as const, 'killed' as const) }),
); // prettier-ignore

const show = (here: Keypads, reader: string, n: number): boolean =>
  (isCard(n) ? here.card(reader, cardOf(n)) : here.type(reader, codeOf(n))) === 'granted';

it('nothing that was taken away, has ended, is used up, or is unknown opens a door', { timeout: 120_000 }, async () => {
  let opened = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 20 }), async (steps) => {
      const here = await keypads(DOORS, { lockout: { attempts: 1000, windowMs: 1000, firstMs: 1000, maxMs: 1000, perDay: 100_000, perDayCard: 100_000, perDayFacility: 100_000 } }); // prettier-ignore
      let commands = 0;
      // An id that was deleted is never used again: each creation has its own.
      let ids = HOLDINGS.map((n) => credentialId(n));
      const call = async (name: string, params: object): Promise<boolean> => {
        const envelope = { command_id: `r-${++commands}`, expires_at: new Date(here.clock().nowMs() + MINUTE_MS).toISOString() }; // prettier-ignore
        return (await here.caller().call(name, params, envelope)).ok;
      };
      for (const n of [0, 1]) await call('users/create', { acs_user_id: userId(n), full_name: `Person ${n}` });
      const taken: Taken[] = HOLDINGS.map(() => ({ isDeleted: true, owner: null, endsAtMs: Infinity, isUsed: false, isOneTime: false })); // prettier-ignore
      const isSuspended = [false, false];
      let isLocked = false;
      const within = (minutes: number | null) => {
        const endsAtMs = minutes === null ? Infinity : here.clock().nowMs() + minutes * MINUTE_MS;
        return { endsAtMs, ends_at: minutes === null ? null : new Date(endsAtMs).toISOString() };
      };
      for (const one of steps) {
        const mine = 'holding' in one ? taken[one.holding] : undefined;
        const which = { acs_credential_id: 'holding' in one ? ids[one.holding] : '' };
        if (one.do === 'create') {
          const n = one.holding;
          const { endsAtMs, ends_at } = within(one.minutes);
          const secret = isCard(n) ? { access_method: 'card', card_number: cardOf(n) } : { access_method: 'code', code: codeOf(n) }; // prettier-ignore
          const acs_credential_id = mine?.isDeleted === true ? credentialId(100 + commands) : which.acs_credential_id;
          const isMade = await call('credentials/create', { acs_credential_id, acs_user_id: userId(ownerOf(n)), ...secret, ends_at, is_one_time_use: one.isOneTime, allowed_acs_entrance_ids: ALL_DOORS }); // prettier-ignore
          if (isMade && mine?.isDeleted === true) {
            ids = ids.with(n, acs_credential_id ?? '');
            taken[n] = { isDeleted: false, owner: ownerOf(n), endsAtMs, isUsed: false, isOneTime: one.isOneTime };
          }
        } else if (one.do === 'delete') {
          if ((await call('credentials/delete', which)) && mine !== undefined) mine.isDeleted = true;
        } else if (one.do === 'unassign') {
          if ((await call('credentials/unassign', which)) && mine !== undefined) mine.owner = null;
        } else if (one.do === 'assign') {
          if ((await call('credentials/assign', { ...which, acs_user_id: userId(one.person) })) && mine !== undefined) mine.owner = one.person; // prettier-ignore
        } else if (one.do === 'end') {
          const { endsAtMs, ends_at } = within(one.minutes);
          if ((await call('credentials/update', { ...which, ends_at })) && mine !== undefined) mine.endsAtMs = endsAtMs;
        } else if (one.do === 'suspend') {
          if (await call(one.is ? 'users/suspend' : 'users/unsuspend', { acs_user_id: userId(one.person) })) isSuspended[one.person] = one.is; // prettier-ignore
        } else if (one.do === 'lockdown') {
          if (await call(one.is ? 'facility/lockdown' : 'facility/all_clear', {})) isLocked = one.is;
        } else if (one.do === 'wait') await here.clock().advance(one.minutes * MINUTE_MS);
        else here.restart(one.how);
        for (const n of HOLDINGS)
          for (const { readers } of DOORS) {
            const [reader = ''] = readers;
            await here.clock().advance(200);
            const one = taken[n];
            const isOpen = show(here, reader, n);
            if (!isOpen || one === undefined) continue;
            opened += 1;
            const owner = one.owner === null ? true : isSuspended[one.owner];
            const wrong = { isDeleted: one.isDeleted, isSuspended: owner, isOver: here.clock().nowMs() >= one.endsAtMs, isUsed: one.isUsed, isLocked }; // prettier-ignore
            expect(wrong).toEqual({ isDeleted: false, isSuspended: false, isOver: false, isUsed: false, isLocked: false }); // prettier-ignore
            one.isUsed = one.isOneTime;
          }
        const pulses = here.pulses();
        await here.clock().advance(200);
        here.card('front-in', 'H10301:250:9');
        here.type('front-in', '913370');
        expect(here.pulses()).toBe(pulses);
      }
      here.store().close();
    }),
    { numRuns: 12, seed: 20_261_130 },
  );
  expect(opened).toBeGreaterThan(20);
});

// ---- a further way in -----------------------------------------------------------------------------------------------

const WEEKS = ['mon-fri 08:00-17:00', 'sat-sun 10:00-12:00', 'mon-sun 00:00-24:00'];
const INSTANTS = ['2026-03-02T09:30:00Z', '2026-03-02T20:00:00Z', '2026-03-07T09:30:00Z', '2026-05-01T09:30:00Z'];
const BOUNDS = ['2026-03-02T09:15:00Z', '2026-03-02T10:00:00Z', '2026-04-01T00:00:00Z'];
const window = fc
  .tuple(fc.constantFrom(null, ...BOUNDS), fc.constantFrom(null, ...BOUNDS))
  .filter(([from, until]) => from === null || until === null || from < until)
  .map(([starts_at, ends_at]) => ({ starts_at, ends_at }));
const hours = fc.constantFrom(null, 0, 1, 2);
const way = fc.oneof(
  fc.record({ by: fc.constant('grant' as const), door: person, window, hours }),
  fc.record({ by: fc.constant('group' as const), doors: fc.subarray([0, 1]), window, hours }),
  fc.record({ by: fc.constant('stay' as const), doors: fc.subarray([0, 1], { minLength: 1 }), window, hours }),
);

it('whoever is given a further way in can open at every instant what could be opened before', { timeout: 120_000 }, async () => {
  let gained = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(way, { minLength: 2, maxLength: 5 }), async (ways) => {
      const here = await keypads(DOORS);
      let commands = 0;
      const call = async (name: string, params: object) => await here.caller().call(name, params, { command_id: `w-${++commands}` }); // prettier-ignore
      const must = async (name: string, params: object): Promise<void> => expect((await call(name, params)).error).toBeUndefined(); // prettier-ignore
      await must('users/create', { acs_user_id: userId(0), full_name: 'Jane' });
      await must('credentials/create', { acs_credential_id: credentialId(0), acs_user_id: userId(0), access_method: 'card', card_number: cardOf(0) }); // prettier-ignore
      for (const [n, week] of WEEKS.entries()) await must('schedules/create', { schedule_id: id(4, n), name: week, week });
      const open = async (): Promise<Set<string>> => {
        const found = new Set<string>();
        for (const { name } of DOORS)
          for (const at of INSTANTS) {
            const { result } = await call('entrances/explain', { acs_entrance_id: entranceId(name), acs_credential_id: credentialId(0), at }); // prettier-ignore
            if (result?.['outcome'] === 'granted') found.add(`${name} ${at}`);
          }
        return found;
      };
      let before = await open();
      const taken = new Set<number>();
      for (const [n, one] of ways.entries()) {
        const schedule = one.hours === null ? {} : { schedule_id: id(4, one.hours) };
        const user = { acs_user_id: userId(0) };
        if (one.by === 'grant') {
          // Said again, it is the same way with other terms.
          if (taken.has(one.door)) continue;
          taken.add(one.door);
          await must('entrances/grant_access', { ...user, acs_entrance_id: ALL_DOORS[one.door], ...one.window, ...schedule }); // prettier-ignore
        } else if (one.by === 'group') {
          const group = { acs_access_group_id: id(7, n) };
          await must('access_groups/create', { ...group, name: `Group ${n}`, acs_entrance_ids: one.doors.map((door) => ALL_DOORS[door]), ...schedule }); // prettier-ignore
          await must('access_groups/add_user', { ...user, ...group, ...one.window });
        } else {
          const starts = one.window.starts_at === null ? {} : { starts_at: one.window.starts_at };
          await must('access_grants/create', { ...user, acs_entrance_ids: one.doors.map((door) => ALL_DOORS[door]), ...starts, ends_at: one.window.ends_at, ...schedule }); // prettier-ignore
        }
        const after = await open();
        expect([...before].filter((each) => !after.has(each))).toEqual([]);
        gained += after.size - before.size;
        before = after;
      }
      here.store().close();
    }),
    { numRuns: 15, seed: 20_261_130 },
  );
  expect(gained).toBeGreaterThan(20);
}); // prettier-ignore
