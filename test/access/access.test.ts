import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { Access, type How } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import type { Factors, Policy } from '../../src/domain/facility.ts';
import type { Device, Feedback, OutputOutcome, Presentation } from '../../src/domain/ports.ts';
import { encodeWiegand } from '../../src/domain/card-formats.ts';
import type { TimeWitness } from '../../src/domain/window.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock, turn } from '../support/manual-clock.ts';
import { buildRoom, buildSite, Caller, ENTRANCES, LOBBY, POLICY, silentLog, SYSTEM, USER } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
import { newCounters } from '../../drivers/kit/counters.ts';

const CARD = 'H10301:123:45678';
const ID = '66666666-6666-6666-6666-666666666666';

const NO_COUNTERS = newCounters();

type World = {
  access: Access;
  clock: ManualClock;
  store: Store;
  caller: Caller;
  pulses: { output: number; ms: number }[];
  shown: Feedback[];
  /** What the strike answers from now on. */
  strike: { outcome: OutputOutcome; isBusBusy: boolean; send: (() => void) | undefined; onPulse: () => void };
  time: { witness: Partial<TimeWitness> };
  offline: { forMs: number | null };
  present: (presentation: Presentation) => void;
  card: (canonical?: string) => void;
  digits: (digits: string) => void;
  /** Events so far: type, and the finer reason of a denial. */
  events: () => string[];
};

type Given = { factors?: Factors; policy?: Partial<Policy>; withoutStore?: boolean };

function world(given: Given = {}): World {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  const policy = { ...POLICY, ...given.policy };
  const lobby = { ...ENTRANCES.lobby, factors: given.factors ?? 'card_or_code' };
  const site = buildSite(store, [lobby]);
  const pulses: World['pulses'] = [];
  const shown: Feedback[] = [];
  const strike: World['strike'] = {
    outcome: { outcome: 'done', confirmed: true },
    isBusBusy: false,
    send: undefined,
    onPulse: () => undefined,
  };
  const time: World['time'] = { witness: {} };
  const offline: World['offline'] = { forMs: null };
  const devices: Record<string, Partial<Device>> = {
    'lobby-reader': {
      status: () => ({ online: true, sinceMs: 0, identity: null, problem: null, counters: NO_COUNTERS }),
      readers: { feedback: (_reader, signal) => void shown.push(signal) },
    },
    'relay-board': {
      status: () => ({ online: true, sinceMs: 0, identity: null, problem: null, counters: NO_COUNTERS }),
      outputs: {
        pulse: (output, ms, _notAfter, onSent) => {
          pulses.push({ output, ms });
          strike.onPulse();
          if (strike.isBusBusy) strike.send = onSent;
          else onSent?.();
          return strike.isBusBusy ? new Promise(() => undefined) : Promise.resolve(strike.outcome);
        },
        set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
      },
    },
  };
  const access = new Access({
    site,
    store: given.withoutStore === true ? null : store,
    recorder: new Recorder(given.withoutStore === true ? null : store, clock, silentLog),
    policy,
    clock,
    log: silentLog,
    device: (name) => devices[name] as Device | undefined,
    cardFormatsOf: () => ['H10301', 'uid'],
    time: () => ({ trusted: true, nowMs: clock.nowMs(), floorMs: null, isGraceLeft: true, ...time.witness }),
    acsSystemId: SYSTEM,
    timeZone: 'Europe/Oslo',
    offlineForMs: () => offline.forMs,
    onChange: () => undefined,
    problem: () => undefined,
    wake: () => undefined,
  });
  const present = (presentation: Presentation): void =>
    access.presented({
      type: 'presented',
      device: 'lobby-reader',
      reader: 0,
      presentation,
      atMonotonicMs: clock.monotonicMs(),
    });
  return {
    access,
    clock,
    store,
    caller: new Caller(buildRoom(store, clock, policy)),
    pulses,
    shown,
    strike,
    time,
    offline,
    present,
    card: (canonical = CARD) => {
      const bits = encodeWiegand(canonical);
      if (bits === null) throw new Error('the tests show Wiegand cards');
      present({ kind: 'card', reading: { kind: 'wiegand', ...bits } });
    },
    digits: (digits) => present({ kind: 'digits', digits }),
    events: () =>
      store.events.after(0, 1000).map((event) => {
        const body = JSON.parse(event.body) as { reason?: { detail?: string } };
        return body.reason?.detail === undefined ? event.event_type : `${event.event_type} ${body.reason.detail}`;
      }),
  };
}

async function withCard(given: Given = {}, params: Record<string, unknown> = {}): Promise<World> {
  const here = world(given);
  await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const reply = await here.caller.call('credentials/create', {
    acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD, allowed_acs_entrance_ids: [LOBBY], ...params,
  }); // prettier-ignore
  expect(reply.error).toBeUndefined();
  return here;
}
const code = (here: World, pin: string, more: Record<string, unknown> = {}): Promise<unknown> =>
  here.caller.call('credentials/create', {
    acs_user_id: USER,
    access_method: 'code',
    code: pin,
    allowed_acs_entrance_ids: [LOBBY],
    ...more,
  });
const asked = (time: TimeWitness): How => ({
  time,
  isNow: false,
  reader: 'lobby-reader',
  asker: { source: 'local', sender: null },
});
const last = (here: World): string => here.events().at(-1) ?? '';

describe('a card at a reader', () => {
  it('opens the door of its entrance, is shown green, and is one durable event', async () => {
    const here = await withCard();
    here.card();
    expect(here.pulses).toEqual([{ output: 0, ms: 5000 }]);
    expect(here.shown).toEqual(['granted']);
    const event = JSON.parse(here.store.events.after(0, 100).at(-1)?.body ?? '{}') as Record<string, unknown>;
    expect(event).toMatchObject({
      event_type: 'lock.unlocked', acs_entrance_id: LOBBY, acs_credential_id: ID, acs_user_id: USER, access_method: 'card', method: 'card', decided_by: 'gateway', clock: 'trusted',
    }); // prettier-ignore
    const other = new Database(here.store.path, { readonly: true });
    expect(other.prepare(`SELECT count(*) AS n FROM events WHERE event_type = 'lock.unlocked'`).get()).toEqual({
      n: 1,
    });
    other.close();
  });

  it('is told with how it was read, and never with its number', async () => {
    const here = await withCard();
    here.card();
    here.card('H10301:124:45678');
    here.present({ kind: 'card', reading: { kind: 'wiegand', widthBits: 26, bytes: Buffer.from('FFFFFFC0', 'hex') } });
    const bodies = here.store.events.after(0, 100).slice(-3);
    expect(bodies.map((event) => JSON.parse(event.body) as unknown)).toMatchObject([
      { event_type: 'lock.unlocked', card_format: 'H10301', card_width_bits: 26 },
      { event_type: 'lock.access_denied', card_format: 'H10301', card_width_bits: 26 },
      { event_type: 'lock.access_denied', card_format: null, card_width_bits: 26 },
    ]);
    for (const { body } of bodies) expect(body).not.toMatch(/45678|FFFFFFC0/i);
  });

  it('commands the strike before it commits the event', async () => {
    const here = await withCard();
    const order: string[] = [];
    const add = here.store.events.add.bind(here.store.events);
    vi.spyOn(here.store.events, 'add').mockImplementation((...given) => {
      order.push(`event after ${here.pulses.length} pulses`);
      return add(...given);
    });
    here.card();
    expect(order).toEqual(['event after 1 pulses']);
  });

  it('waits with the commit until a busy bus has taken the strike, at most a moment', async () => {
    const here = await withCard();
    here.strike.isBusBusy = true;
    here.card();
    expect(last(here)).toBe('acs_credential.issued');
    here.strike.send?.();
    expect(last(here)).toBe('lock.unlocked');
    here.card();
    await here.clock.advance(100);
    here.strike.send?.();
    expect(here.events().filter((event) => event === 'lock.unlocked')).toHaveLength(2);
    here.card();
    here.access.stop();
    expect(here.events().filter((event) => event === 'lock.unlocked')).toHaveLength(3);
  });

  it.each([
    ['unknown_credential', {}, (here: World): void => here.card('H10301:124:45678')],
    ['not_yet_valid', { starts_at: '2026-03-02T09:00:01Z' }, (here: World): void => here.card()],
    ['entrance_not_allowed', { allowed_acs_entrance_ids: [] }, (here: World): void => here.card()],
  ])('is denied: %s', async (detail, params, present) => {
    const here = await withCard({}, params);
    present(here);
    expect(last(here)).toBe(`lock.access_denied ${detail}`);
    expect(here.pulses).toEqual([]);
    expect(here.shown).toEqual(['denied']);
  });

  it('is judged by a half-open window: open at its first instant, closed at its last', async () => {
    const here = await withCard({}, { starts_at: '2026-03-02T09:00:10Z', ends_at: '2026-03-02T09:00:20Z' });
    const outcomes: string[] = [];
    for (const ms of [9_999, 1, 9_999, 1]) {
      await here.clock.advance(ms);
      here.card();
      outcomes.push(last(here));
    }
    expect(outcomes).toEqual([
      'lock.access_denied not_yet_valid',
      'lock.unlocked',
      'lock.unlocked',
      'lock.access_denied expired',
    ]);
  });

  it('is denied with the transaction that suspends, unassigns or deletes, and lets in again when that is taken back', async () => {
    const here = await withCard();
    const after = async (command: string, params: Record<string, unknown>): Promise<string> => {
      await here.caller.call(command, params);
      here.card();
      return last(here);
    };
    expect(await after('users/suspend', { acs_user_id: USER })).toBe('lock.access_denied user_suspended');
    expect(await after('users/unsuspend', { acs_user_id: USER })).toBe('lock.unlocked');
    expect(await after('credentials/unassign', { acs_credential_id: ID })).toBe('lock.access_denied unassigned');
    expect(await after('credentials/assign', { acs_credential_id: ID, acs_user_id: USER })).toBe('lock.unlocked');
    expect(
      await after('users/update', { acs_user_id: USER, access_schedule: { ends_at: '2026-03-02T08:00:00Z' } }),
    ).toBe('lock.access_denied expired');
    expect(await after('users/update', { acs_user_id: USER, access_schedule: null })).toBe('lock.unlocked');
    expect(await after('credentials/delete', { acs_credential_id: ID })).toBe('lock.access_denied unknown_credential');
  });

  it('of one use opens once, durably before the strike, and never again', async () => {
    const here = await withCard({}, { is_one_time_use: true });
    // Another connection sees what is durable, and nothing else.
    const other = new Database(here.store.path, { readonly: true });
    const uses = other.prepare('SELECT used_at IS NOT NULL FROM credentials').pluck();
    const seen: unknown[] = [];
    here.strike.onPulse = () => void seen.push(uses.get());
    expect(uses.get()).toBe(0);
    here.card();
    here.card();
    expect(seen).toEqual([1]);
    other.close();
    expect(here.events().slice(-4)).toEqual([
      'acs_credential.issued',
      'lock.unlocked',
      'acs_credential.invalidated',
      'lock.access_denied already_used',
    ]);
    expect(here.pulses).toHaveLength(1);
  });

  it('of one use does not open when its use cannot be made durable; any other card does, and its event is kept', async () => {
    const here = await withCard({}, { is_one_time_use: true });
    await here.caller.call('credentials/create', {
      acs_user_id: USER,
      access_method: 'card',
      card_number: 'H10301:1:1',
      allowed_acs_entrance_ids: [LOBBY],
    });
    const full = vi.spyOn(here.store, 'now').mockImplementation(() => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    });
    here.card();
    expect(here.pulses).toHaveLength(0);
    here.card('H10301:1:1');
    expect(here.pulses).toHaveLength(1);
    full.mockRestore();
    await here.clock.advance(5_000);
    expect(here.events()).toContain('lock.unlocked');
    expect(here.store.credentials.byId(ID)?.used_at).toBe(null);
    here.card();
    expect(here.pulses).toHaveLength(2);
  });

  it('that could not be let in because the strike failed is told so', async () => {
    const here = await withCard();
    here.strike.outcome = { outcome: 'failed', error: 'controller_offline', message: 'relay-board does not answer' };
    here.card();
    await turn();
    expect(here.events().slice(-2)).toEqual(['lock.unlocked', 'acs_entrance.unlock_failed']);
  });
});

describe('a code', () => {
  it('opens, leading zeros and all', async () => {
    const here = await withCard();
    await code(here, '0042');
    here.digits('0042');
    expect(last(here)).toBe('lock.unlocked');
    here.digits('42');
    expect(last(here)).toBe('lock.access_denied unknown_credential');
  });

  it('is not taken where only cards are, and the other way round', async () => {
    const cards = await withCard({ factors: 'card' });
    await code(cards, '4711');
    cards.digits('4711');
    expect(last(cards)).toBe('lock.access_denied factor_not_accepted');
    const codes = await withCard({ factors: 'code' });
    codes.card();
    expect(last(codes)).toBe('lock.access_denied factor_not_accepted');
  });

  it('guessed wrong too often locks code entry at that reader, longer each time, and never cards', async () => {
    const here = await withCard();
    await code(here, '4711');
    for (let i = 0; i < 5; i++) here.digits('9999');
    expect(last(here)).toBe('acs_entrance.locked_out');
    expect(here.shown.at(-1)).toBe('locked_out');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied locked_out');
    here.card();
    expect(last(here)).toBe('lock.unlocked');
    const untilOf = (): unknown =>
      JSON.parse(
        here.store.events.after(0, 100).findLast((event) => event.event_type === 'acs_entrance.locked_out')?.body ??
          '{}',
      );
    expect(untilOf()).toMatchObject({ locked: 'reader', why: 'attempts', until: '2026-03-02T09:01:00.000Z' });
    await here.clock.advance(60_000);
    here.digits('4711');
    expect(last(here)).toBe('lock.unlocked');
    for (let i = 0; i < 5; i++) here.digits('9999');
    expect(untilOf(), 'nobody’s right code makes the next lock short again').toMatchObject({
      until: '2026-03-02T09:03:00.000Z',
    });
    await here.clock.advance(120_000);
    here.digits('4711');
    expect(last(here)).toBe('lock.unlocked');
  });

  it('counts wrong codes over its window only', async () => {
    const here = await withCard();
    for (let i = 0; i < 12; i++) {
      here.digits('9999');
      await here.clock.advance(20_000);
    }
    expect(here.events()).not.toContain('acs_entrance.locked_out');
  });
});

describe('card and code', () => {
  it('are both asked for, of the same user, and the event names both', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    await code(here, '4711');
    here.card();
    expect(here.shown).toEqual(['prompt_pin']);
    expect(here.pulses).toEqual([]);
    here.digits('4711');
    expect(here.pulses).toHaveLength(1);
    expect(JSON.parse(here.store.events.after(0, 100).at(-1)?.body ?? '{}')).toMatchObject({
      acs_credential_id: ID,
      second_acs_credential_id: expect.any(String) as string,
    });
  });

  it('do not open with somebody else’s code, with the code alone, or when the code comes too late', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    const other = '44444444-4444-4444-4444-444444444444';
    await here.caller.call('users/create', { acs_user_id: other, full_name: 'Joe' });
    await code(here, '1122', { acs_user_id: other });
    await code(here, '4711');
    here.card();
    here.digits('1122');
    expect(last(here)).toBe('lock.access_denied other_user');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied factor_not_accepted');
    here.card();
    await here.clock.advance(10_000);
    expect(last(here)).toBe('lock.access_denied code_required');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied factor_not_accepted');
    expect(here.pulses).toEqual([]);
  });

  it('use up whichever of them is of one use, durably before the strike, and open no second time with it', async () => {
    for (const used of ['the card', 'the code']) {
      const here = await withCard({ factors: 'card_and_code' }, { is_one_time_use: used === 'the card' });
      await code(here, '4711', { is_one_time_use: used === 'the code' });
      // Another connection sees what is durable, and nothing else.
      const other = new Database(here.store.path, { readonly: true });
      const seen: unknown[] = [];
      here.strike.onPulse = () =>
        void seen.push(
          other.prepare('SELECT count(*) FROM credentials WHERE used_at IS NOT NULL').pluck().get(),
          other
            .prepare(`SELECT count(*) FROM events WHERE event_type IN ('lock.unlocked', 'acs_credential.invalidated')`)
            .pluck()
            .get(),
        );
      const both = (): void => {
        here.card();
        here.digits('4711');
      };
      both();
      other.close();
      expect(seen, used).toEqual([1, 2]);
      both();
      expect(last(here), used).toBe(
        used === 'the card' ? 'lock.access_denied factor_not_accepted' : 'lock.access_denied already_used',
      );
      expect(here.events(), used).toContain('lock.access_denied already_used');
      expect(here.pulses, used).toHaveLength(1);
    }
  });

  it('have their own time each: that of a first card ends nobody else’s wait', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    await code(here, '4711');
    here.card();
    await here.clock.advance(6_000);
    here.card();
    await here.clock.advance(9_999);
    here.digits('4711');
    expect(here.pulses).toHaveLength(1);
    await here.clock.advance(20_000);
    expect(here.events()).not.toContain('lock.access_denied code_required');
  });

  it('do not open when the card is revoked between the two', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    await code(here, '4711');
    here.card();
    await here.caller.call('credentials/delete', { acs_credential_id: ID });
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied unknown_credential');
  });
});

describe('a clock nobody vouches for', () => {
  const window = { starts_at: '2026-03-02T08:00:00Z', ends_at: '2026-03-02T18:00:00Z' };
  const floor = (iso: string): Partial<TimeWitness> => ({ trusted: false, floorMs: Date.parse(iso) });

  it('judges by the floor: begun for certain is open while the grace lasts, ended for certain is not', async () => {
    const here = await withCard({}, window);
    const judged = (witness: Partial<TimeWitness>): string => {
      here.time.witness = witness;
      here.card();
      return last(here);
    };
    expect(judged(floor('2026-03-02T09:00:00Z'))).toBe('lock.unlocked');
    expect(judged({ ...floor('2026-03-02T09:00:00Z'), isGraceLeft: false })).toBe('lock.access_denied clock_untrusted');
    expect(judged(floor('2026-03-02T07:59:59Z'))).toBe('lock.access_denied clock_untrusted');
    expect(judged(floor('2026-03-02T18:00:00Z'))).toBe('lock.access_denied expired');
    expect(judged({ trusted: false, floorMs: null })).toBe('lock.access_denied clock_untrusted');
  });

  it('matters nothing to a credential without a window', async () => {
    const here = await withCard();
    here.time.witness = { trusted: false, floorMs: null, isGraceLeft: false };
    here.card();
    expect(last(here)).toBe('lock.unlocked');
  });
});

describe('a weekly schedule', () => {
  const OFFICE = '99999999-9999-9999-9999-999999999999';
  const office = { schedule_id: OFFICE, name: 'Office hours', week: 'mon-fri 08:00-12:00, 13:00-17:00' };

  /** Monday, ten in the morning by the wall clock. */
  async function withSchedule(given: Given = {}): Promise<World> {
    const here = world(given);
    await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
    await here.caller.call('schedules/create', office);
    const reply = await here.caller.call('credentials/create', {
      acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD, allowed_acs_entrance_ids: [LOBBY], schedule_id: OFFICE,
    }); // prettier-ignore
    expect(reply.error).toBeUndefined();
    return here;
  }
  const hours = (count: number): number => count * 3_600_000;

  it('lets in within its ranges and at no other time, across the week', async () => {
    const here = await withSchedule();
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
    // 12:00, 13:00, 17:00, and Saturday at 10:00.
    for (const later of [2, 1, 4, 113]) {
      await here.clock.advance(hours(later));
      here.card();
    }
    expect(here.events().filter((event) => event.startsWith('lock.'))).toEqual([
      'lock.unlocked',
      'lock.access_denied outside_schedule',
      'lock.unlocked',
      'lock.access_denied outside_schedule',
      'lock.access_denied outside_schedule',
    ]);
  });

  it('as it is changed holds from the same transaction on', async () => {
    const here = await withSchedule();
    await here.caller.call('schedules/update', { schedule_id: OFFICE, week: 'tue 08:00-17:00' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.caller.call('schedules/update', { schedule_id: OFFICE, week: 'mon 10:00-11:00' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
  });

  it('holds on holidays what it says of them', async () => {
    const here = await withSchedule();
    await here.caller.call('holidays/create', { name: 'Today', date: '2026-03-02' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.caller.call('schedules/update', { schedule_id: OFFICE, on_holidays: 'as_usual' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
    await here.caller.call('schedules/update', { schedule_id: OFFICE, on_holidays: '12:00-14:00' });
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.clock.advance(hours(2.5));
    here.card();
    expect(here.events().at(-1)).toBe('lock.unlocked');
  });

  it('lets nobody in by a clock that nobody vouches for, for no floor knows the time of day', async () => {
    const here = await withSchedule();
    here.time.witness = { trusted: false, floorMs: here.clock.nowMs() };
    here.card();
    expect(here.events().at(-1)).toBe('lock.access_denied clock_untrusted');
  });

  it('counts for the card and for the code where both are asked for', async () => {
    const here = await withSchedule({ factors: 'card_and_code' });
    await here.caller.call('schedules/create', {
      ...office,
      schedule_id: ID,
      name: 'Tuesdays',
      week: 'tue 08:00-17:00',
    });
    await code(here, '824759', { schedule_id: ID });
    here.card();
    here.digits('824759');
    expect(here.events().at(-1)).toBe('lock.access_denied outside_schedule');
    await here.clock.advance(hours(24));
    here.card();
    here.digits('824759');
    expect(here.events().at(-1)).toBe('lock.unlocked');
  });

  it('is explained with the day, its ranges and the time on the wall', async () => {
    const here = await withSchedule();
    const explained = here.access.explain(
      buildSite(here.store).entrances[0] ?? fail(),
      { acsCredentialId: ID },
      asked({ trusted: true, nowMs: Date.parse('2026-03-02T11:30:00Z'), floorMs: null, isGraceLeft: true }),
    );
    expect(explained).toMatchObject({ outcome: 'denied', reason: 'outside_schedule' });
    expect(explained.steps.at(-1)).toEqual({
      step: 'schedule',
      passed: false,
      detail: 'Office hours on monday 2026-03-02: 08:00-12:00, 13:00-17:00; the wall clock says 12:30',
    });
  });
});

function fail(): never {
  throw new Error('the building has an entrance');
}

describe('the broker being away', () => {
  it('changes nothing by default, for however long', async () => {
    const here = await withCard();
    here.offline.forMs = 400 * 86_400_000;
    here.card();
    expect(last(here)).toBe('lock.unlocked');
  });

  it('ends access after the grace where the facility wants it so, but not leaving', async () => {
    const here = await withCard({ policy: { offlineGraceMs: 1000 } });
    here.offline.forMs = 1001;
    here.card();
    expect(last(here)).toBe('lock.access_denied offline_too_long');
    here.access.input({
      type: 'input',
      device: 'relay-board',
      input: 1,
      active: true,
      atMonotonicMs: 0,
      changedAfterMonotonicMs: 0,
    });
    expect(here.pulses).toHaveLength(1);
  });
});

describe('request to exit', () => {
  const exit = (here: World): void =>
    here.access.input({
      type: 'input',
      device: 'relay-board',
      input: 1,
      active: true,
      atMonotonicMs: here.clock.monotonicMs(),
      changedAfterMonotonicMs: here.clock.monotonicMs(),
    });

  it('drives the strike and is an event', async () => {
    const here = await withCard();
    exit(here);
    expect(here.pulses).toEqual([{ output: 0, ms: 5000 }]);
    expect(last(here)).toBe('acs_entrance.rex');
  });

  it('says at the end what became of its events, by the reason that there was', () => {
    const said = (store: Store | null, events: number): string[] => {
      const lines: string[] = [];
      const error = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
      const recorder = new Recorder(store, new ManualClock(), { ...silentLog, error });
      for (let i = 0; i < events; i++) recorder.record([{ event_type: 'acs_entrance.rex', body: {} }]);
      lines.length = 0;
      recorder.stop();
      return lines;
    };
    const failing = openStore(temporaryFolder());
    vi.spyOn(failing, 'now').mockImplementation(() => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    });
    expect(said(failing, 2)).toEqual(['events are lost: the disk failed until the end {"count":2}']);
    expect(said(null, 1)).toEqual(['events are lost: there was no database to keep them in {"count":1}']);
    expect(said(null, 1003)).toEqual(['events are lost: there was no database to keep them in {"count":1003}']);
    expect(said(null, 0)).toEqual([]);
  });

  it('works without a database, with a full disk and during a lockout', async () => {
    const bare = world({ withoutStore: true });
    exit(bare);
    bare.card();
    expect(bare.pulses).toHaveLength(1);
    const here = await withCard();
    for (let i = 0; i < 5; i++) here.digits('9999');
    vi.spyOn(here.store, 'now').mockImplementation(() => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    });
    exit(here);
    expect(here.pulses).toHaveLength(1);
  });
});

describe('a door', () => {
  const contact = (here: World, active: boolean): void =>
    here.access.input({
      type: 'input',
      device: 'relay-board',
      input: 0,
      active,
      atMonotonicMs: here.clock.monotonicMs(),
      changedAfterMonotonicMs: here.clock.monotonicMs(),
    });
  const doorEvents = (here: World): string[] => here.events().filter((event) => event.startsWith('acs_entrance.'));

  it('that opens after a grant was opened, and was not when nobody went', async () => {
    const here = await withCard();
    contact(here, false);
    here.card();
    contact(here, true);
    contact(here, false);
    expect(doorEvents(here)).toEqual(['acs_entrance.opened', 'acs_entrance.closed']);
    here.card();
    await here.clock.advance(8_000);
    expect(doorEvents(here).at(-1)).toBe('acs_entrance.not_opened');
  });

  it('that opens without grant or REX is forced until it is closed', async () => {
    const here = await withCard();
    contact(here, false);
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.forced']);
    const entrance = buildSite(null, [ENTRANCES.lobby]).entrances[0];
    if (entrance === undefined) throw new Error('the lobby is there');
    expect(here.access.state(entrance)).toMatchObject({ isForced: true, isOpen: true });
    contact(here, false);
    expect(doorEvents(here)).toEqual(['acs_entrance.forced', 'acs_entrance.closed', 'acs_entrance.restored']);
    expect(here.access.state(entrance)).toMatchObject({ isForced: false, isOpen: false });
  });

  it('whose strike failed lets nobody in: opened then, it is forced, and nobody is said not to have gone', async () => {
    const failed = { outcome: 'failed', error: 'controller_offline', message: 'relay-board does not answer' } as const;
    const entrance = buildSite(null, [ENTRANCES.lobby]).entrances[0] ?? fail();
    const asker = { source: 'mqtt', sender: null } as const;
    const unlock = { entrance, acsUserId: null, acsCredentialId: null, reason: null, commandId: 'u', asker, actionAttemptId: ID }; // prettier-ignore
    const ways: ((here: World) => Promise<unknown>)[] = [
      (here) => {
        here.card();
        return Promise.resolve();
      },
      (here) => here.access.unlock(unlock),
    ];
    for (const ask of ways) {
      const here = await withCard();
      contact(here, false);
      here.strike.outcome = failed;
      await ask(here);
      await turn();
      expect(here.access.state(entrance)).toMatchObject({ isLocked: true });
      contact(here, true);
      await here.clock.advance(8_000);
      expect(doorEvents(here)).toEqual(['acs_entrance.unlock_failed', 'acs_entrance.forced']);
    }
  });

  it('that stays open warns, then is held, then restored', async () => {
    const here = await withCard();
    contact(here, false);
    here.card();
    contact(here, true);
    await here.clock.advance(20_000);
    expect(doorEvents(here)).toEqual(['acs_entrance.opened', 'acs_entrance.held_warning']);
    await here.clock.advance(10_000);
    contact(here, false);
    expect(doorEvents(here).slice(2)).toEqual(['acs_entrance.held', 'acs_entrance.closed', 'acs_entrance.restored']);
  });

  const strike = (here: World, stand: 'as_told' | 'own' | 'astray' | 'stuck', energised: boolean): void =>
    here.access.output({
      type: 'output',
      device: 'relay-board',
      output: ENTRANCES.lobby.strike?.output ?? 0,
      stand,
      energised,
      atMonotonicMs: here.clock.monotonicMs(),
    });
  const stateOf = (here: World) => {
    const entrance = buildSite(null, [ENTRANCES.lobby]).entrances[0];
    if (entrance === undefined) throw new Error('the lobby is there');
    return here.access.state(entrance);
  };

  it('whose strike does not release is an alarm and not locked, until it follows again; nobody who goes through forces it', async () => {
    const here = await withCard();
    contact(here, false);
    strike(here, 'astray', true);
    expect(stateOf(here)).toMatchObject({ isLocked: false });
    strike(here, 'stuck', true);
    expect(stateOf(here)).toMatchObject({ isLocked: false });
    contact(here, true);
    contact(here, false);
    strike(here, 'as_told', false);
    expect(stateOf(here)).toMatchObject({ isLocked: true, isForced: false });
    expect(doorEvents(here)).toEqual([
      'acs_entrance.unlocked_externally',
      'acs_entrance.strike_stuck',
      'acs_entrance.opened',
      'acs_entrance.closed',
      'acs_entrance.restored',
    ]);
  });

  it('whose strike somebody else switches on is forced by who goes through', async () => {
    const here = await withCard();
    contact(here, false);
    strike(here, 'astray', true);
    strike(here, 'as_told', false);
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.unlocked_externally', 'acs_entrance.forced']);
  });

  it('that its controller opens by itself is not locked meanwhile, and not forced', async () => {
    const here = await withCard();
    contact(here, false);
    strike(here, 'own', true);
    expect(stateOf(here)).toMatchObject({ isLocked: false });
    strike(here, 'as_told', false);
    expect(stateOf(here)).toMatchObject({ isLocked: true });
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.opened']);
  });

  it.each([
    ['timed_out', 'acs_entrance.opened'],
    ['too_late', 'acs_entrance.forced'],
    ['device_error', 'acs_entrance.forced'],
  ] as const)(
    'whose strike failed (%s) is opened or forced by whether it may have been driven',
    async (error, event) => {
      const here = await withCard();
      contact(here, false);
      here.strike.outcome = { outcome: 'failed', error, message: 'no' };
      here.card();
      await turn();
      contact(here, true);
      expect(doorEvents(here)).toEqual(['acs_entrance.unlock_failed', event]);
    },
  );

  it('found open at the first look was not forced', async () => {
    const here = await withCard();
    contact(here, true);
    expect(doorEvents(here)).toEqual([]);
  });

  it('may be opened from the inside within the time of the REX', async () => {
    const here = await withCard();
    contact(here, false);
    here.access.input({
      type: 'input',
      device: 'relay-board',
      input: 1,
      active: true,
      atMonotonicMs: 0,
      changedAfterMonotonicMs: 0,
    });
    await here.clock.advance(7_000);
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.rex', 'acs_entrance.opened']);
  });
});

describe('explain', () => {
  it('gives every step that a decision would take, and moves nothing', async () => {
    const here = await withCard({}, { ends_at: '2026-03-02T10:00:00Z' });
    const entrance = buildSite(here.store, [ENTRANCES.lobby]).entrances[0];
    if (entrance === undefined) throw new Error('the lobby is there');
    const before = here.events().length;
    const now: TimeWitness = { trusted: true, nowMs: here.clock.nowMs(), floorMs: null, isGraceLeft: true };
    const open = here.access.explain(entrance, { cards: [CARD] }, asked(now));
    expect(open).toMatchObject({ outcome: 'granted', acsCredentialId: ID });
    expect(open.steps.map((step) => step.step)).toEqual([
      'factor',
      'known',
      'assigned',
      'user_active',
      'entrance',
      'not_used_up',
      'window',
      'record',
    ]);
    const late = here.access.explain(
      entrance,
      { cards: [CARD] },
      asked({ ...now, nowMs: Date.parse('2026-03-02T10:00:00Z') }),
    );
    expect(late).toMatchObject({ outcome: 'denied', reason: 'expired' });
    expect(here.pulses).toEqual([]);
    expect(here.events()).toHaveLength(before);
  });

  it.each([
    [{}, 'open (no start and no end): it is 2026-03-02T09:00:00.000Z'],
    [
      { starts_at: '2026-03-02T08:00:00Z' },
      'open (from 2026-03-02T08:00:00.000Z, no end): it is 2026-03-02T09:00:00.000Z',
    ],
    [
      { ends_at: '2026-03-02T10:00:00Z' },
      'open (no start, until 2026-03-02T10:00:00.000Z): it is 2026-03-02T09:00:00.000Z',
    ],
    [
      { starts_at: '2026-03-02T10:00:00Z', ends_at: '2026-03-02T11:00:00Z' },
      'not yet valid (from 2026-03-02T10:00:00.000Z, until 2026-03-02T11:00:00.000Z): it is 2026-03-02T09:00:00.000Z',
    ],
  ])('says in words what window it is: %j', async (window, said) => {
    const here = await withCard({}, window);
    const [entrance] = buildSite(here.store, [ENTRANCES.lobby]).entrances;
    if (entrance === undefined) throw new Error('the lobby is there');
    const at: TimeWitness = {
      trusted: true,
      nowMs: Date.parse('2026-03-02T09:00:00Z'),
      floorMs: null,
      isGraceLeft: true,
    };
    const windowAt = (time: TimeWitness): string | undefined =>
      here.access.explain(entrance, { cards: [CARD] }, asked(time)).steps.find(({ step }) => step === 'window')?.detail;
    expect(windowAt(at)).toBe(said);
    expect(windowAt({ ...at, trusted: false })).toContain('the clock is not trusted; nothing says how late it is');
  });
});
