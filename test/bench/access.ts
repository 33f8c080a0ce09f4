// What people, groups and entrances cost a decision: from a card's bits to its strike in a facility of 250,000 cards,
// 5,000 groups with hours, 500 entrances in 50 areas (anti-passback, limits) and an interlock each, and in one of
// 1,000,000, against one with a single card, no group and one such area, one after the other in the same run; and what
// the areas cost, for who goes into one is on the disk before the strike moves. And while a group of 50,000 gains an entrance whose controller is to hold them; and what such a
// change costs where no controller is concerned. `access/tenth` is all of it at a tenth of the size.

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { newCounters } from '../../drivers/kit/counters.ts';
import { Access } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import type { AreaSetup } from '../../src/domain/areas.ts';
import { readingOf } from '../../src/domain/card-formats.ts';
import type { Clock, Device } from '../../src/domain/ports.ts';
import { Site } from '../../src/domain/site.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { Followers } from '../../src/sync/followers.ts';
import type { Store } from '../../src/store/store.ts';
import { buildRoom, Caller, ENTRANCES, POLICY, silentLog, SLOTS, strikeOf, SYSTEM } from '../support/room.ts';
import { benchFolder, openBenchStore } from './building.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

type Size = { cards: number; groups: number; entrances: number; crowd: number; areas: number };

const ROUNDS = 5;
const DECISIONS = 400;
const CHANGES = 40;
const PER_TRANSACTION = 5_000;
/** What is presented faster than people can is not judged: between two of them a second passes, by this clock. */
const BETWEEN_MS = 1000;
const MOST_AGAINST_ONE = 2;
const MOST_AGAINST_QUARTER = 1.3;
const MOST_AGAINST_REST = 2;
const MOST_AGAINST_SMALL_GROUP = 1.5;

export async function run(report: Report, part: string | null): Promise<void> {
  const scale = part === 'tenth' ? 10 : 1;
  const sized = (cards: number): Size => ({ cards: cards / scale, groups: 5_000 / scale, entrances: 500 / scale, crowd: 50_000 / scale, areas: 50 }); // prettier-ignore
  const folders = [benchFolder(), benchFolder(), benchFolder(), benchFolder()];
  const stores = folders.map(({ folder }) => openBenchStore(folder));
  try {
    const alone = { cards: 1, groups: 0, entrances: 1, crowd: 0, areas: 1 };
    const sizes = [{ ...alone, areas: 0 }, alone, sized(250_000), sized(1_000_000)];
    const [bare, one, quarter, million] = stores.flatMap((store, i) => {
      const size = sizes[i];
      return size === undefined ? [] : [facility(store, size)];
    });
    if (bare === undefined || one === undefined || quarter === undefined || million === undefined) return;
    await decisions(report, { bare, one, quarter, million });
    await changes(report, quarter);
    await gaining(report, quarter);
    for (const { access } of [bare, one, quarter, million]) access.stop();
  } finally {
    for (const store of stores) store.close();
    for (const { remove } of folders) remove();
  }
}

type Facilities = Record<'bare' | 'one' | 'quarter' | 'million', Facility>;

async function decisions(report: Report, facilities: Facilities): Promise<void> {
  const rounds: Record<keyof Facilities, Took[][]> = { bare: [], one: [], quarter: [], million: [] };
  const names = ['bare', 'one', 'quarter', 'million'] as const;
  for (let round = 0; round <= ROUNDS; round++) {
    const took: Record<keyof Facilities, Took[]> = { bare: [], one: [], quarter: [], million: [] };
    for (let n = 0; n < DECISIONS; n++) {
      for (const name of names) {
        took[name].push(facilities[name].show(n));
        await setImmediate();
      }
    }
    // The first one compiles the code that it runs through.
    if (round > 0) for (const name of names) rounds[name].push(took[name]);
  }
  const { quarter, million } = facilities;
  const of = (name: keyof Facilities, what: keyof Took, fraction: number): number =>
    median(rounds[name].map((took) => percentile(took.map((one) => one[what]), fraction))); // prettier-ignore
  for (const [what, key, fraction] of [
    ['median', 'wallMs', 0.5],
    // On a machine with other things to do the last percent is what those took.
    ['processor time, p99', 'cpuMs', 0.99],
    ['p99', 'wallMs', 0.99],
  ] as const) {
    const [bare, alone, large, huge] = [of('bare', key, fraction), of('one', key, fraction), of('quarter', key, fraction), of('million', key, fraction)]; // prettier-ignore
    report(beside('access', `bits to strike, one card, no group, no area, ${what}`, bare, 'ms'));
    report(beside('access', `bits to strike, one card, no group, one area, ${what}`, alone, 'ms'));
    report(beside('access', `bits to strike, ${quarter.size.cards} cards in ${quarter.size.groups} groups, ${what}`, large, 'ms')); // prettier-ignore
    report(beside('access', `bits to strike, ${million.size.cards} cards, ${what}`, huge, 'ms'));
    report(beside('access', `${what}: an area / none`, alone / bare, 'x'));
    const [firstRatio, secondRatio] = [large / alone, huge / large];
    report(what === 'p99' ? against('access', `${what}: ${quarter.size.cards} cards / one`, firstRatio, 'x', '<=', MOST_AGAINST_ONE) : beside('access', `${what}: ${quarter.size.cards} cards / one`, firstRatio, 'x')); // prettier-ignore
    report(what === 'p99' ? against('access', `${what}: ${million.size.cards} cards / ${quarter.size.cards}`, secondRatio, 'x', '<=', MOST_AGAINST_QUARTER) : beside('access', `${what}: ${million.size.cards} cards / ${quarter.size.cards}`, secondRatio, 'x')); // prettier-ignore
  }
}

/** A group gains and loses an entrance that the gateway decides for: one with a crowd in it, and one with one member. */
async function changes(report: Report, { caller, crowd, lonely, gatewayDoor }: Facility): Promise<void> {
  const took = { crowd: [] as number[], lonely: [] as number[] };
  const change = async (group: string, at: number[]): Promise<void> => {
    const params = { acs_access_group_id: group, acs_entrance_id: gatewayDoor };
    const fromMs = performance.now();
    await must(caller, 'entrances/grant_access', params);
    at.push(performance.now() - fromMs);
    await must(caller, 'entrances/revoke_access', params);
  };
  for (let n = 0; n < CHANGES; n++) {
    await change(crowd, took.crowd);
    await change(lonely, took.lonely);
  }
  const [large, small] = [median(took.crowd.slice(5)), median(took.lonely.slice(5))];
  report(beside('access', 'a group of one gains an entrance without a controller, median', small, 'ms'));
  report(against('access', 'the same of a group with a crowd / of one', large / small, 'x', '<=', MOST_AGAINST_SMALL_GROUP)); // prettier-ignore
}

/** The crowd gains an entrance whose controller is to hold them: what a decision takes meanwhile. */
async function gaining(report: Report, large: Facility): Promise<void> {
  const rest: Took[] = [];
  const meanwhile: Took[] = [];
  for (let n = 0; n < 2 * DECISIONS; n++) {
    rest.push(large.show(n));
    await setImmediate();
  }
  const params = { acs_access_group_id: large.crowd, acs_entrance_id: large.controllerDoor };
  await must(large.caller, 'entrances/grant_access', params);
  const followers = new Followers({ store: large.store, site: large.site, clock: systemClock, log: silentLog, wake: () => undefined }); // prettier-ignore
  const fromMs = performance.now();
  let longestMs = 0;
  followers.start();
  for (let n = 0; large.store.groupChanges.next() !== undefined; n++) {
    const turnMs = performance.now();
    await setImmediate();
    longestMs = Math.max(longestMs, performance.now() - turnMs);
    meanwhile.push(large.show(n));
  }
  followers.stop();
  report(beside('access', `${large.size.crowd} members at a controller`, performance.now() - fromMs, 'ms'));
  report(beside('access', 'the longest turn of the loop meanwhile', longestMs, 'ms'));
  const p99 = (each: readonly Took[], what: keyof Took): number => percentile(each.map((one) => one[what]), 0.99); // prettier-ignore
  report(beside('access', `bits to strike meanwhile, ${meanwhile.length} decisions, p99`, p99(meanwhile, 'wallMs'), 'ms')); // prettier-ignore
  report(beside('access', 'processor time, p99 meanwhile / at rest', p99(meanwhile, 'cpuMs') / p99(rest, 'cpuMs'), 'x')); // prettier-ignore
  report(against('access', 'p99 meanwhile / at rest', p99(meanwhile, 'wallMs') / p99(rest, 'wallMs'), 'x', '<=', MOST_AGAINST_REST)); // prettier-ignore
}

async function must(caller: Caller, command: string, params: object): Promise<void> {
  const { error } = await caller.call(command, params);
  if (error !== undefined) throw new Error(`${command}: ${error.message}`);
}

// ---- the facilities -------------------------------------------------------------------------------------------------

/** From a card’s bits to its strike, as a person waits for it and as this thread has computed. */
type Took = { wallMs: number; cpuMs: number };
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

type Facility = {
  size: Size;
  store: Store;
  site: Site;
  access: Access;
  caller: Caller;
  /** Shows the card of somebody at a door that one of their groups opens; how long until its strike is commanded. */
  show: (n: number) => Took;
  crowd: string;
  lonely: string;
  /** Which no group opens. */
  gatewayDoor: string;
  controllerDoor: string;
};

const uuid = (kind: number, n: number): string => `${String(kind).padStart(8, '0')}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`; // prettier-ignore
const ENTRANCE = 1;
const GROUP = 2;
const PERSON = 3;
const ENTRANCES_OF_A_GROUP = 10;

function facility(store: Store, size: Size): Facility {
  const site = siteOf(store, size);
  fill(store, site, size);
  const skipped = { ms: 0 };
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skipped.ms };
  let struckMs = 0;
  let struckCpuMs = 0;
  const status = { online: true, sinceMs: 0, identity: null, problem: null, counters: newCounters() };
  const noting: Partial<Device> = {
    status: () => status,
    readers: { feedback: () => undefined },
    outputs: {
      pulse: (_output, _ms, _notAfter, onSent) => {
        struckMs = performance.now();
        struckCpuMs = cpuMs();
        onSent?.();
        return Promise.resolve({ outcome: 'done', confirmed: true });
      },
      set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
    },
  };
  const access = new Access({
    site,
    store,
    recorder: new Recorder(store, clock, silentLog),
    policy: POLICY,
    modeInputs: [],
    clock,
    log: silentLog,
    device: () => noting as Device,
    cardFormatsOf: () => ['H10302'],
    time: () => ({ trusted: true, nowMs: Date.now(), floorMs: null, isGraceLeft: true }),
    acsSystemId: SYSTEM,
    timeZone: 'Europe/Oslo',
    offlineForMs: () => null,
    onChange: () => undefined,
    problem: () => undefined,
    wake: () => undefined,
  });
  const show = (n: number): Took => {
    const card = (n * 7919) % size.cards;
    const door = size.groups === 0 ? 0 : ((card % size.groups) * 7 + (n % ENTRANCES_OF_A_GROUP)) % size.entrances;
    skipped.ms += BETWEEN_MS;
    // Who came before is let in again.
    if (size.areas > 0) store.now(() => void store.areas.forgive(`area ${door % size.areas}`, uuid(PERSON, card)));
    struckMs = 0;
    const presentation = { kind: 'card', reading: readingOf(`H10302:${card + 1}`) } as const;
    const [fromMs, fromCpuMs] = [performance.now(), cpuMs()];
    access.presented({ type: 'presented', device: `reader ${door}`, reader: 0, presentation, atMonotonicMs: clock.monotonicMs() }); // prettier-ignore
    if (struckMs === 0) throw new Error(`card ${card} does not open door ${door}`);
    return { wallMs: struckMs - fromMs, cpuMs: struckCpuMs - fromCpuMs };
  };
  const room = { ...buildRoom(store, systemClock), site, doors: access };
  return {
    size, store, site, access, show, caller: new Caller(room), crowd: uuid(GROUP, size.groups), lonely: uuid(GROUP, size.groups + 1),
    gatewayDoor: uuid(ENTRANCE, size.entrances), controllerDoor: uuid(ENTRANCE, size.entrances + 1),
  }; // prettier-ignore
}

/** Two more than groups open: one that the gateway decides for, and one whose controller holds the crowd. */
function siteOf(store: Store, size: Size): Site {
  return store.now(() => {
    const entrances = Array.from({ length: size.entrances + 2 }, (_, n) => {
      const isControllers = n === size.entrances + 1;
      const name = `door ${n}`;
      const own = isControllers ? { ...ENTRANCES.storeRoom } : { ...ENTRANCES.lobby, readers: [`reader ${n}`], strike: strikeOf('board', { output: n }), contact: null, rex: null }; // prettier-ignore
      const acsEntranceId = uuid(ENTRANCE, n);
      return { ...own, name, acsEntranceId, entranceKey: store.entrances.declare(acsEntranceId, name) };
    });
    const slots = { ...SLOTS, count: 2 * size.crowd + 10, cardFormats: ['H10302'] };
    const zones = size.areas === 0 ? {} : zonesOf(size);
    return new Site(
      entrances,
      ['board', 'store-panel'],
      [{ name: 'store-panel', slots, foreignSlots: 'report' }],
      zones,
    );
  });
}

/** Every door leads into an area, and is of a set with one that nobody opens. */
function zonesOf({ entrances, cards, areas }: Size) {
  const doors = Array.from({ length: entrances }, (_, n) => n);
  return {
    areas: Array.from({ length: areas }, (_, n): AreaSetup => ({
      name: `area ${n}`,
      displayName: `Area ${n}`,
      inReaders: doors.filter((door) => door % areas === n).map((door) => `reader ${door}`),
      outReaders: [],
      antiPassback: { kind: 'hard' },
      limit: cards,
      exemptGroups: [],
      resets: [],
      twoPersonsMs: null,
    })),
    interlocks: doors.map((door) => ({
      name: `set ${door}`,
      acsEntranceIds: [uuid(ENTRANCE, door), uuid(ENTRANCE, entrances)],
    })),
  };
}

/** Each person has a card and is in one group; the first of them are the crowd as well. */
function fill(store: Store, site: Site, size: Size): void {
  const now = Date.now();
  const groups = store.now(() =>
    Array.from({ length: size.groups === 0 ? 0 : size.groups + 2 }, (_, n) => {
      const acs_access_group_id = uuid(GROUP, n);
      store.groups.insert({ acs_access_group_id, name: `group ${n}`, schedule_key: null, metadata: null, created_at: now }); // prettier-ignore
      const group = store.groups.byId(acs_access_group_id);
      if (group === undefined) throw new Error('the group was just made');
      for (let i = 0; i < ENTRANCES_OF_A_GROUP && n < size.groups; i++) {
        const entrance = site.entrances[(n * 7 + i) % size.entrances];
        if (entrance !== undefined) store.groups.addEntrance(group, entrance);
      }
      return group;
    }),
  );
  const always = { starts_at: null, ends_at: null };
  for (let from = 0; from < size.cards; from += PER_TRANSACTION)
    store.now(() => {
      for (let n = from; n < Math.min(size.cards, from + PER_TRANSACTION); n++) {
        const acs_user_id = uuid(PERSON, n);
        const user_key = store.users.insert({
          acs_user_id, full_name: `Person ${n}`, email_address: null, phone_number: null, user_identity_id: null, ...always, is_suspended: 0, is_extended_access: 0, metadata: null, created_at: now,
        }); // prettier-ignore
        const card = `H10302:${n + 1}`;
        const id = uuid(4, n);
        const key = store.credentials.insert({
          acs_credential_id: id, user_key, access_method: 'card', ...always, has_own_entrances: groups.length === 0 ? 1 : 0, uses_left: 0, max_uses: null, is_duress: 0, used_at: null, invalidated_at: null,
          card_hash: store.secrets.cardHash(card), card_sealed: store.secrets.seal(card, `card ${id}`), code_hash: null, code_sealed: null, code_length: null, secret_revision: null,
          display_name: null, metadata: null, opaque: null, schedule_modified: 0, issued_at: now, synced_at: now, created_at: now, schedule_key: null,
        }); // prettier-ignore
        const [first] = site.entrances;
        if (groups.length === 0 && first !== undefined) store.credentials.setEntrances(key, [first.entranceKey], null);
        const own = groups[n % size.groups];
        const crowd = groups[size.groups];
        const lonely = groups[size.groups + 1];
        if (own !== undefined) store.groups.setMember(own, { user_key, acs_user_id }, always);
        if (crowd !== undefined && n < size.crowd) store.groups.setMember(crowd, { user_key, acs_user_id }, always);
        if (lonely !== undefined && n === 0) store.groups.setMember(lonely, { user_key, acs_user_id }, always);
      }
    });
}
