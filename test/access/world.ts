// A lobby with a reader, a strike, a contact and an exit button that only note what they are told, for tests of what the
// door does. Its database is real.

import Database from 'better-sqlite3';
import { expect } from 'vitest';
import { Access, type How } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import type { EntranceSetup, ModeInput, Policy } from '../../src/domain/facility.ts';
import type { Factors } from '../../src/domain/factors.ts';
import type {
  Device,
  Feedback,
  FeedbackLook,
  OutputCapabilities,
  OutputOutcome,
  Presentation,
} from '../../src/domain/ports.ts';
import type { SiteEntrance } from '../../src/domain/site.ts';
import { encodeWiegand } from '../../src/domain/card-formats.ts';
import type { TimeWitness } from '../../src/domain/window.ts';
import type { Store } from '../../src/store/store.ts';
import { TestSensor } from '../support/sensor.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SignedKeys } from '../../src/agent/signed-keys.ts';
import type { CredentialManager } from '../../src/domain/credential-manager.ts';
import {
  buildRoom,
  buildSite,
  Caller,
  ENTRANCES,
  LOBBY,
  POLICY,
  silentLog,
  SYSTEM,
  USER,
  type TestRoom,
} from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
import { newCounters } from '../../drivers/kit/counters.ts';

export const CARD = 'H10301:123:45678';
export const ID = '66666666-6666-6666-6666-666666666666';
export const ENCODER = '77777777-7777-7777-7777-777777777777';

const NO_COUNTERS = newCounters();

export type World = {
  access: Access;
  /** The lobby, as this world has it. */
  entrance: SiteEntrance;
  clock: ManualClock;
  store: Store;
  room: TestRoom;
  caller: Caller & { isTrusted: (is: boolean) => void };
  /** Another life of the doors, over the same database. */
  restarted: () => Access;
  /** The same, and from now on it is the one to which things are shown and commands go. */
  restart: () => Access;
  /** Changes the database behind the back of Lintel. */
  tamper: (sql: string) => void;
  /** The latest event, with what it says. */
  told: () => Record<string, unknown>;
  pulses: { output: number; ms: number }[];
  /** What outputs were set to, besides pulses: `0 on`. */
  sets: string[];
  shown: Feedback[];
  /** How it was to look, where that was said. */
  looks: (FeedbackLook | undefined)[];
  /** What the strike answers from now on. */
  strike: { outcome: OutputOutcome; isBusBusy: boolean; send: (() => void) | undefined; onPulse: () => void };
  reader: { isOnline: boolean };
  /** Where fingers are put at the lobby's reader. */
  sensor: TestSensor;
  time: { witness: Partial<TimeWitness> };
  offline: { forMs: number | null };
  present: (presentation: Presentation) => void;
  card: (canonical?: string, reader?: string) => void;
  digits: (digits: string) => void;
  /** Events so far: type, and the finer reason of a denial. */
  events: () => string[];
};

export type Given = {
  factors?: Factors;
  policy?: Partial<Policy>;
  withoutStore?: boolean;
  takesPhones?: boolean;
  readsFingers?: boolean;
  managers?: readonly CredentialManager[];
  entrance?: Partial<EntranceSetup>;
  outputs?: readonly OutputCapabilities[];
  modeInputs?: readonly ModeInput[];
  /** In place of the lobby; the first of them is `entrance`. */
  entrances?: readonly EntranceSetup[];
};

export function world(given: Given = {}): World {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  const policy = { ...POLICY, ...given.policy };
  const lobby = {
    ...ENTRANCES.lobby,
    factors: given.factors ?? 'card_or_code',
    takesMobileKeys: given.takesPhones === true,
    encoder: { acsEncoderId: ENCODER, reader: 'lobby-reader' },
    ...given.entrance,
  };
  const site = buildSite(store, given.entrances ?? [lobby]);
  const pulses: World['pulses'] = [];
  const sets: string[] = [];
  const shown: Feedback[] = [];
  const looks: World['looks'] = [];
  const strike: World['strike'] = {
    outcome: { outcome: 'done', confirmed: true },
    isBusBusy: false,
    send: undefined,
    onPulse: () => undefined,
  };
  const time: World['time'] = { witness: {} };
  const offline: World['offline'] = { forMs: null };
  const reader: World['reader'] = { isOnline: true };
  const sensor = new TestSensor();
  const devices: Record<string, Partial<Device>> = {
    'lobby-reader': {
      status: () => ({ online: reader.isOnline, sinceMs: 0, identity: null, problem: null, counters: NO_COUNTERS }),
      readers: {
        feedback: (_reader, signal, look) => {
          shown.push(signal);
          looks.push(look);
        },
      },
      biometrics: given.readsFingers === true ? sensor : null,
    },
    'relay-board': {
      status: () => ({ online: true, sinceMs: 0, identity: null, problem: null, counters: NO_COUNTERS }),
      capabilities: {
        slots: null,
        readers: [],
        outputs: given.outputs ?? [],
        inputs: [],
        doors: [],
        clock: false,
        events: false,
      },
      outputs: {
        pulse: (output, ms, _notAfter, onSent) => {
          pulses.push({ output, ms });
          strike.onPulse();
          if (strike.isBusBusy) strike.send = onSent;
          else onSent?.();
          return strike.isBusBusy ? new Promise(() => undefined) : Promise.resolve(strike.outcome);
        },
        set: (output, energised) => {
          sets.push(`${output} ${energised ? 'on' : 'off'}`);
          return Promise.resolve(strike.outcome);
        },
      },
    },
  };
  const make = (): Access =>
    new Access({
      site,
      store: given.withoutStore === true ? null : store,
      recorder: new Recorder(given.withoutStore === true ? null : store, clock, silentLog),
      policy,
      modeInputs: given.modeInputs ?? [],
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
      takeToken: (token, key) => signedKeys.take(token, key),
    });
  const access = make();
  let current = access;
  const room: TestRoom = Object.assign(buildRoom(store, clock, policy), {
    site,
    doors: access,
    encoders: access.scans,
    credentialManagers: given.managers ?? [],
  });
  const signedKeys = new SignedKeys(room);
  const present = (presentation: Presentation, device = 'lobby-reader'): void =>
    current.presented({
      type: 'presented',
      device,
      reader: 0,
      presentation,
      atMonotonicMs: clock.monotonicMs(),
    });
  const [entrance] = site.entrances;
  if (entrance === undefined) throw new Error('the lobby is there');
  return {
    access,
    entrance,
    clock,
    store,
    room,
    caller: Object.assign(new Caller(room), { isTrusted: (is: boolean) => void (room.isTrusted = is) }),
    restarted: make,
    restart: () => (room.doors = current = make()),
    tamper: (sql) => {
      const db = new Database(store.path);
      db.exec(sql);
      db.close();
    },
    told: () => {
      const [event] = store.events.after(store.events.lastSequence() - 1, 1);
      return { event_type: event?.event_type, ...(JSON.parse(event?.body ?? '{}') as object) };
    },
    pulses,
    sets,
    shown,
    looks,
    strike,
    reader,
    sensor,
    time,
    offline,
    present,
    card: (canonical = CARD, reader) => {
      const bits = encodeWiegand(canonical);
      if (bits === null) throw new Error('the tests show Wiegand cards');
      present({ kind: 'card', reading: { kind: 'wiegand', ...bits } }, reader);
    },
    digits: (digits) => present({ kind: 'digits', digits }),
    events: () =>
      store.events.after(0, 1000).map((event) => {
        const body = JSON.parse(event.body) as { reason?: { detail?: string } };
        return body.reason?.detail === undefined ? event.event_type : `${event.event_type} ${body.reason.detail}`;
      }),
  };
}

export async function withCard(given: Given = {}, params: Record<string, unknown> = {}): Promise<World> {
  const here = world(given);
  await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const reply = await here.caller.call('credentials/create', {
    acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: CARD, allowed_acs_entrance_ids: [LOBBY], ...params,
  }); // prettier-ignore
  expect(reply.error).toBeUndefined();
  return here;
}
export const code = (here: World, pin: string, more: Record<string, unknown> = {}): Promise<unknown> =>
  here.caller.call('credentials/create', {
    acs_user_id: USER,
    access_method: 'code',
    code: pin,
    allowed_acs_entrance_ids: [LOBBY],
    ...more,
  });
export const asked = (time: TimeWitness): How => ({
  time,
  isNow: false,
  reader: 'lobby-reader',
  asker: { source: 'local', sender: null },
});
export const last = (here: World): string => here.events().at(-1) ?? '';

/** The lobby as the facility file has it. */
export function lobby(store: Store | null = null): SiteEntrance {
  const [entrance] = buildSite(store, [ENTRANCES.lobby]).entrances;
  if (entrance === undefined) throw new Error('the lobby is there');
  return entrance;
}

const input = (here: World, at: number, active: boolean): void =>
  here.access.input({
    type: 'input',
    device: 'relay-board',
    input: at,
    active,
    atMonotonicMs: here.clock.monotonicMs(),
    changedAfterMonotonicMs: here.clock.monotonicMs(),
  });
/** The contact of the door opens (active) or closes. */
export const contact = (here: World, active: boolean): void => input(here, 0, active);
/** The exit button is pressed. */
export const exit = (here: World): void => input(here, 1, true);
