// Somebody guesses PINs who knows every rule and every clock. docs/security.md says how many guesses a day each way in
// allows; these are the attacks behind it.

import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { CodeGate, type CodePlace } from '../../src/access/code-gate.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { POLICY, USER } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const OWN = '824759';

const FRONT = [{ name: 'front', readers: ['front-in', 'front-out'] }];

/** Codes that nobody has, none of them twice. */
function* wrongCodes(): Generator<string, never> {
  for (let i = 0; ; i = (i + 7919) % 1_000_000) {
    const code = String(i).padStart(6, '0');
    if (code !== OWN) yield code;
  }
}

async function withOwnPin(here: Keypads, name = 'front', code = OWN): Promise<void> {
  const reply = await here.caller().call('credentials/create', {
    acs_user_id: USER,
    access_method: 'code',
    code,
    allowed_acs_entrance_ids: [entranceId(name)],
  });
  expect(reply.error).toBeUndefined();
}

/** Does `step` every five minutes for so long. */
async function everyFiveMinutes(here: Keypads, hours: number, step: (minute: number) => void): Promise<void> {
  for (let minute = 0; minute < hours * 60; minute += 5) {
    step(minute);
    await here.clock().advance(5 * MINUTE_MS);
  }
}

/** As many codes as are looked up, `most` of them. */
function tryCodes(here: Keypads, reader: string, codes: Iterator<string, never>, most: number): void {
  for (let i = 0; i < most && here.type(reader, codes.next().value) === 'denied'; i++);
}

describe('at one entrance a day allows the guesses that the facility file says', () => {
  it('to whoever waits just below what locks, and to no more at two readers', async () => {
    const here = await keypads(FRONT);
    const codes = wrongCodes();
    await everyFiveMinutes(here, 24, (i) => tryCodes(here, i % 2 === 0 ? 'front-in' : 'front-out', codes, 4));
    expect(here.guesses()).toBeLessThanOrEqual(50);
    expect(here.guesses()).toBeGreaterThan(45);
    expect(here.events('acs_entrance.locked_out')[0]).toMatchObject({ locked: 'entrance', why: 'per_day' });
  }, 60_000);

  it('to whoever enters a PIN of their own in between, who gets nothing back but slips of it', async () => {
    const here = await keypads(FRONT);
    await withOwnPin(here);
    const codes = wrongCodes();
    await everyFiveMinutes(here, 24, () => {
      tryCodes(here, 'front-in', codes, 4);
      here.type('front-in', OWN);
    });
    expect(here.guesses()).toBeLessThanOrEqual(50);
    expect(here.pulses()).toBeGreaterThan(0);
  }, 60_000);

  it('to whoever ends the process after each guess, in order or not', async () => {
    for (const how of ['orderly', 'killed'] as const) {
      const here = await keypads(FRONT);
      const codes = wrongCodes();
      await everyFiveMinutes(here, 24, (minute) => {
        tryCodes(here, 'front-in', codes, 4);
        if (minute % 60 === 0) here.restart(how);
      });
      expect(here.guesses()).toBeLessThanOrEqual(50);
    }
  }, 60_000);

  it('to whoever sets the clock forth and back', async () => {
    const here = await keypads(FRONT);
    const codes = wrongCodes();
    await everyFiveMinutes(here, 24, (i) => {
      tryCodes(here, 'front-in', codes, 4);
      here.clock().leap((i % 2 === 0 ? 400 : -400) * DAY_MS);
    });
    expect(here.guesses()).toBeLessThanOrEqual(50);
  }, 60_000);
});

describe('over any 24 hours, whatever somebody does in whatever order', () => {
  const reader = fc.constantFrom('front-in', 'front-out');
  const action = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ what: fc.constant('guess' as const), reader, times: fc.integer({ min: 1, max: 60 }) }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('own' as const), reader }) },
    {
      weight: 4,
      arbitrary: fc.record({ what: fc.constant('wait' as const), ms: fc.integer({ min: 1000, max: 8 * HOUR_MS }) }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('restart' as const), isOrderly: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constant('leap' as const),
        ms: fc.integer({ min: -400 * DAY_MS, max: 400 * DAY_MS }),
      }),
    },
  );

  it('no more guesses are looked up than the budget', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 60 }), async (actions) => {
        let clock = new ManualClock();
        const store = openStore(temporaryFolder(), clock);
        let gate = new CodeGate(store, clock, POLICY.lockout);
        let elapsedMs = 0;
        const at: number[] = [];
        const codes = wrongCodes();
        const place = (name: string): CodePlace => ({ reader: name, place: 'front', acsCredentialId: null });
        for (const one of actions) {
          if (one.what === 'guess')
            for (let i = 0; i < one.times && gate.lockedForMs(place(one.reader)) === 0; i++) {
              gate.wrong(place(one.reader), codes.next().value);
              store.now(() => gate.write());
              gate.written();
              at.push(elapsedMs);
            }
          else if (one.what === 'own') gate.right(place(one.reader), OWN, 'mine');
          else if (one.what === 'leap') clock.leap(one.ms);
          else if (one.what === 'wait') {
            await clock.advance(one.ms);
            elapsedMs += one.ms;
          } else {
            if (one.isOrderly) gate.touchAll();
            store.now(() => gate.write());
            clock = new ManualClock(clock.nowMs());
            gate = new CodeGate(store, clock, POLICY.lockout);
          }
        }
        for (const from of at)
          expect(at.filter((ms) => ms >= from && ms < from + DAY_MS).length).toBeLessThanOrEqual(50);
        store.close();
      }),
      { seed: 20_260_302, numRuns: 25 },
    );
  }, 120_000);
});

describe('a slip of one’s own PIN', () => {
  it('costs nobody anything, a few times a day', async () => {
    const here = await keypads(FRONT);
    await withOwnPin(here);
    // Two of hers, then right: more of them in a row than what locks, were they not given back.
    for (let i = 0; i < 3; i++) {
      expect(here.type('front-in', '824758')).toBe('denied');
      expect(here.type('front-in', '82475')).toBe('denied');
      expect(here.type('front-in', OWN)).toBe('granted');
      await here.clock().advance(6 * HOUR_MS);
    }
    expect(
      here
        .store()
        .guesses.all()
        .filter(({ spent }) => spent > 0),
    ).toEqual([]);
  });

  it('is no way to guess on: it is given back once in six hours, and nothing that is no slip ever is', async () => {
    const here = await keypads(FRONT);
    await withOwnPin(here);
    await everyFiveMinutes(here, 24, () => {
      for (const slip of ['824751', '824753']) here.type('front-in', slip);
      here.type('front-in', OWN);
    });
    expect(here.guesses()).toBeLessThanOrEqual(50 + 10);
    expect(here.guesses()).toBeGreaterThan(50);
  }, 60_000);
});

describe('a lock', () => {
  const locked = async (): Promise<Keypads> => {
    const here = await keypads(FRONT);
    await withOwnPin(here);
    for (const code of ['111', '222', '333', '444', '555']) here.type('front-in', `${code}000`);
    expect(here.shown.get('front-in')).toBe('locked_out');
    return here;
  };

  it('lasts for the time that really passes, wherever the clock is set', async () => {
    for (const days of [-400, 400]) {
      const here = await locked();
      here.clock().leap(days * DAY_MS);
      await here.clock().advance(59_000);
      expect(here.type('front-in', OWN)).toBe('locked_out');
      await here.clock().advance(1_000);
      expect(here.type('front-in', OWN)).toBe('granted');
    }
  });

  it('is served once more at most after a restart, whatever the clock says then', async () => {
    const here = await locked();
    here.clock().leap(-400 * DAY_MS);
    here.restart('killed');
    await here.clock().advance(59_000);
    expect(here.type('front-in', OWN)).toBe('locked_out');
    await here.clock().advance(1_000);
    expect(here.type('front-in', OWN)).toBe('granted');
    here.restart('killed');
    expect(here.type('front-in', OWN), 'its end was kept').toBe('granted');
  });

  it('of which a part was served before an orderly stop goes on with the rest', async () => {
    const here = await locked();
    await here.clock().advance(50_000);
    here.restart('orderly');
    await here.clock().advance(10_000);
    expect(here.type('front-in', OWN)).toBe('granted');
  });

  it('holds also while the disk is full', async () => {
    const here = await keypads(FRONT);
    await withOwnPin(here);
    const full = vi.spyOn(here.store(), 'now').mockImplementation(() => {
      throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
    });
    for (const code of ['111', '222', '333', '444', '555']) here.type('front-in', `${code}000`);
    expect(here.shown.get('front-in')).toBe('locked_out');
    expect(here.type('front-in', OWN)).toBe('locked_out');
    full.mockRestore();
    await here.clock().advance(60_000);
    expect(here.type('front-in', OWN)).toBe('granted');
    expect(
      here
        .store()
        .guesses.all()
        .find(({ name }) => name === 'entrance ' + entranceId('front'))?.spent,
    ).toBeCloseTo(5, 1);
  });
});

describe('a card that is tried with one code after the other', () => {
  const CARD = 'H10301:123:45678';
  const BOTH = [{ name: 'vault', readers: ['vault-in'], factors: 'card_and_code' as const }];
  const withCard = async (here: Keypads, card: string): Promise<void> => {
    const reply = await here.caller().call('credentials/create', {
      acs_user_id: USER,
      access_method: 'card',
      card_number: card,
      allowed_acs_entrance_ids: [entranceId('vault')],
    });
    expect(reply.error).toBeUndefined();
  };

  it('has a day of its own, and is not even asked for its code while that is spent; another card is', async () => {
    const here = await keypads(BOTH);
    await withCard(here, CARD);
    await withCard(here, 'H10301:123:1');
    await withOwnPin(here, 'vault');
    const codes = wrongCodes();
    await everyFiveMinutes(here, 24, () => {
      if (here.card('vault-in', CARD) === 'prompt_pin') here.type('vault-in', codes.next().value);
    });
    expect(here.guesses()).toBeLessThanOrEqual(20);
    expect(here.guesses()).toBeGreaterThan(17);
    expect(here.events('acs_entrance.locked_out')[0]).toMatchObject({
      locked: 'card',
      why: 'per_day',
      acs_credential_id: expect.any(String) as string,
    });
    if (here.card('vault-in', CARD) === 'prompt_pin') here.type('vault-in', codes.next().value);
    expect(here.card('vault-in', CARD)).toBe('locked_out');
    expect(here.card('vault-in', 'H10301:123:1')).toBe('prompt_pin');
    expect(here.type('vault-in', OWN)).toBe('granted');
  }, 60_000);
});

describe('in a whole facility', () => {
  const MANY = 40;
  const place = (i: number): CodePlace => ({
    reader: `reader-${i}`,
    place: `door-${i}`,
    acsCredentialId: null,
  });

  it('guessing at all doors in turn is slowed to one at a time, told once, and ends no door for good', async () => {
    const clock = new ManualClock();
    const gate = new CodeGate(openStore(temporaryFolder(), clock), clock, POLICY.lockout);
    const codes = wrongCodes();
    let [guesses, alarms] = [0, 0];
    for (let second = 0; second < 86_400; second += 15) {
      for (let i = 0; i < MANY; i++) {
        if (gate.lockedForMs(place(i)) > 0) continue;
        guesses += 1;
        alarms += gate.wrong(place(i), codes.next().value).filter(({ kind }) => kind === 'facility').length;
      }
      await clock.advance(15_000);
    }
    expect(guesses).toBeLessThanOrEqual(200 + 1440);
    expect(guesses).toBeGreaterThan(1000);
    expect(alarms).toBe(1);
    await clock.advance(MINUTE_MS);
    const untouched = { reader: 'other', place: 'other', acsCredentialId: null };
    expect(gate.lockedForMs(untouched)).toBe(0);
    gate.wrong({ reader: 'x', place: 'x', acsCredentialId: null }, '000001');
    expect(gate.lockedForMs(untouched)).toBeGreaterThan(0);
    expect(gate.lockedForMs({ ...untouched, acsCredentialId: 'a card that is let in' })).toBe(0);
  }, 60_000);

  it('it is an alarm, PINs wait a minute at every door, and cards open', async () => {
    const doors = Array.from({ length: 9 }, (_, i) => ({ name: `door-${i}`, readers: [`reader-${i}`] }));
    const here = await keypads(doors);
    await withOwnPin(here, 'door-8');
    await here.caller().call('credentials/create', {
      acs_user_id: USER,
      access_method: 'card',
      card_number: 'H10301:123:45678',
      allowed_acs_entrance_ids: [entranceId('door-8')],
    });
    const codes = wrongCodes();
    for (let i = 0; here.events('facility.pin_entry_slowed').length === 0 && i < 2000; i++) {
      here.type(`reader-${i % 8}`, codes.next().value);
      await here.clock().advance(5_000);
    }
    expect(here.guesses()).toBe(100);
    expect(here.events('facility.pin_entry_slowed')).toMatchObject([{ per_day: 200, pause_ms: 60_000 }]);
    expect(here.type('reader-8', OWN)).toBe('locked_out');
    expect(here.card('reader-8', 'H10301:123:45678')).toBe('granted');
    await here.clock().advance(MINUTE_MS);
    expect(here.type('reader-8', OWN)).toBe('granted');
  }, 60_000);
});
