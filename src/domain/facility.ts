// What a facility file says once it has been read, checked and filled with defaults: plain data that every room may
// hold. Durations are milliseconds here.

import type { AreaSetup, InterlockSetup } from './areas.ts';
import type { OfflineRules } from './offline.ts';
import type { Factors, FactorsByTime } from './factors.ts';
import type { Schedule } from './schedule.ts';
import type { DefaultCardFormat } from './card-formats.ts';
import type { CredentialManager } from './credential-manager.ts';
import type { Capabilities } from './ports.ts';

export type ClockTrust = 'kernel' | 'rtc' | 'always';

/** A secret is never in the file: it is read from a file or from systemd's credentials directory when it is needed. */
export type SecretSource = { file: string } | { credential: string };

export type MqttSettings = {
  /** Null when the built-in broker on loopback is used. */
  url: string | null;
  embeddedPort: number | null;
  topicPrefix: string;
  clientId: string;
  username: string | null;
  password: SecretSource | null;
  ca: SecretSource | null;
  cert: SecretSource | null;
  key: SecretSource | null;
  replyTopics: readonly string[];
  /** How the type of an event stands in its topic. */
  eventTopics: 'dots' | 'slashes';
  /** Whose word ends the delivery of an event: the broker's, or the receiver's. */
  eventDelivery: 'broker' | 'acknowledged';
};

export type BackupSettings = {
  /** An age recipient: who has its identity opens every backup. */
  recoveryKey: string;
  /** Absolute. */
  folder: string;
  /** How many stay. */
  keep: number;
};

export type StoreSettings = {
  path: string;
  /**
   * Where the master key is; null: systemd credential `lintel-master-key` if there is one, else `master.key` beside the
   * database, made at first start.
   */
  masterKey: SecretSource | null;
  eventsKeepMs: number;
  /** How long credentials and access grants stay behind their end. */
  endedKeepMs: number;
  eventsMax: number;
  /** Null: by the size of the disk. */
  eventsMaxBytes: number | null;
  /** Where sealed backups go, and to whom they are sealed; null: none is made. */
  backup: BackupSettings | null;
};

export type BusSetup = { name: string; driver: string; config: unknown };
export type ControllerSetup = {
  name: string;
  bus: string;
  driver: string;
  config: unknown;
  /** What the driver made of the configuration; opaque to everybody else. */
  prepared: unknown;
  capabilities: Capabilities;
  /** What to do with slots that are not ours. */
  foreignSlots: 'report' | 'erase';
  /** Formats that cards read at this controller's readers may stand for. */
  cardFormats: readonly string[];
};

export type LockSetup = {
  controller: string;
  output: number;
  /** What it does without power. */
  fail: 'secure' | 'safe';
  /** What its output does when it is energised; at rest no output is. */
  energised: 'unlocks' | 'locks';
};
export type StrikeSetup = LockSetup & {
  pulseMs: number;
  /** For people who need longer. */
  extendedPulseMs: number;
  /** When it locks again: at the end of the pulse, or as soon as the door was opened, or closed behind somebody. */
  relock: 'end' | 'opening' | 'closing';
};
export type ContactSetup = { controller: string; input: number; heldAfterMs: number; extendedHeldAfterMs: number };
export type RexSetup = { controller: string; input: number };

/** A mode that an entrance has by the clock of the building. */
export type ModeSchedule = {
  mode: 'unlocked' | 'locked';
  schedule: Schedule;
  /** It begins only when somebody was let in within it. */
  firstPerson: boolean;
};

/** An input that wants a mode while it is active; `isLatched`: until it is taken back. */
export type ModeInput = {
  name: string;
  controller: string;
  input: number;
  /** At rest its contact is closed: it wants the mode while it reads inactive. */
  isNormallyClosed: boolean;
  mode: 'evacuate' | 'lockdown' | 'unlocked' | 'locked';
  isLatched: boolean;
  /** Ids; null: all entrances. */
  entrances: readonly string[] | null;
};

/** A lift whose reader in the cabin opens several floors, each of which is an entrance. */
export type LiftSetup = {
  /** The key in the facility file. */
  name: string;
  displayName: string;
  /** All floors end as soon as one was chosen. */
  isOneFloor: boolean;
};

/** Of a lift, and where it is seen that this floor was chosen in the cabin; null: nobody sees that. */
export type FloorSetup = LiftSetup & { selected: { controller: string; input: number } | null };

export type EntranceSetup = {
  /** The key in the facility file; names the state topic. */
  name: string;
  acsEntranceId: string;
  displayName: string;
  /** `gateway`: Lintel decides; `controller`: the device's own table decides, Lintel keeps it filled. */
  decidedBy: 'gateway' | 'controller';
  /** Controllers whose readers belong to this entrance (host-decided). */
  readers: readonly string[];
  /** Those of them that stand inside: whoever shows something there leaves. */
  exitReaders: readonly string[];
  /** It is a floor, and its readers are those of the lift: shared with all other floors of it. Null: it is a door. */
  lift: FloorSetup | null;
  /** The deciding controller and its door (controller-decided). */
  controller: string | null;
  door: number | null;
  /** Of a controller-decided door these come from the device's own door where the file names none. */
  strike: StrikeSetup | null;
  /** A further lock of the same door, driven together with the strike. */
  secondLock: LockSetup | null;
  contact: ContactSetup | null;
  rex: RexSetup | null;
  /** What becomes of its outputs when Lintel stops in good order while a mode frees it. */
  atStop: 'rest' | 'keep';
  /** What is taken here at any time at all. */
  factors: Factors;
  /** What is taken when; null: the same at all times. */
  factorsByTime: FactorsByTime | null;
  /** What cards shown here may be: by the readers of the entrance, or by the table of the controller that decides. */
  cardFormats: readonly string[];
  /** Whether a phone can prove its key here: at one of its readers, to the gateway. */
  takesMobileKeys: boolean;
  /** It belongs to one reservation at a time. */
  isGuestRoom: boolean;
  encoder: { acsEncoderId: string; reader: string } | null;
  /** What it says otherwise than the facility. */
  offline: OfflineRules;
  /** The first that holds. */
  modeSchedules: readonly ModeSchedule[];
  feedback: { granted: FeedbackSetting; denied: FeedbackSetting; held: FeedbackSetting };
};
/** What a key does not say is left to the reader's own settings. */
export type FeedbackSetting = {
  led?: 'green' | 'red' | 'amber' | 'blue' | 'magenta' | 'cyan' | 'white' | 'off' | undefined;
  beep?: number | undefined;
};

/** What wrong PINs lock, and how many a day there may be at all. */
export type LockoutPolicy = {
  attempts: number;
  windowMs: number;
  firstMs: number;
  maxMs: number;
  /**
   * At most so many in any 24 hours at an entrance, with one card, and in the facility before PIN entry is slowed down
   * everywhere.
   */
  perDay: number;
  perDayCard: number;
  perDayFacility: number;
};

export type Policy = {
  defaultCardFormat: DefaultCardFormat;
  clockUntrusted: 'judge_by_floor' | 'deny_windows';
  clockGraceMs: number;
  /** How long decisions go on without word from above. */
  offline: OfflineRules;
  /** What is such word: that commands can reach us, or that one has come. */
  word: 'connection' | 'command';
  /** Access groups whose members come in also while an entrance is locked or in lockdown, where the group opens it. */
  overrideGroups: readonly string[];
  /** How long before the end it is told. */
  offlineWarnMs: number;
  storeDamaged: 'refuse';
  lockout: LockoutPolicy;
  pinSpace: 'enforce' | 'warn';
  /** What becomes of a chosen PIN that people try first (domain/pin.ts). */
  pinQuality: 'refuse' | 'warn' | 'off';
  preloadMs: number;
  /** How long ahead of its start a credential must be where it opens, or it is told; 0: nobody asks. */
  arrivalMs: number;
  explainBySecret: ExplainBySecret;
};

/** By which way `entrances/explain` may be asked by card or code. */
export type ExplainBySecret = 'local' | 'mqtt' | 'never';

export type Facility = {
  /** Absolute path of the file it was read from. */
  file: string;
  name: string;
  acsSystemId: string;
  displayName: string;
  timeZone: string;
  clockTrust: ClockTrust;
  mqtt: MqttSettings;
  store: StoreSettings;
  /** On 127.0.0.1; null: nobody may ask there. */
  monitoringPort: number | null;
  buses: readonly BusSetup[];
  controllers: readonly ControllerSetup[];
  entrances: readonly EntranceSetup[];
  /** Issuers whose signature over somebody's key is accepted here. */
  credentialManagers: readonly CredentialManager[];
  modeInputs: readonly ModeInput[];
  areas: readonly AreaSetup[];
  interlocks: readonly InterlockSetup[];
  policy: Policy;
};

export type Problem = {
  severity: 'error' | 'warning';
  file: string;
  line: number; // from 1
  column: number; // from 1
  /** The key's path, e.g. `entrances.lobby.strike.output`. */
  key: string;
  message: string;
  /** What would be right. */
  remedy: string;
};
