import { describe, expect, it, onTestFinished } from 'vitest';
import { Access } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import { TamperWatch } from '../../src/agent/tamper-watch.ts';
import type { Device } from '../../src/domain/ports.ts';
import { encodeWiegand } from '../../src/domain/card-formats.ts';
import { inWorkers } from '../../src/store/background.ts';
import { Store } from '../../src/store/store.ts';
import { ManualClock, turn } from '../support/manual-clock.ts';
import { buildRoom, buildSite, Caller, ENTRANCES, LOBBY, POLICY, silentLog, STORE_ROOM, SYSTEM, USER } from '../support/room.ts'; // prettier-ignore
import { behindItsBack, storeOptions, temporaryFolder } from '../support/store.ts';

const CARD = 'H10301:123:45678';
const OTHERS = 'H10301:123:45679';
const ID = '66666666-6666-6666-6666-666666666666';
const OTHER = '66666666-6666-6666-6666-000000000000';
const BOB = '33333333-3333-3333-3333-000000000000';
const SCHEDULE = '44444444-4444-4444-4444-444444444444';
const HOLIDAY = '44444444-4444-4444-4444-000000000000';
const PIN = '48151623';

/** Jane has a card, Bob has a card and a code; one lobby. */
class House {
  readonly folder = temporaryFolder();
  readonly clock = new ManualClock();
  pulses = 0;
  #asked = 0;
  store: Store;
  caller: Caller;
  watch: TamperWatch;
  access: Access;

  constructor() {
    [this.store, this.caller, this.access, this.watch] = this.#open();
    onTestFinished(() => {
      if (this.store.isAlive()) this.stop();
    });
  }

  #open(): [Store, Caller, Access, TamperWatch] {
    const store = new Store(storeOptions(this.folder, this.clock));
    const clock = this.clock;
    const devices: Record<string, Partial<Device>> = {
      'lobby-reader': { readers: { feedback: () => undefined } },
      'relay-board': {
        outputs: {
          pulse: (_output, _ms, _notAfter, onSent) => {
            this.pulses += 1;
            onSent?.();
            return Promise.resolve({ outcome: 'done', confirmed: true });
          },
          set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
        },
      },
    };
    const recorder = new Recorder(store, clock, silentLog);
    const access = new Access({
      site: buildSite(store, [ENTRANCES.lobby]),
      store,
      recorder,
      policy: POLICY,
      modeInputs: [],
      clock,
      log: silentLog,
      device: (name) => devices[name] as Device | undefined,
      cardFormatsOf: () => ['H10301'],
      time: () => ({ trusted: true, nowMs: clock.nowMs(), floorMs: null, isGraceLeft: true }),
      acsSystemId: SYSTEM,
      timeZone: 'Europe/Oslo',
      offlineForMs: () => null,
      onChange: () => undefined,
      wake: () => undefined,
      problem: () => undefined,
    });
    const record = (...args: Parameters<Recorder['record']>): void => void recorder.record(...args);
    const watch = new TamperWatch({
      store,
      background: inWorkers,
      clock,
      log: silentLog,
      record,
      onChange: () => undefined,
    });
    watch.start();
    return [store, new Caller(buildRoom(store, clock)), access, watch];
  }

  async call(command: string, params: Record<string, unknown>): Promise<void> {
    await this.ask(command, params);
  }

  async ask(command: string, params: Record<string, unknown>): Promise<Record<string, unknown> | undefined> {
    this.#asked += 1;
    const reply = await this.caller.call(command, params, { command_id: `asked-${this.#asked}` });
    expect(reply.error).toBeUndefined();
    return reply.result;
  }

  /** Stops it, changes the file, starts it again. */
  changed(...statements: string[]): void {
    this.stop();
    behindItsBack(this.folder, ...statements);
    this.start();
  }

  stop(): void {
    this.watch.stop();
    this.access.stop();
    this.store.close();
  }

  start(): void {
    [this.store, this.caller, this.access, this.watch] = this.#open();
  }

  /** True when the strike moved. */
  swipe(canonical: string): boolean {
    const bits = encodeWiegand(canonical);
    if (bits === null) throw new Error('the tests show Wiegand cards');
    return this.#present({ kind: 'card', reading: { kind: 'wiegand', ...bits } });
  }

  type(digits: string): boolean {
    return this.#present({ kind: 'digits', digits });
  }

  #present(presentation: Parameters<Access['presented']>[0]['presentation']): boolean {
    const before = this.pulses;
    const atMonotonicMs = this.clock.monotonicMs();
    this.access.presented({ type: 'presented', device: 'lobby-reader', reader: 0, presentation, atMonotonicMs });
    return this.pulses > before;
  }

  bodies(eventType: string): Record<string, unknown>[] {
    return this.store.events
      .after(0, 1000)
      .filter((event) => event.event_type === eventType)
      .map((event) => JSON.parse(event.body) as Record<string, unknown>);
  }
}

async function house(): Promise<House> {
  const here = new House();
  buildSite(here.store);
  await here.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  await here.call('users/create', { acs_user_id: BOB, full_name: 'Bob' });
  const card = { access_method: 'card', allowed_acs_entrance_ids: [LOBBY] };
  await here.call('credentials/create', { ...card, acs_credential_id: ID, acs_user_id: USER, card_number: CARD });
  await here.call('credentials/create', { ...card, acs_credential_id: OTHER, acs_user_id: BOB, card_number: OTHERS });
  return here;
}

type Case = [what: string, table: string, before: (here: House) => Promise<void>, statements: string[]];
const ofJane = `WHERE acs_credential_id = '${ID}'`;
const closedNow = { week: { sunday: ['03:00-04:00'] }, on_holidays: 'closed' };

const CASES: Case[] = [
  ['an end that was taken off', 'credentials', async (here) => {
    await here.call('credentials/update', { acs_credential_id: ID, ends_at: '2026-03-02T10:00:00Z' });
    await here.clock.advance(2 * 3_600_000);
  }, [`UPDATE credentials SET ends_at = NULL, invalidated_at = NULL ${ofJane}`]],
  ['a start that was moved', 'credentials', async (here) => {
    await here.call('credentials/update', { acs_credential_id: ID, starts_at: '2026-04-02T10:00:00Z' });
  }, [`UPDATE credentials SET starts_at = 0 ${ofJane}`]],
  ['the card of a revoked one, moved to another', 'credentials', async (here) => {
    await here.call('credentials/unassign', { acs_credential_id: ID });
  }, [
    `CREATE TEMP TABLE held AS SELECT card_hash FROM credentials ${ofJane}`,
    `UPDATE credentials SET card_hash = NULL ${ofJane}`,
    `UPDATE credentials SET card_hash = (SELECT card_hash FROM held) WHERE acs_credential_id = '${OTHER}'`,
  ]],
  ['one that was given to somebody', 'credentials', async (here) => {
    await here.call('credentials/unassign', { acs_credential_id: ID });
  }, [`UPDATE credentials SET user_key = (SELECT user_key FROM users WHERE acs_user_id = '${BOB}') ${ofJane}`]],
  ['the row of another with the number of this one', 'credentials', async (here) => {
    await here.call('credentials/update', { acs_credential_id: ID, ends_at: '2026-03-02T09:30:00Z' });
    await here.clock.advance(3_600_000);
  }, [`UPDATE credentials SET (ends_at, seal) = (SELECT ends_at, seal FROM credentials WHERE acs_credential_id = '${OTHER}') ${ofJane}`]],
  ['a suspension that was lifted', 'users', async (here) => {
    await here.call('users/suspend', { acs_user_id: USER });
  }, [`UPDATE users SET is_suspended = 0 WHERE acs_user_id = '${USER}'`]],
  ['a suspension that another user has instead', 'users', async (here) => {
    await here.call('users/suspend', { acs_user_id: USER });
  }, [`UPDATE users SET (is_suspended, seal) = (SELECT is_suspended, seal FROM users WHERE acs_user_id = '${BOB}') WHERE acs_user_id = '${USER}'`]],
  ['the end of a user that was taken off', 'users', async (here) => {
    await here.call('users/update', { acs_user_id: USER, access_schedule: { starts_at: '2026-01-01T00:00:00Z', ends_at: '2026-03-02T09:30:00Z' } });
    await here.clock.advance(3_600_000);
  }, [`UPDATE users SET ends_at = NULL WHERE acs_user_id = '${USER}'`]],
  ['an entrance that was added', 'credential_entrances', async (here) => {
    await here.call('credentials/update', { acs_credential_id: ID, allowed_acs_entrance_ids: [] });
  }, [`INSERT INTO credential_entrances (credential_key, entrance_key) SELECT c.credential_key, e.entrance_key FROM credentials c, entrances e ${ofJane} AND e.acs_entrance_id = '${LOBBY}'`]],
  ['an entrance of an earlier list', 'credential_entrances', async (here) => {
    here.stop();
    behindItsBack(here.folder, 'CREATE TABLE kept AS SELECT * FROM credential_entrances');
    here.start();
    await here.call('credentials/update', { acs_credential_id: ID, allowed_acs_entrance_ids: [] });
  }, [
    `INSERT INTO credential_entrances SELECT * FROM kept WHERE credential_key = (SELECT credential_key FROM credentials ${ofJane})`,
    'DROP TABLE kept',
  ]],
  ['two entrances that changed places', 'credential_entrances', async (here) => {
    await here.call('credentials/update', { acs_credential_id: ID, allowed_acs_entrance_ids: [STORE_ROOM] });
  }, [
    `UPDATE entrances SET acs_entrance_id = 'x' WHERE acs_entrance_id = '${LOBBY}'`,
    `UPDATE entrances SET acs_entrance_id = '${LOBBY}' WHERE acs_entrance_id = '${STORE_ROOM}'`,
    `UPDATE entrances SET acs_entrance_id = '${STORE_ROOM}' WHERE acs_entrance_id = 'x'`,
  ]],
  ['one use that was given back', 'credentials', async (here) => {
    await here.call('credentials/delete', { acs_credential_id: ID });
    const once = { access_method: 'card', card_number: CARD, acs_user_id: USER, is_one_time_use: true };
    await here.call('credentials/create', { ...once, acs_credential_id: SCHEDULE, allowed_acs_entrance_ids: [LOBBY] });
    expect(here.swipe(CARD)).toBe(true);
  }, ['UPDATE credentials SET used_at = NULL, invalidated_at = NULL WHERE uses_left = 1']],
  ['one use that became any number', 'credentials', async (here) => {
    await here.call('credentials/delete', { acs_credential_id: ID });
    const once = { access_method: 'card', card_number: CARD, acs_user_id: USER, is_one_time_use: true };
    await here.call('credentials/create', { ...once, acs_credential_id: SCHEDULE, allowed_acs_entrance_ids: [LOBBY] });
    expect(here.swipe(CARD)).toBe(true);
  }, ['UPDATE credentials SET uses_left = 0 WHERE uses_left = 1']],
  ['a schedule that was widened', 'schedules', async (here) => {
    await here.call('schedules/create', { schedule_id: SCHEDULE, name: 'Nights', ...closedNow });
    await here.call('credentials/update', { acs_credential_id: ID, schedule_id: SCHEDULE });
  }, [`UPDATE schedules SET content = replace(content, '03:00-04:00', '00:00-24:00')`, `UPDATE schedules SET content = 'open'`]],
  ['a schedule that was taken off', 'credentials', async (here) => {
    await here.call('schedules/create', { schedule_id: SCHEDULE, name: 'Nights', ...closedNow });
    await here.call('credentials/update', { acs_credential_id: ID, schedule_id: SCHEDULE });
  }, [`UPDATE credentials SET schedule_key = NULL ${ofJane}`]],
  ['a schedule that vanished', 'credentials', async (here) => {
    await here.call('schedules/create', { schedule_id: SCHEDULE, name: 'Nights', ...closedNow });
    await here.call('credentials/update', { acs_credential_id: ID, schedule_id: SCHEDULE });
  }, ['DELETE FROM schedules']],
  ['a holiday that vanished', 'holidays', async (here) => {
    const always = { monday: ['00:00-24:00'], tuesday: ['00:00-24:00'] };
    await here.call('schedules/create', { schedule_id: SCHEDULE, name: 'Days', week: always, on_holidays: 'closed' });
    await here.call('holidays/create', { holiday_id: HOLIDAY, name: 'Founding', date: '2026-03-02' });
    await here.call('credentials/update', { acs_credential_id: ID, schedule_id: SCHEDULE });
  }, ['DELETE FROM holiday_days']],
  ['a holiday that was added', 'holidays', async (here) => {
    const week = { sunday: ['03:00-04:00'] };
    await here.call('schedules/create', { schedule_id: SCHEDULE, name: 'Feasts', week, on_holidays: ['00:00-24:00'] });
    await here.call('holidays/create', { holiday_id: HOLIDAY, name: 'Founding', date: '2026-05-02' });
    await here.call('credentials/update', { acs_credential_id: ID, schedule_id: SCHEDULE });
  }, [`INSERT INTO holiday_days (day, holiday_key, seal) SELECT '2026-03-02', holiday_key, seal FROM holiday_days`]],
  ['a deleted one that came back, row and all', 'credentials', async (here) => {
    here.stop();
    behindItsBack(here.folder, 'CREATE TABLE kept AS SELECT * FROM credentials', 'CREATE TABLE listed AS SELECT * FROM credential_entrances');
    here.start();
    await here.call('credentials/delete', { acs_credential_id: ID });
  }, [
    `INSERT INTO credentials SELECT * FROM kept ${ofJane}`,
    `INSERT INTO credential_entrances SELECT * FROM listed WHERE credential_key = (SELECT credential_key FROM kept ${ofJane})`,
    'DROP TABLE kept', 'DROP TABLE listed',
  ]],
]; // prettier-ignore

describe('a row that was changed behind the back of Lintel', () => {
  it.each(CASES)('opens nothing, and is an alarm once: %s', async (_what, table, before, statements) => {
    const here = await house();
    expect(here.swipe(CARD)).toBe(true);
    await before(here);
    expect(here.swipe(CARD)).toBe(false);
    here.changed(...statements);
    expect(here.swipe(CARD)).toBe(false);
    expect(here.swipe(CARD)).toBe(false);
    await turn();
    const alarms = here
      .bodies('agent.storage_tampered')
      .map((body) => `${String(body['what'])} ${String(body['table'])}`);
    expect(alarms).toEqual([`row ${table}`]);
    expect(here.watch.isTampered).toBe(true);
    expect(here.watch.problem()).toMatch(/not as Lintel wrote it, and opens nothing: .*Remedy: /);
    here.access.stop();
    expect(here.bodies('lock.access_denied').at(-1)?.['reason']).toMatchObject({ detail: 'record_tampered' });
  });

  it('keeps nobody out whose row is as it was written', async () => {
    const here = await house();
    here.changed(`UPDATE credentials SET ends_at = 1 ${ofJane}`);
    expect(here.swipe(OTHERS)).toBe(true);
  });

  it('does not become true by a change of something else in it', async () => {
    const here = await house();
    await here.call('credentials/update', { acs_credential_id: ID, ends_at: '2026-03-02T09:30:00Z' });
    await here.clock.advance(3_600_000);
    here.changed(`UPDATE credentials SET ends_at = NULL, invalidated_at = NULL ${ofJane}`);
    await here.call('credentials/update', { acs_credential_id: ID, starts_at: '2026-01-02T09:30:00Z' });
    expect(here.swipe(CARD)).toBe(false);
    here.changed('SELECT 1');
    expect(here.swipe(CARD)).toBe(false);
  });

  it('is a code at a door where it was never given', async () => {
    const here = await house();
    const code = { access_method: 'code', acs_user_id: BOB, allowed_acs_entrance_ids: [STORE_ROOM], code: PIN };
    await here.call('credentials/create', { ...code, code: '4815', acs_credential_id: SCHEDULE });
    here.changed(
      `UPDATE credential_entrances SET entrance_key = (SELECT entrance_key FROM entrances WHERE acs_entrance_id = '${LOBBY}')
         WHERE credential_key = (SELECT credential_key FROM credentials WHERE acs_credential_id = '${SCHEDULE}')`,
    );
    expect(here.type('4815')).toBe(false);
  });

  it('is shown where it is listed, with the remedy', async () => {
    const here = await house();
    here.changed(
      `UPDATE credentials SET ends_at = 99 ${ofJane}`,
      `UPDATE users SET is_suspended = 1 WHERE acs_user_id = '${BOB}'`,
    );
    const listed = (await here.ask('credentials/list', { limit: 10 }))?.['acs_credentials'];
    expect(listed).toMatchObject([
      { acs_credential_id: ID, errors: [{ error_code: 'storage_tampered' }] },
      { acs_credential_id: OTHER, errors: [{ error_code: 'storage_tampered' }] },
    ]);
    const users = (await here.ask('users/list', { limit: 10 }))?.['acs_users'];
    expect(users).toMatchObject([{ errors: [] }, { errors: [{ error_code: 'storage_tampered' }] }]);
  });

  it('of another facility under the same master key is one too', async () => {
    const here = await house();
    await here.call('users/suspend', { acs_user_id: USER });
    const there = await house();
    there.stop();
    here.changed(
      `ATTACH '${there.folder}/lintel.db' AS there`,
      `UPDATE users SET (is_suspended, seal) = (SELECT is_suspended, seal FROM there.users WHERE acs_user_id = '${USER}') WHERE acs_user_id = '${USER}'`,
    );
    there.start();
    expect(here.swipe(CARD)).toBe(false);
  });
});

describe('the check of all rows', () => {
  it('finds nothing in a building that only Lintel wrote', async () => {
    const here = await house();
    await here.call('users/suspend', { acs_user_id: USER });
    await here.call('credentials/delete', { acs_credential_id: ID });
    await here.watch.verify();
    await turn();
    expect(here.bodies('agent.storage_tampered')).toEqual([]);
    expect(here.watch.problem()).toBeNull();
  });

  it('finds a row that nobody used, one that vanished, and a digest that is not that of the rows', async () => {
    const here = await house();
    const digest = here.store.digest.read().digest;
    await here.call('users/create', { acs_user_id: SCHEDULE, full_name: 'Eve' });
    await here.call('credentials/delete', { acs_credential_id: OTHER });
    here.changed(
      'DELETE FROM tombstones',
      `DELETE FROM users WHERE acs_user_id = '${SCHEDULE}'`,
      `UPDATE credentials SET ends_at = 99 ${ofJane}`,
      `UPDATE meta SET value = '${digest}' WHERE key = 'digest_sum'`,
    );
    await here.watch.verify();
    await turn();
    const told = here.bodies('agent.storage_tampered').map((body) => [body['what'], body['table'], body['id']]);
    expect(told).toContainEqual(['row', 'credentials', ID]);
    expect(told).toContainEqual(['rows_exchanged', null, null]);
    expect(told).toContainEqual(['digest', null, null]);
    expect(here.store.digest.read()).toMatchObject({ users: 2, credentials: 1 });
    expect(here.store.digest.read().digest).not.toBe(digest);
    await here.watch.verify();
    await turn();
    expect(here.bodies('agent.storage_tampered')).toHaveLength(3);
  });

  it('tells of events that are gone, each time they go and once, and gives no number twice', async () => {
    const here = await house();
    for (let i = 0; i < 20; i++)
      here.store.now(() => here.store.events.add({ event_type: 'agent.started', body: {} }, 1));
    const last = here.store.events.lastSequence();
    here.changed(`DELETE FROM events WHERE sequence IN (4, 5, 9) OR sequence > ${last - 3}`);
    await here.watch.verify();
    await here.watch.verify();
    const told = here
      .bodies('agent.events_missing')
      .map((body) => `${String(body['first_sequence'])}-${String(body['last_sequence'])}`);
    expect(told).toEqual([`${last - 2}-${last}`, '4-5', '9-9']);
    expect(here.store.events.lastSequence()).toBeGreaterThan(last);
  });
});
