// The people of the cases, as commands make them: once, long before any row, into a database of which every row has a
// copy.

import { ManualClock } from '../../support/manual-clock.ts';
import { buildRoom, Caller } from '../../support/room.ts';
import { storeOptions } from '../../support/store.ts';
import { Store } from '../../../src/store/store.ts';
import { cardOf, codeOf, duressOf, fingerOf, holdingId, idOf, phoneOf } from './names.ts';
import type { Cast, Holding } from './rows.ts';
import { siteOf } from './site.ts';

/** When the people of the cases came. */
const BEGINNING_MS = Date.parse('2026-01-05T08:00:00Z');

type Call = (command: string, params: object) => Promise<void>;

const iso = (atMs: number | undefined): string | null => (atMs === undefined ? null : new Date(atMs).toISOString());
const windowOf = ({ from, until }: { from?: number | undefined; until?: number | undefined }) => ({
  ...(from === undefined ? {} : { starts_at: iso(from) }),
  ...(until === undefined ? {} : { ends_at: iso(until) }),
});
const scheduleOf = (hours: string | undefined) => (hours === undefined ? {} : { schedule_id: idOf('hours', hours) });
const doorsOf = (doors: readonly string[]): string[] => doors.map((door) => idOf('door', door));

/** Fills the database in this folder. */
export async function makeCast(folder: string, cast: Cast): Promise<void> {
  const clock = new ManualClock(BEGINNING_MS);
  const store = new Store(storeOptions(folder, clock));
  const { site } = siteOf(store, cast);
  const caller = new Caller({ ...buildRoom(store, clock), site });
  const call = async (command: string, params: object): Promise<void> => {
    const { error } = await caller.call(command, params);
    if (error !== undefined) throw new Error(`${command} ${JSON.stringify(params)}: ${error.message}`);
  };
  for (const [name, { week, holidays }] of Object.entries(cast.hours))
    await call('schedules/create', { schedule_id: idOf('hours', name), name, week, on_holidays: holidays });
  for (const [date, name] of Object.entries(cast.holidays)) await call('holidays/create', { name, date });
  for (const [name, { doors, hours }] of Object.entries(cast.groups))
    await call('access_groups/create', { acs_access_group_id: idOf('group', name), name, acs_entrance_ids: doorsOf(doors), ...scheduleOf(hours) }); // prettier-ignore
  for (const name of Object.keys(cast.people)) await makePerson(name, cast, call);
  enrolFingers(store, cast);
  store.close();
}

/** What enrolment at a sensor comes to. */
function enrolFingers(store: Store, { people }: Cast): void {
  for (const [name, { finger, other }] of Object.entries(people))
    for (const kind of ['finger', 'other'] as const) {
      const user = store.users.byId(idOf('user', name));
      if (user === undefined || !(kind === 'finger' ? finger : other)) continue;
      const row = { acs_biometric_id: idOf(kind, name), user_key: user.user_key, biometric_type: 'unspecified', format: 'default' } as const; // prettier-ignore
      store.now(() => store.biometrics.insert({ ...row, is_duress: kind === 'other' ? 1 : 0, quality: 90, display_name: null, created_at: BEGINNING_MS }, fingerOf(name, kind))); // prettier-ignore
    }
}

async function makePerson(name: string, cast: Cast, call: Call): Promise<void> {
  const person = cast.people[name];
  if (person === undefined) throw new Error(`nobody is called ${name}`);
  const user = { acs_user_id: idOf('user', name) };
  const hasWindow = person.from !== undefined || person.until !== undefined;
  const access_schedule = hasWindow ? { starts_at: iso(person.from), ends_at: iso(person.until) } : null;
  await call('users/create', { ...user, full_name: name, access_schedule, is_extended_access: person.longer });
  for (const [group, path] of Object.entries(person.in))
    await call('access_groups/add_user', { ...user, acs_access_group_id: idOf('group', group), ...windowOf(path) });
  for (const [door, path] of Object.entries(person.may))
    await call('entrances/grant_access', { ...user, acs_entrance_id: idOf('door', door), ...windowOf(path), ...scheduleOf(path.hours) }); // prettier-ignore
  const { stay } = person;
  if (stay !== undefined)
    await call('access_grants/create', {
      ...user,
      acs_entrance_ids: doorsOf(stay.doors),
      ...windowOf(stay),
      ...(stay.reservation === undefined ? {} : { reservation_key: stay.reservation }),
    });
  const { card, code, duress, phone } = person;
  if (card !== undefined) await call('credentials/create', { ...credential(name, 'card', card), card_number: cardOf(name, cast) }); // prettier-ignore
  if (code !== undefined) await call('credentials/create', { ...credential(name, 'code', code), code: codeOf(name) });
  if (duress !== undefined) await call('credentials/create', { ...credential(name, 'duress', duress), code: duressOf(name), is_duress: true }); // prettier-ignore
  if (phone !== undefined) await makePhone(name, phone, call);
  for (const [kind, held] of Object.entries({ card, code, phone }))
    if (held?.nobody === true) await call('credentials/unassign', { acs_credential_id: holdingId(name, kind) });
}

async function makePhone(name: string, phone: Holding, call: Call): Promise<void> {
  await call('credentials/create', { ...credential(name, 'phone', phone), is_multi_phone_sync_credential: true });
  const key = phoneOf(name).toString('hex');
  await call('credentials/enroll_phone', { acs_credential_id: holdingId(name, 'phone'), public_key: key });
}

type Kind = 'card' | 'code' | 'duress' | 'phone';
const METHODS = { card: 'card', code: 'code', duress: 'code', phone: 'mobile_key' } as const;

function credential(person: string, kind: Kind, { doors, hours, once, uses, ...window }: Holding) {
  return {
    acs_credential_id: holdingId(person, kind),
    acs_user_id: idOf('user', person),
    access_method: METHODS[kind],
    ...(doors === undefined ? {} : { allowed_acs_entrance_ids: doorsOf(doors) }),
    ...(once ? { is_one_time_use: true } : {}),
    ...(uses === undefined ? {} : { max_uses: uses }),
    ...windowOf(window),
    ...scheduleOf(hours),
  };
} // prettier-ignore
