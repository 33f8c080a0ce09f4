// Cards at a reader: who is let in, in which order strike and record come, by which clock, and while the broker is away.

import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import type { TimeWitness } from '../../src/domain/window.ts';
import { turn } from '../support/manual-clock.ts';
import { LOBBY, USER } from '../support/room.ts';
import { exit, ID, last, withCard, type World, asked, code, lobby, world } from './world.ts';

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

describe('a database', () => {
  it('that does not answer lets nobody in by card or code, and the next one as soon as it answers', async () => {
    const here = await withCard();
    await code(here, '4711');
    const unread = (): never => {
      throw new Database.SqliteError('disk I/O error', 'SQLITE_IOERR_READ');
    };
    const lookUps = [
      vi.spyOn(here.store.reach, 'byCard').mockImplementation(unread),
      vi.spyOn(here.store.reach, 'byCode').mockImplementation(unread),
    ];
    here.card();
    expect(last(here)).toBe('lock.access_denied store_unavailable');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied store_unavailable');
    expect([here.pulses, here.shown]).toEqual([[], ['denied', 'denied']]);
    for (const lookUp of lookUps) lookUp.mockRestore();
    here.card();
    expect(last(here)).toBe('lock.unlocked');
  });

  it('is not blamed for a fault of the program', async () => {
    const here = await withCard();
    vi.spyOn(here.store.reach, 'byCard').mockImplementation(() => {
      throw new TypeError('no such thing');
    });
    expect(() => here.card()).toThrow('no such thing');
    expect(here.pulses).toEqual([]);
  });

  it('that was refused at start is the reason of every denial, before any other', () => {
    const here = world({ factors: 'code', withoutStore: true });
    const time = { trusted: true, nowMs: here.clock.nowMs(), floorMs: null, isGraceLeft: true };
    const { outcome, reason, steps } = here.access.explain(lobby(), { acsCredentialId: ID }, asked(time));
    expect([outcome, reason]).toEqual(['denied', 'store_unavailable']);
    expect(steps.map(({ step, passed }) => [step, passed])).toEqual([['database', false]]);
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

describe('the broker being away', () => {
  it('changes nothing by default, for however long', async () => {
    const here = await withCard();
    here.offline.forMs = 400 * 86_400_000;
    here.card();
    expect(last(here)).toBe('lock.unlocked');
  });

  it('ends access after the grace where the facility wants it so, but not leaving', async () => {
    const here = await withCard({ policy: { offline: { grace: 1000 } } });
    here.offline.forMs = 1001;
    here.card();
    expect(last(here)).toBe('lock.access_denied offline_too_long');
    exit(here);
    expect(here.pulses).toHaveLength(1);
  });
});
