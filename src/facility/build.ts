// From the file's own words to the Facility that every room holds: names filled in, paths absolute, durations in
// milliseconds, doors wired as their devices say.

import { dirname, join, resolve } from 'node:path';
import type { z } from 'zod';
import type { CredentialManager } from '../domain/credential-manager.ts';
import type {
  BackupSettings,
  BusSetup,
  ControllerSetup,
  EntranceSetup,
  Facility,
  ModeInput,
  MqttSettings,
  Policy,
  SecretSource,
  StoreSettings,
  StrikeSetup,
} from '../domain/facility.ts';
import { widestOf } from '../domain/factors.ts';
import type { CredentialClass, OfflineRules } from '../domain/offline.ts';
import { memberOf } from '../domain/named.ts';
import { areasOf, interlocksOf } from './area-build.ts';
import { channelsOf, doorOf, type KnownControllers } from './entrance-check.ts';
import type { UnderstoodEntrance } from './entrance-schema.ts';
import type { siteSchema } from './schema.ts';
import { secretPath } from './secret.ts';
import { fillNames } from './values.ts';

type Site = z.output<typeof siteSchema>;

export type Understood = {
  /** Absolute path of the file. */
  file: string;
  site: Site;
  buses: readonly BusSetup[];
  controllers: readonly ControllerSetup[];
  entrances: readonly UnderstoodEntrance[];
};

export function buildFacility(understood: Understood): Facility {
  const { file, site, buses, controllers, entrances } = understood;
  const capabilities: KnownControllers = new Map(controllers.map((one) => [one.name, one.capabilities]));
  return {
    file,
    name: site.facility,
    acsSystemId: site.acs_system_id,
    displayName: filled(site.display_name, site),
    timeZone: site.time_zone,
    clockTrust: site.clock.trust,
    mqtt: mqttSettings(understood),
    store: storeSettings(site, dirname(file)),
    buses,
    controllers,
    entrances: entrances.flatMap((entrance) => {
      if (entrance.kind === 'floor') return floorSetup(entrance, site.lifts, capabilities, controllers);
      return [entranceSetup(entrance, capabilities, controllers)];
    }),
    credentialManagers: managersOf(understood),
    monitoringPort: site.monitoring?.port ?? null,
    modeInputs: modeInputsOf(understood),
    areas: areasOf(site.areas),
    interlocks: interlocksOf(site.interlocks, entrances),
    policy: policyOf(site),
  };
}

const filled = (text: string, site: Site): string => fillNames(text, site.facility, site.mqtt.topic_prefix);

function mqttSettings({ site, file }: Understood): MqttSettings {
  const { mqtt } = site;
  return {
    url: mqtt.url ?? null,
    embeddedPort: mqtt.embedded ?? null,
    topicPrefix: mqtt.topic_prefix,
    clientId: filled(mqtt.client_id, site),
    username: mqtt.username ?? null,
    password: secret(mqtt.password, dirname(file)),
    ca: secret(mqtt.ca, dirname(file)),
    cert: secret(mqtt.cert, dirname(file)),
    key: secret(mqtt.key, dirname(file)),
    replyTopics: mqtt.reply_topics.map((topic) => filled(topic, site)),
    eventTopics: mqtt.event_topics,
    eventDelivery: mqtt.event_delivery,
  };
}

function secret(source: SecretSource | undefined, folder: string): SecretSource | null {
  if (source === undefined) return null;
  return 'file' in source ? { file: secretPath(source.file, folder) } : source;
}

function storeSettings(site: Site, folder: string): StoreSettings {
  const { store } = site;
  return {
    path: resolve(folder, filled(store.path, site)),
    masterKey: secret(store.master_key, folder),
    eventsKeepMs: store.events.keep,
    endedKeepMs: store.ended.keep,
    eventsMax: store.events.max,
    eventsMaxBytes: store.events.max_bytes ?? null,
    backup: backupSettings(site, folder),
  };
}

function backupSettings(site: Site, folder: string): BackupSettings | null {
  const { backup, path } = site.store;
  if (backup === undefined) return null;
  const beside = join(dirname(resolve(folder, filled(path, site))), 'sealed');
  return {
    recoveryKey: backup.recovery_key,
    folder: backup.folder === undefined ? beside : resolve(folder, filled(backup.folder, site)),
    keep: backup.keep,
  };
}

function policyOf({ policy }: Site): Policy {
  const { offline, lockout } = policy;
  return {
    defaultCardFormat: policy.default_card_format,
    clockUntrusted: policy.clock_untrusted,
    clockGraceMs: policy.clock_grace,
    offline: offlineRules(offline),
    word: offline.word,
    overrideGroups: policy.override_groups,
    offlineWarnMs: offline.warn,
    storeDamaged: policy.store_damaged,
    lockout: {
      attempts: lockout.attempts,
      windowMs: lockout.window,
      firstMs: lockout.first,
      maxMs: lockout.max,
      perDay: lockout.per_day,
      perDayCard: lockout.per_day_card,
      perDayFacility: lockout.per_day_facility,
    },
    pinSpace: policy.pin_space,
    pinQuality: policy.pin_quality,
    preloadMs: policy.preload,
    arrivalMs: policy.arrival,
    explainBySecret: policy.explain_by_secret,
  };
}

function managersOf({ site, entrances }: Understood): CredentialManager[] {
  const idOf = (entrance: string): string =>
    entrances.find(({ name }) => name === entrance)?.value.acs_entrance_id ?? entrance;
  return Object.entries(site.credential_managers).map(([name, manager]) => ({
    name,
    acsSystemId: manager.acs_system_id,
    displayName: manager.display_name ?? name,
    keys: manager.keys.map(({ key_id, public_key }) => ({ keyId: key_id, publicKey: public_key })),
    maxLifetimeMs: manager.max_lifetime,
    unknownCredentials: manager.unknown_credentials,
    entranceIds: manager.entrances?.map(idOf) ?? null,
  }));
}

function modeInputsOf({ site, entrances }: Understood): ModeInput[] {
  const idOf = (name: string): string[] =>
    entrances.flatMap((entrance) => (entrance.name === name ? [entrance.value.acs_entrance_id] : []));
  return Object.entries(site.mode_inputs).map(([name, input]) => ({
    name,
    controller: input.controller,
    input: input.input,
    isNormallyClosed: input.normally === 'closed',
    mode: input.mode,
    isLatched: input.latched ?? (input.mode === 'evacuate' || input.mode === 'lockdown'),
    entrances: input.entrances?.flatMap(idOf) ?? null,
  }));
}

type Grace = number | 'unlimited' | undefined;

function offlineRules(stated: Readonly<Partial<Record<'grace' | CredentialClass, Grace>>>): OfflineRules {
  const read = (grace: Grace): number | null | undefined => (grace === 'unlimited' ? null : grace);
  const { grace, staff, visitor, one_time: once } = stated;
  return { grace: read(grace), staff: read(staff), visitor: read(visitor), one_time: read(once) };
}

const PULSE_MS = 5_000;
const HELD_AFTER_MS = 30_000;

type Decided = Exclude<UnderstoodEntrance, { kind: 'floor' }>;

function entranceSetup(
  entrance: Decided,
  capabilities: KnownControllers,
  controllers: readonly ControllerSetup[],
): EntranceSetup {
  const { kind, name, value } = entrance;
  const { strike, second_lock: secondLock, contact, rex } = channelsOf(value, ['entrances', name], capabilities);
  const { encoder } = value;
  const decider = kind === 'controller' ? value.controller : null;
  return {
    name,
    acsEntranceId: value.acs_entrance_id,
    displayName: value.display_name ?? name,
    decidedBy: kind,
    readers: kind === 'gateway' ? value.readers : [],
    exitReaders: kind === 'gateway' ? value.exit_readers : [],
    lift: null,
    controller: decider,
    door: decider === null ? null : (doorOf(value, capabilities.get(decider) ?? null)?.door ?? null),
    strike: strike && strikeSetup(entrance, strike, capabilities),
    secondLock:
      kind === 'gateway' && secondLock !== null && value.second_lock !== undefined
        ? {
            controller: secondLock.controller,
            output: secondLock.channel,
            fail: value.second_lock.fail,
            energised: value.second_lock.energised ?? 'unlocks',
          }
        : null,
    contact: contact && {
      controller: contact.controller,
      input: contact.channel,
      heldAfterMs: value.contact?.held_after ?? HELD_AFTER_MS,
      extendedHeldAfterMs: value.contact?.extended_held_after ?? 2 * (value.contact?.held_after ?? HELD_AFTER_MS),
    },
    rex: rex && { controller: rex.controller, input: rex.channel },
    atStop: kind === 'gateway' ? value.at_stop : 'rest',
    offline: offlineRules(value.offline),
    modeSchedules: value.mode_schedules.map(({ mode, week, on_holidays: holidays, first_person: firstPerson }) => ({
      mode,
      schedule: { week, holidays },
      firstPerson,
    })),
    ...factorsOf(value),
    cardFormats:
      kind === 'controller'
        ? (capabilities.get(value.controller)?.slots?.cardFormats ?? [])
        : formatsOf(value.readers, controllers),
    takesMobileKeys:
      kind === 'gateway' &&
      factorsOf(value).factors !== 'code' &&
      value.readers.some((reader) => capabilities.get(reader)?.readers.some((one) => one.mobileKey === true) === true),
    isGuestRoom: value.guest_room,
    encoder: encoder === undefined ? null : { acsEncoderId: encoder.acs_encoder_id, reader: encoder.reader },
    feedback: value.feedback,
  };
}

/** A floor is a door whose readers, and what they ask for, are those of its lift, and whose strike is its release. */
function floorSetup(
  { name, value }: Extract<UnderstoodEntrance, { kind: 'floor' }>,
  lifts: Site['lifts'],
  capabilities: KnownControllers,
  controllers: readonly ControllerSetup[],
): EntranceSetup[] {
  const lift = memberOf(lifts, value.lift);
  if (lift === undefined) return [];
  const { lift: liftName, release, second_release: second_lock, selected = null, ...own } = value;
  const { readers, factors, factor_schedules, feedback } = lift;
  const output = capabilities.get(release.controller)?.outputs[release.output];
  const usual = output === undefined ? lift.floor_time : Math.min(Math.max(lift.floor_time, output.pulseMinMs), output.pulseMaxMs); // prettier-ignore
  const strike = { ...release, pulse: release.pulse ?? usual, relock: 'end' as const };
  const door = {
    ...{ ...own, readers, factors, factor_schedules, feedback, strike, second_lock },
    ...{ exit_readers: [], guest_room: false, encoder: undefined, contact: undefined, rex: undefined },
  };
  const setup = entranceSetup({ kind: 'gateway', name, value: door }, capabilities, controllers);
  const { display_name: displayName = liftName, one_floor: isOneFloor } = lift;
  return [{ ...setup, lift: { name: liftName, displayName, isOneFloor, selected } }];
}

function factorsOf({
  factors,
  factor_schedules: schedules,
}: Decided['value']): Pick<EntranceSetup, 'factors' | 'factorsByTime'> {
  if (schedules.length === 0) return { factors, factorsByTime: null };
  const byTime = {
    schedules: schedules.map((one) => ({
      factors: one.factors,
      schedule: { week: one.week, holidays: one.on_holidays },
    })),
    otherwise: factors,
  };
  return { factors: widestOf(byTime), factorsByTime: byTime };
}

function strikeSetup(
  entrance: Decided,
  at: { controller: string; channel: number },
  capabilities: KnownControllers,
): StrikeSetup {
  const { strike } = entrance.value;
  const pulseMs = strike?.pulse ?? usualPulseMs(at, capabilities);
  const mostMs = capabilities.get(at.controller)?.outputs[at.channel]?.pulseMaxMs ?? Infinity;
  return {
    controller: at.controller,
    output: at.channel,
    pulseMs,
    extendedPulseMs: strike?.extended_pulse ?? Math.min(2 * pulseMs, mostMs),
    relock: strike?.relock ?? 'end',
    fail: strike?.fail ?? 'secure',
    energised: (entrance.kind === 'gateway' ? entrance.value.strike.energised : undefined) ?? 'unlocks',
  };
}

/** Formats that any of these readers reads, each once. */
const formatsOf = (readers: readonly string[], controllers: readonly ControllerSetup[]): string[] => [
  ...new Set(controllers.filter(({ name }) => readers.includes(name)).flatMap(({ cardFormats }) => cardFormats)),
];

/** The usual pulse, as near as the output can do it: some devices know one only. */
function usualPulseMs(
  { controller, channel }: { controller: string; channel: number },
  known: KnownControllers,
): number {
  const output = known.get(controller)?.outputs[channel];
  return output === undefined ? PULSE_MS : Math.min(Math.max(PULSE_MS, output.pulseMinMs), output.pulseMaxMs);
}
