// Whatever commands come in whatever order: a door opens to whom a plain model says it does, and the explanation says
// the same. The model knows sets and flags, and nothing of rows.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { entranceId, keypads } from '../support/keypads.ts';
import { verify } from '../../src/store/verification.ts';

const DOORS = ['front', 'back'] as const;
const HOUR_MS = 3_600_000;
const userId = (n: number): string => `33333333-3333-3333-3333-00000000000${n}`;
const credentialId = (n: number): string => `66666666-6666-6666-6666-00000000000${n}`;
const groupId = (n: number): string => `44444444-4444-4444-4444-00000000000${n}`;
const grantId = (n: number): string => `bbbbbbbb-bbbb-bbbb-bbbb-${String(n).padStart(12, '0')}`;
const cardOf = (n: number): string => `H10301:1:${n}`;

type When = 'always' | 'over' | 'ahead' | 'now';
type Person = {
  exists: boolean;
  isSuspended: boolean;
  card: { list: readonly number[] | null; when: When } | null;
  granted: Map<number, When>;
};
type Group = { doors: Set<number>; members: Map<number, When> } | null;
type Grant = { person: number; doors: readonly number[]; when: When };

const person = fc.integer({ min: 0, max: 1 });
const door = fc.integer({ min: 0, max: 1 });
const group = fc.integer({ min: 0, max: 1 });
const when = fc.constantFrom<When>('always', 'over', 'ahead', 'now');
const step = fc.oneof(
  fc.record({ kind: fc.constant('member' as const), person, group, when }),
  fc.record({ kind: fc.constant('leave' as const), person, group }),
  fc.record({ kind: fc.constant('doors' as const), group, doors: fc.subarray([0, 1]) }),
  fc.record({ kind: fc.constant('dissolve' as const), group }),
  fc.record({ kind: fc.constant('grant' as const), person, door, when }),
  fc.record({ kind: fc.constant('revoke' as const), person, door }),
  fc.record({ kind: fc.constant('revokeAll' as const), person }),
  fc.record({ kind: fc.constant('list' as const), person, list: fc.option(fc.subarray([0, 1])), when }),
  fc.record({ kind: fc.constant('suspend' as const), person, is: fc.boolean() }),
  fc.record({ kind: fc.constant('stay' as const), person, doors: fc.subarray([0, 1], { minLength: 1 }), when }),
  fc.record({ kind: fc.constant('leaveStay' as const), at: fc.nat(3) }),
  fc.record({ kind: fc.constant('deleteCard' as const), person }),
  fc.record({ kind: fc.constant('deletePerson' as const), person }),
  fc.record({ kind: fc.constant('restart' as const), how: fc.constantFrom('orderly' as const, 'killed' as const) }),
);

const isNow = (at: When): boolean => at === 'always' || at === 'now';

it(
  'every door opens to whom the model says it opens to, and the explanation agrees',
  { timeout: 240_000 },
  async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        const here = await keypads(DOORS.map((name) => ({ name, readers: [`${name}-in`] })));
        // A process that starts again counts anew: ids must not.
        let commands = 0;
        const id = (): { command_id: string } => ({ command_id: `p-${++commands}` });
        const call = async (name: string, params: Record<string, unknown>): Promise<boolean> =>
          (await here.caller().call(name, params, id())).ok;
        const idsOf = (doors: readonly number[]): string[] => doors.map((n) => entranceId(DOORS[n] ?? 'front'));
        const windowOf = (at: When): Record<string, unknown> => {
          const iso = (ms: number): string => new Date(here.clock().nowMs() + ms).toISOString();
          if (at === 'always') return { starts_at: null, ends_at: null };
          if (at === 'now') return { starts_at: iso(-HOUR_MS), ends_at: iso(HOUR_MS) };
          return at === 'over' ? { starts_at: null, ends_at: iso(-1000) } : { starts_at: iso(HOUR_MS), ends_at: null };
        };
        const people: Person[] = [];
        const groups: Group[] = [];
        let stays: (Grant & { n: number })[] = [];
        for (const n of [0, 1]) {
          await call('users/create', { acs_user_id: userId(n), full_name: `Person ${n}` });
          await call('credentials/create', {
            acs_credential_id: credentialId(n),
            acs_user_id: userId(n),
            access_method: 'card',
            card_number: cardOf(n),
          });
          await call('access_groups/create', {
            acs_access_group_id: groupId(n),
            name: `Group ${n}`,
            acs_entrance_ids: idsOf([n]),
          });
          people.push({ exists: true, isSuspended: false, card: { list: null, when: 'always' }, granted: new Map() });
          groups.push({ doors: new Set([n]), members: new Map() });
        }
        for (const [i, one] of steps.entries()) {
          const who = 'person' in one ? people[one.person] : undefined;
          const which = 'group' in one ? groups[one.group] : undefined;
          const user = 'person' in one ? { acs_user_id: userId(one.person) } : {};
          const of = 'group' in one ? { acs_access_group_id: groupId(one.group) } : {};
          switch (one.kind) {
            case 'member':
              if (await call('access_groups/add_user', { ...of, ...user, ...windowOf(one.when) }))
                which?.members.set(one.person, one.when);
              break;
            case 'leave':
              if (await call('users/remove_from_access_group', { ...of, ...user })) which?.members.delete(one.person);
              break;
            case 'doors':
              if ((await call('access_groups/update', { ...of, acs_entrance_ids: idsOf(one.doors) })) && which != null)
                which.doors = new Set(one.doors);
              break;
            case 'dissolve':
              await call('access_groups/delete', of);
              groups[one.group] = null;
              break;
            case 'grant':
              if (
                await call('entrances/grant_access', {
                  ...user,
                  acs_entrance_id: idsOf([one.door])[0],
                  ...windowOf(one.when),
                })
              )
                who?.granted.set(one.door, one.when);
              break;
            case 'revoke':
              if (await call('entrances/revoke_access', { ...user, acs_entrance_id: idsOf([one.door])[0] }))
                who?.granted.delete(one.door);
              break;
            case 'revokeAll':
              await call('users/revoke_access_to_all_entrances', user);
              who?.granted.clear();
              for (const each of groups) each?.members.delete(one.person);
              stays = stays.filter((stay) => stay.person !== one.person);
              if (who?.card?.list != null) who.card.list = [];
              break;
            case 'list': {
              const params = {
                acs_credential_id: credentialId(one.person),
                allowed_acs_entrance_ids: one.list === null ? null : idsOf(one.list),
              };
              if ((await call('credentials/update', { ...params, ...windowOf(one.when) })) && who?.card != null)
                who.card = { list: one.list, when: one.when };
              break;
            }
            case 'suspend':
              if ((await call(one.is ? 'users/suspend' : 'users/unsuspend', user)) && who !== undefined)
                who.isSuspended = one.is;
              break;
            case 'stay':
              if (
                await call('access_grants/create', {
                  access_grant_id: grantId(i),
                  ...user,
                  acs_entrance_ids: idsOf(one.doors),
                  ...(one.when === 'always' ? {} : windowOf(one.when === 'over' ? 'now' : one.when)),
                })
              )
                stays.push({
                  n: i,
                  person: one.person,
                  doors: one.doors,
                  when: one.when === 'over' ? 'now' : one.when,
                });
              break;
            case 'leaveStay': {
              const stay = stays[one.at];
              if (stay !== undefined) await call('access_grants/delete', { access_grant_id: grantId(stay.n) });
              stays = stays.filter((each) => each !== stay);
              break;
            }
            case 'deleteCard':
              await call('credentials/delete', { acs_credential_id: credentialId(one.person) });
              if (who !== undefined) who.card = null;
              break;
            case 'deletePerson':
              await call('users/delete', user);
              if (who !== undefined) Object.assign(who, { exists: false, card: null });
              for (const each of groups) each?.members.delete(one.person);
              stays = stays.filter((stay) => stay.person !== one.person);
              break;
            case 'restart':
              here.restart(one.how);
              break;
          }
          for (const [n, { exists, isSuspended, card, granted }] of people.entries()) {
            for (const [d, name] of DOORS.entries()) {
              const byUser =
                groups.some((each) => each?.doors.has(d) === true && isNow(each.members.get(n) ?? 'over')) ||
                isNow(granted.get(d) ?? 'over') ||
                stays.some((stay) => stay.person === n && stay.doors.includes(d) && isNow(stay.when));
              const expected =
                exists &&
                !isSuspended &&
                card !== null &&
                isNow(card.when) &&
                (card.list === null ? byUser : card.list.includes(d));
              await here.clock().advance(200);
              const shown = here.card(`${name}-in`, cardOf(n));
              expect([i, one.kind, n, name, shown]).toEqual([i, one.kind, n, name, expected ? 'granted' : 'denied']);
              seen.add(`${one.kind} ${expected}`);
              if (card === null) continue;
              const explain = { acs_entrance_id: entranceId(name), acs_credential_id: credentialId(n) };
              const { result } = await here.caller().call('entrances/explain', explain, id());
              expect(result?.['outcome']).toBe(shown);
            }
          }
        }
        const { path, past, secrets } = here.store();
        here.store().flush();
        const found = verify({ path, key: secrets.rowKey(past.storeId) });
        expect([found.digest, found.count, found.isExchanged]).toEqual([null, 0, false]);
        here.store().close();
      }),
      { numRuns: 8, seed: 20_261_130 },
    );
    expect([...seen].filter((one) => one.endsWith('true')).length).toBeGreaterThan(5);
  },
);
