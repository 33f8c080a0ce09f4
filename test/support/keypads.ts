// Keypads for tests about guessing: a real store, doors that only note what they are told, and a process that may end
// and start again at any moment.

import { Access } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import { encodeWiegand } from '../../src/domain/card-formats.ts';
import type { AreaSetup, InterlockSetup } from '../../src/domain/areas.ts';
import type { EntranceSetup, Policy } from '../../src/domain/facility.ts';
import type { Device, Feedback, OutputOutcome, Presentation } from '../../src/domain/ports.ts';
import { type Factors, widestOf, type FactorsByTime } from '../../src/domain/factors.ts';
import { Site } from '../../src/domain/site.ts';
import type { TimeWitness } from '../../src/domain/window.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from './manual-clock.ts';
import { buildRoom, Caller, ENTRANCES, POLICY, silentLog, SYSTEM, USER } from './room.ts';
import { openStore, temporaryFolder } from './store.ts';
import { newCounters } from '../../drivers/kit/counters.ts';

export type Keypads = {
  clock: () => ManualClock;
  store: () => Store;
  access: () => Access;
  site: () => Site;
  caller: () => Caller;
  /** What the reader showed last. */
  shown: Map<string, Feedback>;
  pulses: () => number;
  type: (reader: string, digits: string) => Feedback | undefined;
  card: (reader: string, canonical: string) => Feedback | undefined;
  /** Ends the process, in order or at once, and starts it again; its monotonic clock begins anew. */
  restart: (how: 'orderly' | 'killed') => void;
  /** Events so far, whole. */
  events: (type: string) => Record<string, unknown>[];
  /** Codes that were looked up and that nobody has. */
  guesses: () => number;
  witness: { time: Partial<TimeWitness>; offlineForMs: number | null };
  /** What strikes answer from now on. */
  strike: { outcome: OutputOutcome };
  /** Devices that do not answer. */
  away: Set<string>;
  time: () => TimeWitness;
  /** The finer reasons of all denials so far. */
  details: string[];
  /** What the events of decisions say, but of those that use something up. */
  decided: Record<string, unknown>[];
  /** Controllers whose tables were to be looked at. */
  woken: string[];
};

export type Door = {
  name: string;
  readers: readonly string[];
  factors?: Factors;
  factorsByTime?: FactorsByTime | null;
  isGuestRoom?: boolean;
  /** What it has otherwise than the lobby. */
  more?: Partial<EntranceSetup>;
};

export const entranceId = (name: string): string =>
  `55555555-5555-5555-5555-${Buffer.from(name.padEnd(6, '.').slice(0, 6)).toString('hex')}`;

export async function keypads(
  doors: readonly Door[],
  policy: Partial<Policy> = {},
  cardFormats: readonly string[] = ['H10301', 'uid'],
  zones: { areas?: readonly AreaSetup[]; interlocks?: readonly InterlockSetup[] } = {},
): Promise<Keypads> {
  const folder = temporaryFolder();
  const whole = { ...POLICY, ...policy };
  const shown = new Map<string, Feedback>();
  const witness: Keypads['witness'] = { time: {}, offlineForMs: null };
  const strike: Keypads['strike'] = { outcome: { outcome: 'done', confirmed: true } };
  const away = new Set<string>();
  let pulses = 0;
  let guesses = 0;
  const counters = newCounters();
  const status = (name: string): ReturnType<Device['status']> => ({
    online: !away.has(name),
    sinceMs: 0,
    identity: null,
    problem: null,
    counters,
  });
  const device = (name: string): Partial<Device> => ({
    status: () => status(name),
    readers: { feedback: (_reader, signal) => void shown.set(name, signal) },
    outputs: {
      pulse: (_output, _ms, _notAfter, onSent) => {
        pulses += 1;
        onSent?.();
        return Promise.resolve(strike.outcome);
      },
      set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
    },
  });
  const details: string[] = [];
  const decided: Record<string, unknown>[] = [];
  const woken: string[] = [];
  const timeOf = (clock: ManualClock) => (): TimeWitness => ({
    trusted: true,
    nowMs: clock.nowMs(),
    floorMs: null,
    isGraceLeft: true,
    ...witness.time,
  });
  const start = (wallMs?: number) => {
    const clock = new ManualClock(wallMs);
    const store = openStore(folder, clock);
    const byCode = store.reach.byCode.bind(store.reach);
    store.reach.byCode = (hash, entranceKey) => {
      const found = byCode(hash, entranceKey);
      if (found.length === 0) guesses += 1;
      return found;
    };
    const site = store.now(
      () =>
        new Site(
          doors.map(({ name, readers, factors, factorsByTime = null, isGuestRoom = false, more = {} }) => {
            const acsEntranceId = entranceId(name);
            const setup = {
              ...ENTRANCES.lobby,
              name,
              acsEntranceId,
              readers,
              factors: factorsByTime === null ? (factors ?? 'card_or_code') : widestOf(factorsByTime),
              factorsByTime,
              isGuestRoom,
              ...more,
            };
            return { ...setup, entranceKey: store.entrances.declare(acsEntranceId, name) };
          }),
          [],
          [],
          zones,
        ),
    );
    const recorder = new Recorder(store, clock, silentLog);
    const within = recorder.within.bind(recorder);
    recorder.within = (source, events) => {
      for (const { body } of events) {
        const reason = body['reason'] as { detail: string } | undefined;
        if (reason !== undefined) details.push(reason.detail);
        if (body['gates'] !== undefined) decided.push(body);
      }
      return within(source, events);
    };
    const access = new Access({
      modeInputs: [],
      site,
      store,
      recorder,
      policy: whole,
      clock,
      log: silentLog,
      device: (name) => device(name) as Device,
      cardFormatsOf: () => cardFormats,
      time: timeOf(clock),
      acsSystemId: SYSTEM,
      timeZone: 'Europe/Oslo',
      offlineForMs: () => witness.offlineForMs,
      onChange: () => undefined,
      wake: (controllers) => void woken.push(...controllers),
      problem: () => undefined,
    });
    const room = { ...buildRoom(store, clock, whole), site, doors: access };
    return { clock, store, site, access, caller: new Caller(room) };
  };
  let running = start();
  await running.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const present = (reader: string, presentation: Presentation): Feedback | undefined => {
    shown.delete(reader);
    const atMonotonicMs = running.clock.monotonicMs();
    running.access.presented({ type: 'presented', device: reader, reader: 0, presentation, atMonotonicMs });
    return shown.get(reader);
  };
  const events = (type: string): Record<string, unknown>[] =>
    running.store.events
      .after(0, 100_000)
      .filter((event) => event.event_type === type)
      .map((event) => JSON.parse(event.body) as Record<string, unknown>);
  return {
    clock: () => running.clock,
    store: () => running.store,
    access: () => running.access,
    site: () => running.site,
    caller: () => running.caller,
    shown,
    pulses: () => pulses,
    type: (reader, digits) => present(reader, { kind: 'digits', digits }),
    card: (reader, canonical) => {
      const bits = encodeWiegand(canonical);
      const uid = { kind: 'uid', bytes: Buffer.from(canonical.slice(4), 'hex') } as const;
      return present(reader, { kind: 'card', reading: bits === null ? uid : { kind: 'wiegand', ...bits } });
    },
    restart: (how) => {
      if (how === 'orderly') running.access.stop();
      running.store.close();
      running = start(running.clock.nowMs());
    },
    events,
    guesses: () => guesses,
    witness,
    strike,
    away,
    time: () => timeOf(running.clock)(),
    details,
    decided,
    woken,
  };
}
