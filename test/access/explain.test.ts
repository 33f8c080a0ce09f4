// An explanation says of this instant what the door does at this instant, whatever the building is like; and asking by
// card or code is no way to guess.

import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QUESTIONS_PER_DAY } from '../../src/access/secret-questions.ts';
import type { Explanation } from '../../src/access/explain.ts';
import type { Asked } from '../../src/access/judging.ts';
import { stepsOfKept } from '../../src/domain/kept-steps.ts';
import { parseWeek } from '../../src/domain/schedule.ts';
import type { Factors, FactorsByTime } from '../../src/domain/factors.ts';
import type { Policy } from '../../src/domain/facility.ts';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { behindItsBack } from '../support/store.ts';
import { USER, type ParsedReply } from '../support/room.ts';

const HOUR_MS = 3_600_000;
const OTHER = '44444444-4444-4444-4444-444444444444';
const READER = 'front-in';
const CARDS = ['H10301:123:1', 'H10301:123:2', 'uid:04A1B2C3', 'H10302:77'];
const CODES = ['824759', '935861', '4711', '628411'];

/** In some of the worlds a card is enough until noon. */
function byTime({ factors, hasPair }: { factors: Factors; hasPair: boolean }): FactorsByTime | null {
  const week = parseWeek('mon-sun 12:00-24:00');
  if (typeof week === 'string') throw new Error(week);
  if (factors !== 'card' || !hasPair) return null;
  return { schedules: [{ factors: 'card_and_code', schedule: { week, holidays: [] } }], otherwise: factors };
}

const explainNow = (here: Keypads, asked: Asked): Explanation => {
  const [entrance] = here.site().entrances;
  if (entrance === undefined) throw new Error('there is a door');
  const asker = { source: 'local', sender: 'installer' } as const;
  return here.access().explain(entrance, asked, { time: here.time(), isNow: true, reader: READER, asker });
};

describe('what is explained', () => {
  const credential = fc.record({
    isCard: fc.boolean(),
    secret: fc.integer({ min: 0, max: 3 }),
    isOthers: fc.boolean(),
    isListed: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
    uses: fc.constantFrom(undefined, undefined, 1, 2),
    startsInMs: fc.constantFrom(null, null, HOUR_MS, 3 * HOUR_MS),
    endsInMs: fc.constantFrom(null, 2 * HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS),
    week: fc.constantFrom(null, null, 'mon-sun 00:00-24:00', 'tue 08:00-09:00'),
    isUnassigned: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
  });
  const PLAIN = {
    secret: 1,
    isOthers: false,
    isListed: true,
    uses: undefined,
    startsInMs: null,
    endsInMs: null,
    week: null,
    isUnassigned: false,
  } as const;
  const world = fc.record({
    factors: fc.constantFrom('card', 'code', 'card_or_code', 'card_and_code'),
    formats: fc.constantFrom(['H10301', 'uid'], ['uid'], ['H10302', 'H10301']),
    credentials: fc.array(credential, { minLength: 3, maxLength: 6 }),
    hasPair: fc.boolean(),
    isSuspended: fc.constantFrom(true, false, false),
    laterMs: fc.constantFrom(0, 2.5 * HOUR_MS, 2.5 * HOUR_MS),
    wrongCodes: fc.constantFrom(0, 0, 4, 5),
    isRefused: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    offlineForMs: fc.constantFrom(null, 1_000, 2 * HOUR_MS),
    offlineGraceMs: fc.constantFrom(null, null, HOUR_MS),
    visitorGraceMs: fc.constantFrom(undefined, null, HOUR_MS / 2),
    behindItsBack: fc.constantFrom(
      null,
      null,
      null,
      'UPDATE credentials SET ends_at = NULL, starts_at = NULL',
      'UPDATE users SET is_suspended = 0',
      'UPDATE credentials SET schedule_key = NULL',
      'INSERT OR IGNORE INTO credential_entrances (credential_key, entrance_key) SELECT credential_key, entrance_key FROM credentials, entrances',
    ),
    isTakenAway: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
    clock: fc.constantFrom(
      'trusted',
      'trusted',
      'trusted',
      'trusted',
      'trusted',
      'no floor',
      'grace left',
      'grace over',
    ),
  } as const);

  it('is what the door does with the same card or code', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(world, async (given) => {
        const policy: Partial<Policy> = {
          offline: { grace: given.offlineGraceMs, visitor: given.visitorGraceMs },
          pinSpace: 'warn',
        };
        const here = await keypads(
          [{ name: 'front', readers: [READER], factors: given.factors, factorsByTime: byTime(given) }],
          policy,
          given.formats,
        );
        await here.caller().call('users/create', { acs_user_id: OTHER, full_name: 'Joe' });
        const ids: (string | undefined)[] = [];
        for (const one of given.credentials) ids.push(await create(here, one));
        if (given.hasPair) for (const isCard of [true, false]) await create(here, { ...PLAIN, isCard });
        if (given.isSuspended) await here.caller().call('users/suspend', { acs_user_id: OTHER });
        await here.clock().advance(given.laterMs);
        if (given.factors !== 'card_and_code')
          for (let i = 0; i < given.wrongCodes; i++) here.type(READER, `00000${i}`);
        const floorMs = given.clock === 'no floor' ? null : here.clock().nowMs() - HOUR_MS;
        if (given.clock !== 'trusted')
          here.witness.time = { trusted: false, floorMs, isGraceLeft: given.clock === 'grace left' };
        here.witness.offlineForMs = given.offlineForMs;
        if (given.isRefused) here.access().refuse('store_unavailable');
        if (given.behindItsBack !== null) behindItsBack(dirname(here.store().path), given.behindItsBack);
        // By a command that the full disk has no room for.
        if (given.isTakenAway) here.store().withdrawn.add({ acsUserId: OTHER });
        const shown = [
          ...CARDS.map((card) => [{ cards: [card] }, () => here.card(READER, card)] as const),
          ...CODES.map((code) => [{ code }, () => here.type(READER, code)] as const),
        ];
        for (const [asked, present] of shown) {
          const id = given.hasPair
            ? undefined
            : ids[given.credentials.findIndex((one) => isAlone(one, asked, given.credentials))];
          const byId = id === undefined ? null : explainNow(here, { acsCredentialId: id });
          const first = await compare(here, asked, present, byId);
          seen.add(first);
          // Its one use may be gone now.
          if (first === 'granted') seen.add(await compare(here, asked, present, null));
        }
        if (given.factors === 'card_and_code') await withWaitingCards(here, seen);
        here.store().close();
      }),
      { seed: 20_260_302, numRuns: 80 },
    );
    const reasons = [
      'granted',
      'locked_out',
      'code_required',
      'expired',
      'outside_schedule',
      'already_used',
      'user_suspended',
      'store_unavailable',
      'offline_too_long',
      'clock_untrusted',
      'factor_not_accepted',
      'unknown_credential',
      'entrance_not_allowed',
      'not_yet_valid',
      'record_tampered',
      'unassigned',
      'granted with a card',
      'other_user with a card',
      'locked_out for a card',
    ];
    expect(
      reasons.filter((reason) => !seen.has(reason)),
      'the worlds hold every outcome',
    ).toEqual([]);
  }, 180_000);

  async function create(here: Keypads, one: Given): Promise<string | undefined> {
    const at = (ms: number | null): string | undefined =>
      ms === null ? undefined : new Date(here.clock().nowMs() + ms).toISOString();
    const schedule =
      one.week === null ? null : await here.caller().call('schedules/create', { name: 'W', week: one.week });
    const [starts, ends] = [at(one.startsInMs), at(one.endsInMs)];
    const { result } = await here.caller().call('credentials/create', {
      acs_user_id: one.isOthers ? OTHER : USER,
      ...(one.isCard
        ? { access_method: 'card', card_number: CARDS[one.secret] }
        : { access_method: 'code', code: CODES[one.secret] }),
      ...(starts === undefined ? {} : { starts_at: starts }),
      ...(ends === undefined ? {} : { ends_at: ends }),
      ...(schedule === null
        ? {}
        : { schedule_id: (schedule.result?.['schedule'] as { schedule_id: string }).schedule_id }),
      max_uses: one.uses,
      allowed_acs_entrance_ids: one.isListed ? [entranceId('front')] : [],
    });
    const id = result?.acs_credential?.['acs_credential_id'];
    if (one.isUnassigned && id !== undefined)
      await here.caller().call('credentials/unassign', { acs_credential_id: id });
    return typeof id === 'string' ? id : undefined;
  }

  type Given = typeof credential extends fc.Arbitrary<infer T> ? T : never;

  /** Nobody else has the card or code that is asked about: by its id the answer must be the same. */
  function isAlone(one: Given, asked: Asked, all: readonly Given[]): boolean {
    if ('acsCredentialId' in asked || 'phone' in asked) return false;
    const isAsked = 'code' in asked ? CODES[one.secret] === asked.code : CARDS[one.secret] === asked.cards[0];
    if (!isAsked || one.isCard === 'code' in asked) return false;
    return all.filter((other) => other.isCard === one.isCard && other.secret === one.secret).length === 1;
  }

  /** Every code with every card that is asked for its code, twice: until the keypad is locked. */
  async function withWaitingCards(here: Keypads, seen: Set<string>): Promise<void> {
    for (const card of CARDS) {
      for (const code of [...CODES, ...CODES]) {
        await here.clock().advance(1_000);
        const asked = { cards: [card] };
        const { reason } = explainNow(here, asked);
        const isAsked = here.card(READER, card) === 'prompt_pin';
        expect({ asked, reason }).toEqual({ asked, reason: isAsked ? 'code_required' : here.details.at(-1) });
        if (!isAsked) {
          seen.add(`${reason} for a card`);
          break;
        }
        seen.add(`${await compare(here, { code }, () => here.type(READER, code), null)} with a card`);
      }
    }
  }

  /** The outcome of both, which are the same. */
  async function compare(
    here: Keypads,
    asked: Asked,
    present: () => unknown,
    byId: Explanation | null,
  ): Promise<string> {
    const explained = explainNow(here, asked);
    const before = here.decided.length;
    const shown = present();
    if (shown === 'prompt_pin') await here.clock().advance(10_000);
    const done = shown === 'granted' ? 'granted' : (here.details.at(-1) ?? '');
    expect({ asked, says: explained.reason ?? explained.outcome }).toEqual({ asked, says: done });
    expect(explained.steps.every(({ passed }) => passed)).toBe(explained.outcome === 'granted');
    // The event keeps the same, as far as the door went.
    const told = here.decided[before];
    const shutAt = explained.steps.findIndex(({ passed }) => !passed);
    const asFar = explained.steps.slice(0, shutAt < 0 ? undefined : shutAt + 1);
    if (told !== undefined)
      expect(stepsOfKept(told['gates'] as string[], told['acs_user_id'] as string | null)).toEqual(asFar);
    else expect(explained.outcome).toBe('granted');
    // A code is looked up among those of its entrance; by its id the reason can be said.
    if (byId !== null && done === 'unknown_credential') expect(byId.outcome).toBe('denied');
    else if (byId !== null) expect({ asked, says: byId.reason ?? byId.outcome }).toEqual({ asked, says: done });
    return done;
  }
});

describe('a question by card or code', () => {
  const FRONT = [{ name: 'front', readers: [READER] }];
  const ask = (
    here: Keypads,
    params: Record<string, unknown>,
    source: 'mqtt' | 'local',
    sender = 'Jane',
  ): Promise<ParsedReply> =>
    here
      .caller()
      .call(
        'entrances/explain',
        { acs_entrance_id: entranceId('front'), ...params },
        { sender, command_id: randomUUID() },
        { source },
      );
  const byCode = (here: Keypads, source: 'mqtt' | 'local', code = '000001', sender?: string): Promise<ParsedReply> =>
    ask(here, { code }, source, sender);
  const bursts = (here: Keypads): Record<string, unknown>[] => here.events('agent.explained_by_secret');

  it('is answered on the gateway only, unless the facility file says otherwise; by credential id it always is', async () => {
    const outcomes = async (explainBySecret: Policy['explainBySecret']): Promise<unknown[]> => {
      const here = await keypads(FRONT, { explainBySecret });
      const card = await ask(here, { card_number: 'H10301:1:1' }, 'mqtt');
      return [(await byCode(here, 'mqtt')).error?.type, card.error?.type, (await byCode(here, 'local')).error?.type];
    };
    expect(await outcomes('local')).toEqual(['not_permitted', 'not_permitted', undefined]);
    expect(await outcomes('mqtt')).toEqual([undefined, undefined, undefined]);
    expect(await outcomes('never')).toEqual(['not_permitted', 'not_permitted', 'not_permitted']);
    const here = await keypads(FRONT, { explainBySecret: 'never' });
    const made = await here.caller().call('credentials/create', {
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      allowed_acs_entrance_ids: [entranceId('front')],
    });
    const { acs_credential_id } = made.result?.acs_credential ?? {};
    for (let i = 0; i < 2 * QUESTIONS_PER_DAY; i++)
      expect((await ask(here, { acs_credential_id }, 'mqtt')).result?.['outcome']).toBe('granted');
  });

  it('is one event a burst, with who asked, by which way, and how many were granted, denied and refused', async () => {
    const here = await keypads(FRONT);
    await here.caller().call('credentials/create', {
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      allowed_acs_entrance_ids: [entranceId('front')],
    });
    for (const code of ['000001', '000002', '824759']) await byCode(here, 'local', code);
    await byCode(here, 'mqtt', '000001', 'tower');
    await here.clock().advance(30_000);
    expect(bursts(here)).toMatchObject([
      { source: 'local', sender: 'Jane', count: 3, granted: 1, denied: 2, refused: 0 },
      { source: 'mqtt', sender: 'tower', count: 1, granted: 0, denied: 0, refused: 1 },
    ]);
    expect(JSON.stringify(bursts(here))).not.toMatch(/824759|000001/);
    await byCode(here, 'local');
    here.access().stop();
    expect(bursts(here)).toHaveLength(3);
  });

  it('has a budget for the day that no restart and no clock refills, and says the remedy beyond it', async () => {
    const here = await keypads(FRONT, { explainBySecret: 'mqtt' });
    let answered = 0;
    for (let hour = 0; hour < 24; hour++) {
      for (let i = 0; i < 120; i++) {
        const { error } = await byCode(here, 'mqtt', String(answered).padStart(6, '0'));
        if (error === undefined) answered += 1;
        else {
          expect(error.message).toMatch(/they are spent: the next one in \d+ min\. Remedy: ask by acs_credential_id/);
          break;
        }
      }
      here.restart(hour % 2 === 0 ? 'killed' : 'orderly');
      here.clock().leap(hour % 2 === 0 ? 40 * 24 * HOUR_MS : -40 * 24 * HOUR_MS);
      await here.clock().advance(HOUR_MS);
    }
    expect(answered).toBeLessThanOrEqual(QUESTIONS_PER_DAY);
    expect(answered).toBeGreaterThan(QUESTIONS_PER_DAY / 2);
    expect((await byCode(here, 'local')).error, 'the console has its own').toBeUndefined();
  }, 60_000);

  it('looks up no code while the keypad is locked', async () => {
    const here = await keypads(FRONT);
    await here.caller().call('credentials/create', {
      acs_user_id: USER,
      access_method: 'code',
      code: '824759',
      allowed_acs_entrance_ids: [entranceId('front')],
    });
    for (let i = 0; i < 5; i++) here.type(READER, `00000${i}`);
    const { result } = await byCode(here, 'local', '824759');
    expect(result).toMatchObject({ outcome: 'denied', reason: 'locked_out', acs_credential_id: null });
  });
});
