// A reader, a contact or a button that never stops: what it may use up, what is told of it, and that nobody else waits
// or loses anything for it.

import { expect, test } from 'vitest';
import { Access } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import { encodeWiegand } from '../../src/domain/card-formats.ts';
import type { Device } from '../../src/domain/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { buildRoom, buildSite, Caller, ENTRANCES, LOBBY, POLICY, silentLog, SYSTEM, USER } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
import { newCounters } from '../../drivers/kit/counters.ts';

const BACK = '55555555-5555-5555-5555-000000000009';
const CARD = 'H10301:123:45678';
const RUSH_S = 110 * 60;

type Event = Record<string, unknown> & { event_type: string };
type House = {
  access: Access;
  recorder: Recorder;
  clock: ManualClock;
  store: Store;
  pulses: number[];
  problems: (string | null)[];
  show: (reader: 'lobby-reader' | 'back-reader', canonical: string) => void;
  type: (digits: string) => void;
  /** The lobby's contact is input 0, its button input 1. */
  input: (input: number, active: boolean) => void;
  events: (eventType?: string) => Event[];
};

/** Two doors; a card opens the lobby, and both know of no other. */
async function house(): Promise<House> {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  const back = {
    ...ENTRANCES.lobby,
    name: 'back',
    acsEntranceId: BACK,
    readers: ['back-reader'],
    contact: null,
    rex: null,
  };
  const pulses: number[] = [];
  const board: Partial<Device> = {
    outputs: {
      pulse: (_output, _ms, _notAfter, onSent) => {
        pulses.push(clock.monotonicMs());
        onSent?.();
        return Promise.resolve({ outcome: 'done', confirmed: true });
      },
      set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
    },
    status: () => ({ online: true, sinceMs: 0, identity: null, problem: null, counters: COUNTERS }),
  };
  const recorder = new Recorder(store, clock, silentLog);
  const problems: (string | null)[] = [];
  const access = new Access({
    site: buildSite(store, [ENTRANCES.lobby, back]),
    store,
    recorder,
    policy: POLICY,
    modeInputs: [],
    clock,
    log: silentLog,
    device: (name) => (name === 'relay-board' ? (board as Device) : undefined),
    cardFormatsOf: () => ['H10301'],
    time: () => ({ trusted: true, nowMs: clock.nowMs(), floorMs: null, isGraceLeft: true }),
    acsSystemId: SYSTEM,
    timeZone: 'Europe/Oslo',
    offlineForMs: () => null,
    onChange: () => undefined,
    problem: (_reader, problem) => void problems.push(problem),
    wake: () => undefined,
  });
  const caller = new Caller(buildRoom(store, clock));
  await caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const access_method = 'card';
  const given = { acs_user_id: USER, access_method, card_number: CARD, allowed_acs_entrance_ids: [LOBBY] };
  expect((await caller.call('credentials/create', given)).error).toBeUndefined();
  return {
    access,
    recorder,
    clock,
    store,
    pulses,
    problems,
    show(device, canonical) {
      const bits = encodeWiegand(canonical);
      if (bits === null) throw new Error('no such card');
      const presentation = { kind: 'card', reading: { kind: 'wiegand', ...bits } } as const;
      access.presented({ type: 'presented', device, reader: 0, presentation, atMonotonicMs: clock.monotonicMs() });
    },
    type(digits) {
      const presentation = { kind: 'digits', digits } as const;
      const atMonotonicMs = clock.monotonicMs();
      access.presented({ type: 'presented', device: 'lobby-reader', reader: 0, presentation, atMonotonicMs });
    },
    input(input, active) {
      const atMonotonicMs = clock.monotonicMs();
      access.input({
        type: 'input',
        device: 'relay-board',
        input,
        active,
        atMonotonicMs,
        changedAfterMonotonicMs: atMonotonicMs,
      });
    },
    events: (eventType) =>
      store.events
        .after(0, 1_000_000)
        .map(({ body }) => JSON.parse(body) as Event)
        .filter((event) => eventType === undefined || event.event_type === eventType),
  };
}

const COUNTERS = newCounters();
const unknown = (n: number): string => `H10301:9:${n % 65_536}`;
const of = (events: readonly Event[], entrance: string): Event[] =>
  events.filter(({ acs_entrance_id: at }) => at === entrance);

test('a reader that shows unknown cards without end is judged as fast as people are, and the rest is counted in a few events', async () => {
  const here = await house();
  for (let n = 0, second = 0; second < 100; second++) {
    for (let i = 0; i < 50; i++) {
      here.show('lobby-reader', unknown(n++));
      await here.clock.advance(20);
    }
  }
  await here.clock.advance(60_000);
  const denied = here.events('lock.access_denied').length;
  expect(denied).toBeGreaterThan(900);
  expect(denied).toBeLessThanOrEqual(30 + 100 * 10);
  const counted = here.events('device.presentations_dropped');
  expect(counted.length).toBeLessThanOrEqual(3);
  expect(counted[0]).toMatchObject({
    device: 'lobby-reader',
    acs_entrance_id: LOBBY,
    kinds: { card: expect.any(Number) },
  });
  expect(counted.reduce((sum, { count }) => sum + Number(count), denied)).toBe(5000);
  expect(here.problems).toEqual([expect.stringContaining('Look at the reader'), null]);
});

test('no event of another door is lost or late meanwhile, and the flooded reader lets in again as soon as it is over', async () => {
  const here = await house();
  const commits = here.store.commits;
  for (let second = 0; second < 60; second++) {
    for (let i = 0; i < 100; i++) {
      here.show('lobby-reader', unknown(i));
      if (i === 50 && second % 3 === 0) {
        here.show('back-reader', unknown(second));
        expect(of(here.events('lock.access_denied'), BACK)).toHaveLength(second / 3 + 1);
      }
      await here.clock.advance(10);
    }
  }
  // Ten denials a second share a few commits; those of the other door were stored at once, as ever.
  expect(here.store.commits - commits).toBeLessThan(60 * 5 + 20 + 20);
  await here.clock.advance(200);
  here.show('lobby-reader', CARD);
  expect(here.pulses).toHaveLength(1);
  await here.clock.advance(1000);
  expect(of(here.events('lock.unlocked'), LOBBY)).toHaveLength(1);
});

test('people at a turnstile, and a held card that its reader repeats ten times a second, never meet the budget', async () => {
  const here = await house();
  for (let second = 0; second < 300; second += 30) {
    for (let i = 0; i < 30; i++) here.show('lobby-reader', CARD);
    await here.clock.advance(30_000);
  }
  for (let i = 0; i < 300; i++) {
    here.show('back-reader', CARD);
    await here.clock.advance(100);
  }
  await here.clock.advance(1000);
  expect(of(here.events('lock.unlocked'), LOBBY)).toHaveLength(300);
  expect(of(here.events('lock.access_denied'), BACK)).toHaveLength(300);
  expect(here.problems).toEqual([]);
});

test('two rush hours of a turnstile, a person each second, are told one by one', async () => {
  const { recorder, clock } = await house();
  const source = { acs_system_id: SYSTEM, acs_entrance_id: LOBBY, device: 'lobby-reader' };
  let told = 0;
  for (let second = 0; second < RUSH_S; second += 60) {
    const minute = Array.from({ length: 60 }, () => ({ event_type: 'lock.unlocked' as const, body: source }));
    told += recorder.within(source, minute).length;
    await clock.advance(60_000);
  }
  expect(told).toBe(RUSH_S);
});

test('a flood of codes is no way around the lockout: what is not judged is no guess', async () => {
  const here = await house();
  for (let n = 0; n < 2000; n++) {
    here.type(String(100_000 + n));
    await here.clock.advance(10);
  }
  await here.clock.advance(1000);
  expect(here.events('acs_entrance.locked_out')).toHaveLength(1);
  const denied = here.events('lock.access_denied').map(({ reason }) => (reason as { detail: string }).detail);
  expect(denied.filter((detail) => detail === 'unknown_credential')).toHaveLength(POLICY.lockout.attempts);
});

test('denials that come fast keep their own time and order, and those that wait when the agent stops are stored', async () => {
  const here = await house();
  for (let n = 0; n < 20; n++) {
    here.show('lobby-reader', unknown(n));
    await here.clock.advance(7);
  }
  here.access.stop();
  here.recorder.stop();
  const times = here.events('lock.access_denied').map(({ occurred_at }) => Date.parse(String(occurred_at)));
  expect(times).toHaveLength(20);
  expect(times.map((at) => at - (times[0] ?? 0))).toEqual(Array.from({ length: 20 }, (_, n) => n * 7));
});

test('a contact that chatters without end is told thousands of times, then counted, and its door knows its last state all along', async () => {
  const here = await house();
  for (let n = 0; n < 9000; n++) {
    here.input(0, n % 2 === 1);
    await here.clock.advance(20);
  }
  here.input(0, true);
  expect(here.access.state(ENTRANCES_LOBBY)).toMatchObject({ isOpen: true, isForced: true });
  await here.clock.advance(60_000);
  const told = here.events('acs_entrance.forced').length;
  expect(told).toBeGreaterThanOrEqual(3600);
  expect(told).toBeLessThan(3600 + 400);
  const dropped = here.events('device.events_dropped');
  expect(dropped.length).toBeLessThanOrEqual(4);
  expect(dropped[0]).toMatchObject({
    acs_entrance_id: LOBBY,
    event_types: { 'acs_entrance.forced': expect.any(Number) },
  });
});

const ENTRANCES_LOBBY = { ...ENTRANCES.lobby, entranceKey: 1 };

test('an exit button that chatters opens at once, for its last press as well, and holds the bus up four times a second at most', async () => {
  const here = await house();
  here.input(1, true);
  expect(here.pulses).toEqual([0]);
  for (let n = 0; n < 500; n++) {
    here.input(1, n % 2 === 1);
    await here.clock.advance(20);
  }
  const lastPressMs = here.clock.monotonicMs() - 20;
  await here.clock.advance(1000);
  expect(here.pulses.length).toBeLessThanOrEqual(10 * 4 + 2);
  expect(here.pulses.at(-1)).toBeGreaterThanOrEqual(lastPressMs);
  here.input(1, false);
  here.input(1, true);
  expect(here.pulses.at(-1)).toBe(here.clock.monotonicMs());
});

test('while the disk fails, the flood of one door pushes no event of another out of memory', async () => {
  const here = await house();
  here.store.close();
  const full = new Recorder(null, here.clock, silentLog);
  const note = (acs_entrance_id: string, count: number): void => {
    const source = { acs_system_id: SYSTEM, acs_entrance_id, device: null };
    for (let n = 0; n < count; n++) full.note(source, [{ event_type: 'acs_entrance.opened', body: { ...source, n } }]);
  };
  note(BACK, 20);
  note(LOBBY, 3000);
  await here.clock.advance(2000);
  expect(full.kept.filter(({ body }) => body['acs_entrance_id'] === BACK)).toHaveLength(20);
  expect(full.kept).toHaveLength(1000);
});
