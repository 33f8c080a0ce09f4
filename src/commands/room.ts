// What the handlers of commands are handed: the store, the building, and ports to the parts that act. One file per
// resource stands beside this one.

import type { Ground } from '../acceptance/ground.ts';
import type { BiometricDevice } from '../domain/biometrics.ts';
import type { Clock, DeviceStatus, Feedback, Log, Presentation, Random } from '../domain/ports.ts';
import type { CredentialManager } from '../domain/credential-manager.ts';
import type { NewEvent } from '../domain/events.ts';
import type { Mode, ModeSource } from '../domain/modes.ts';
import type { Policy } from '../domain/facility.ts';
import type { Factors } from '../domain/factors.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { ApiError } from '../domain/errors.ts';
import type { Store } from '../store/store.ts';
import type { CommandName } from './contract.ts';
import type { ResultOf } from './contract/results.ts';

/** What to explain: exactly one of them; a phone by its public key. */
export type Asked = { acsCredentialId: string } | { cards: readonly string[] } | { code: string } | { phone: Buffer };
export type Explanation = {
  outcome: 'granted' | 'denied';
  reason: string | null;
  acsCredentialId: string | null;
  acsUserId: string | null;
  steps: { step: string; passed: boolean; detail: string }[];
};

/** `reader`: at which of the entrance's readers; null: it has none. `isNow`: `time` is this moment. */
export type How = { time: TimeWitness; isNow: boolean; reader: string | null; asker: Asker };

/** What wants the mode; null: nothing does. `others`: what comes back when that goes, in any order. */
export type Standing = { mode: Mode; source: ModeSource | null; others: readonly ModeSource[] };

export type EntranceState = {
  mode: Standing;
  /** What must be shown now. */
  factors: Factors;
  /** Why its locks are not as the mode keeps them, for people; null: they are. */
  lockProblem: string | null;
  /** Who is not let in, or soon will not be, because nobody above is heard, for people; null: nobody. */
  offlineProblem: string | null;
  /** Which other door of an interlock is open, for people; null: none, and it may be opened. */
  interlockedBy: string | null;
  isLocked: boolean;
  isOpen: boolean | null;
  isHeld: boolean;
  isForced: boolean;
  isOnline: boolean;
};

export type UnlockRequest = {
  entrance: SiteEntrance;
  acsUserId: string | null;
  acsCredentialId: string | null;
  reason: string | null;
  commandId: string;
  asker: Asker;
  actionAttemptId: string;
};

/** The doors, as commands see them. */
export type Doors = {
  /** Commands the strike once and answers what became of it; its events are recorded by then. */
  unlock(request: UnlockRequest): Promise<{ confirmed: boolean } | { error: ApiError }>;
  /** Throws `not_permitted` where it must not be asked by card or code. */
  explain(entrance: SiteEntrance, asked: Asked, how: How): Explanation;
  state(entrance: SiteEntrance): EntranceState;
  modes: DoorModes;
  /** Behind the commit of whatever changed who is where. */
  areasChanged(): void;
};

/** What wants which mode; by the key of each (domain/modes.ts), null: taken back. */
export type DoorModes = {
  sources(): readonly ModeSource[];
  /** In force, and not stored. */
  unstored(): ReadonlyMap<string, ModeSource | null>;
  /** How an entrance will be once these are stored. */
  preview(entrance: SiteEntrance, changes: ReadonlyMap<string, ModeSource | null>): Standing;
  isInputActive(name: string): boolean;
  /** Behind the commit of whatever changed what is stored. */
  changed(): void;
  /** In force from now on, though the disk takes nothing; stored when it can be. */
  holdUnstored(sources: readonly ModeSource[], events: readonly NewEvent[]): void;
};

/** What is shown at a reader where somebody enrols: a card, or a key that was proved. */
export type Shown = Presentation & { kind: 'card' | 'mobile_key' };

/** Readers, as far as somebody enrols there. */
export type Encoders = {
  /** Resolves with what is shown next, or with why there is nothing; meanwhile nothing is decided there. */
  scan(reader: string, timeoutMs: number): Promise<{ shown: Shown } | { error: ApiError }>;
  /** False: no scan was under way. */
  cancel(reader: string): boolean;
  /** Fingers, faces and the like at a reader; null: it reads none. */
  biometricsOf(reader: string): BiometricDevice | null;
  /** Nobody decides at the reader while `work` is at it, which ends when its signal is aborted. */
  hold<T>(reader: string, work: (over: AbortSignal) => Promise<T>): Promise<T | { error: ApiError }>;
  show(reader: string, signal: Feedback): void;
  isScanning(reader: string): boolean;
  isOnline(reader: string): boolean;
  /** What a card that is read there may stand for. */
  cardFormatsOf(reader: string): readonly string[];
};

export type ControllerView = {
  name: string;
  driver: string;
  bus: string;
  status: DeviceStatus;
  slots: { used: number; total: number; pending: number; foreign: number } | null;
  problems: readonly string[];
};

export type Synchroniser = {
  /** Called after the commit of whatever concerns these controllers. */
  wake(controllers: readonly string[]): void;
  /** Why what is on its way to this controller has not arrived, as far as is known; by the key of its row. */
  hindranceOf(controller: string, targetKey: number): ApiError | null;
  resync(controller: string): Promise<{ compared: number; differing: number; foreign: number }>;
};

/** Who confirms events by a command. Throws where that cannot be. */
export type EventReceipts = {
  acknowledge(said: {
    sequence: number;
    eventId: string | null;
    sender: string | null;
  }): ResultOf<'events/acknowledge'>;
};

export type Room = {
  store: Store;
  site: Site;
  clock: Clock;
  random: Random;
  log: Log;
  policy: Policy;
  acsSystemId: string;
  /** Issuers whose signature over somebody's key is accepted here. */
  credentialManagers: readonly CredentialManager[];
  /** Where the building is, by IANA name. */
  timeZone: string;
  time: () => TimeWitness;
  doors: Doors;
  encoders: Encoders;
  sync: Synchroniser;
  /** A command came over the broker that is no repeat and has not expired; when it says that it was sent, epoch ms. */
  heard?: (issuedAtMs: number | null) => void;
  /** Null: the broker's word is enough, and nobody else is asked. */
  receipts?: () => EventReceipts | null;
  controllers: Ground['controllers'] & { list(): ControllerView[] };
  /** What is stored now was held to every rule as a whole: one by one it is not asked again, for it is on its way. */
  isAccepted?: true;
};

/** The way a command came, and who its sender says it is: stated, not proved. */
export type Asker = { source: 'mqtt' | 'local'; sender: string | null };

/** One command on its way through a handler. */
export type Call = {
  nowMs: number;
  commandId: string;
  asker: Asker;
  /** Whether work that goes on behind its acceptance must leave off, to go on at the next start. */
  isStopping?: () => boolean;
  /** What the reply may weigh to get through to whoever asks; no bound known: as much as any reply. */
  mostReplyBytes?: number;
};

/** What a handler hands back; `after` runs once it is durable. */
export type Outcome<N extends CommandName = CommandName> = {
  result: ResultOf<N>;
  /** The reply holds a card number or a generated code: it is sealed in the journal. */
  isSecret?: boolean;
  /** It holds a generated code, shown again for a while only. */
  hasCode?: boolean;
  /** Controllers whose tables must be looked at. */
  wake?: readonly string[];
  /** Once it is durable, before the reply leaves. */
  after?: () => void;
};

export type Done<N extends CommandName = CommandName> = Outcome<N> | { error: ApiError };

/**
 * Work that goes on behind the commit of its acceptance. What it has to store itself it leaves to `finish`, which is
 * called within the transaction that keeps the answer.
 */
export type Work<N extends CommandName = CommandName> = () => Promise<Done<N> | { finish: () => Done<N> }>;
