// A room for command handlers: a real store and a small building, with doors and synchronisation that only note what
// they are asked.

import type { ParamsOf } from '../../src/commands/contract.ts';
import type { AreaSetup } from '../../src/domain/areas.ts';
import type { EntranceSetup, Policy, StrikeSetup } from '../../src/domain/facility.ts';
import type { Clock, Log, SlotCapabilities } from '../../src/domain/ports.ts';
import { Site } from '../../src/domain/site.ts';
import { Dispatcher } from '../../src/commands/dispatcher.ts';
import type { Incoming, Reply } from '../../src/commands/incoming.ts';
import type { Asker, Room, UnlockRequest } from '../../src/commands/room.ts';
import type { ApiError } from '../../src/domain/errors.ts';
import { systemRandom } from '../../src/ops/random.ts';
import type { Store } from '../../src/store/store.ts';

export const USER = '33333333-3333-3333-3333-333333333333';
export const LOBBY = '55555555-5555-5555-5555-555555555555';
export const STORE_ROOM = '55555555-5555-5555-5555-000000000000';
export const SYSTEM = '88888888-8888-8888-8888-888888888888';

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

export const POLICY: Policy = {
  defaultCardFormat: { format: 'H10302' },
  clockUntrusted: 'judge_by_floor',
  clockGraceMs: 86_400_000,
  offline: {},
  word: 'connection',
  overrideGroups: [],
  offlineWarnMs: 3_600_000,
  storeDamaged: 'refuse',
  lockout: {
    attempts: 5,
    windowMs: 60_000,
    firstMs: 60_000,
    maxMs: 900_000,
    perDay: 50,
    perDayCard: 20,
    perDayFacility: 200,
  },
  pinSpace: 'enforce',
  pinQuality: 'warn',
  preloadMs: 72 * 3_600_000,
  arrivalMs: 30 * 60_000,
  explainBySecret: 'local',
};

export const SLOTS: SlotCapabilities = {
  firstSlot: 0,
  count: 3,
  pin: { lengths: [4, 5, 6] },
  cardFormats: ['H10301', 'uid'],
  cardAndPin: false,
  pinWithoutCard: true,
  windows: 'from-until',
  windowResolutionMs: 1000,
  readBack: 'full',
  oneTimeUse: false,
  duplicatePins: 'reject',
  slotsPerWrite: 1,
};

export const strikeOf = (controller: string, more: Partial<StrikeSetup> = {}): StrikeSetup => ({
  controller,
  output: 0,
  pulseMs: 5000,
  extendedPulseMs: 10_000,
  fail: 'secure',
  energised: 'unlocks',
  relock: 'end',
  ...more,
});

const entrance = (name: string, acsEntranceId: string, more: Partial<EntranceSetup>): EntranceSetup => ({
  name,
  acsEntranceId,
  displayName: name,
  decidedBy: 'gateway',
  readers: [],
  exitReaders: [],
  lift: null,
  controller: null,
  door: null,
  strike: strikeOf('relay-board'),
  secondLock: null,
  contact: null,
  rex: null,
  atStop: 'rest',
  offline: {},
  modeSchedules: [],
  factors: 'card_or_code',
  factorsByTime: null,
  takesMobileKeys: false,
  isGuestRoom: false,
  cardFormats: ['H10301', 'H10302', 'uid'],
  encoder: null,
  feedback: { granted: { led: 'green', beep: 1 }, denied: { led: 'red', beep: 3 }, held: { led: 'amber', beep: 2 } },
  ...more,
});

export const ENTRANCES = {
  lobby: entrance('lobby', LOBBY, {
    readers: ['lobby-reader'],
    contact: { controller: 'relay-board', input: 0, heldAfterMs: 30_000, extendedHeldAfterMs: 60_000 },
    rex: { controller: 'relay-board', input: 1 },
  }),
  storeRoom: entrance('store-room', STORE_ROOM, {
    decidedBy: 'controller',
    controller: 'store-panel',
    door: 1,
    strike: strikeOf('store-panel'),
  }),
};

/** An area whose readers stand at no door of these. */
export const WORKSHOP: AreaSetup = {
  name: 'workshop',
  displayName: 'Workshop',
  inReaders: ['workshop-in'],
  outReaders: ['workshop-out'],
  antiPassback: null,
  limit: null,
  exemptGroups: [],
  resets: [],
  twoPersonsMs: null,
};

export function buildSite(store: Store | null, entrances: readonly EntranceSetup[] = Object.values(ENTRANCES)): Site {
  const declare = (): Site =>
    new Site(
      entrances.map((setup, i) => ({
        ...setup,
        entranceKey: store?.entrances.declare(setup.acsEntranceId, setup.name) ?? i + 1,
      })),
      ['lobby-reader', 'relay-board', 'store-panel'],
      [{ name: 'store-panel', slots: SLOTS, foreignSlots: 'report' }],
    );
  return store === null ? declare() : store.now(declare);
}

/** Parameters of a credential for the store room, as the contract hands them on. */
export const newCredential = (
  params: Partial<ParamsOf<'credentials/create'>>,
): ParamsOf<'credentials/create'> & { acs_credential_id: string } => ({
  acs_user_id: USER,
  access_method: params.card_number === undefined ? 'code' : 'card',
  allowed_acs_entrance_ids: [STORE_ROOM],
  is_multi_phone_sync_credential: false,
  is_one_time_use: false,
  ...params,
  acs_credential_id: params.acs_credential_id ?? systemRandom.uuid(),
});

export type TestRoom = Room & {
  woken: string[];
  unlocked: UnlockRequest[];
  /** What the next unlocks answer; a promise that the test resolves makes them wait. */
  unlockAnswer: () => Promise<{ confirmed: boolean } | { error: ApiError }>;
  isTrusted: boolean;
};

const NORMAL = { mode: 'normal', source: null, others: [] } as const;

export function buildRoom(store: Store, clock: Clock, policy: Partial<Policy> = {}): TestRoom {
  const plain = buildSite(store);
  const site = new Site(plain.entrances, plain.controllers, plain.slotControllers(), { areas: [WORKSHOP] });
  const room: TestRoom = {
    store,
    site,
    clock,
    random: systemRandom,
    log: silentLog,
    policy: { ...POLICY, ...policy },
    acsSystemId: SYSTEM,
    credentialManagers: [],
    timeZone: 'Europe/Oslo',
    isTrusted: true,
    time: () => ({ trusted: room.isTrusted, nowMs: clock.nowMs(), floorMs: null, isGraceLeft: true }),
    woken: [],
    unlocked: [],
    unlockAnswer: () => Promise.resolve({ confirmed: true }),
    doors: {
      unlock: (request) => {
        room.unlocked.push(request);
        return room.unlockAnswer();
      },
      explain: () => ({
        outcome: 'denied',
        reason: 'unknown_credential',
        acsCredentialId: null,
        acsUserId: null,
        steps: [],
      }),
      modes: {
        sources: () => store.modeSources.all().sources,
        unstored: () => new Map(),
        preview: () => NORMAL,
        isInputActive: () => false,
        changed: () => undefined,
        holdUnstored: () => undefined,
      },
      areasChanged: () => undefined,
      state: () => ({
        mode: NORMAL,
        factors: 'card_or_code',
        lockProblem: null,
        offlineProblem: null,
        interlockedBy: null,
        isLocked: true,
        isOpen: null,
        isHeld: false,
        isForced: false,
        isOnline: true,
      }),
    },
    encoders: {
      scan: () => Promise.resolve({ error: { type: 'controller_offline', message: 'no reader is there' } }),
      cancel: () => false,
      isScanning: () => false,
      isOnline: () => false,
      cardFormatsOf: () => [],
      biometricsOf: () => null,
      hold: () => Promise.resolve({ error: { type: 'controller_offline', message: 'no reader is there' } }),
      show: () => undefined,
    },
    sync: {
      wake: (controllers) => void room.woken.push(...controllers),
      hindranceOf: () => null,
      resync: () => Promise.resolve({ compared: 3, differing: 0, foreign: 0 }),
    },
    controllers: { list: () => [], encode: () => undefined },
  };
  return room;
}

export type ParsedReply = {
  command_id: string | null;
  ok: boolean;
  result?: Record<string, unknown> & { acs_credential?: Record<string, unknown>; acs_user?: Record<string, unknown> };
  error?: { type: string; message: string; path?: (string | number)[] };
};

/** Of whoever calls a handler by itself. */
export const TEST_ASKER: Asker = { source: 'mqtt', sender: null };

/** Speaks to a dispatcher as the link does, one command at a time. */
export class Caller {
  readonly dispatcher: Dispatcher;
  readonly #store: Store;
  #count = 0;

  constructor(room: Room) {
    this.#store = room.store;
    this.dispatcher = new Dispatcher(room, { replyTopicFor: (commandId) => `lintel/v1/riverside/reply/${commandId}` });
  }

  /** The reply to a command with these parameters. */
  async call(
    command: string,
    params: unknown,
    envelope: Record<string, unknown> = {},
    more: Partial<Incoming> = {},
  ): Promise<ParsedReply> {
    const body = { command_id: `c-${++this.#count}`, ...envelope, params };
    return JSON.parse((await this.send(command, Buffer.from(JSON.stringify(body)), more)).json) as ParsedReply;
  }

  send(command: string, payload: Buffer, more: Partial<Incoming> = {}): Promise<Reply> {
    const [resource = '', verb = ''] = command.split('/');
    return new Promise((resolve, reject) => {
      const waiting = this.dispatcher.dispatch(
        {
          resource,
          verb,
          payload,
          source: 'mqtt',
          isRetained: false,
          responseTopic: null,
          isResponseTopicAllowed: true,
          correlation: null,
          expiresAtMs: null,
          ...more,
        },
        resolve,
        reject,
      );
      if (waiting === null) this.#store.flush();
    });
  }
}
