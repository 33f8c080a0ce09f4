// The one truth: everything a facility must remember, in one SQLite file with one writing connection. Each table family
// has a file of its own; all writing goes through `group` and `now` (transactions.ts).

import type { Clock, Random } from '../domain/ports.ts';
import type { SecretSource } from '../domain/facility.ts';
import { AccessGrants } from './access-grants.ts';
import { AreaTable } from './areas.ts';
import { ControllerTable } from './controllers.ts';
import { CredentialTable } from './credentials.ts';
import { Digest } from './digest.ts';
import { EndedRecords } from './ended.ts';
import { EntranceTable } from './entrances.ts';
import { EventLog } from './events.ts';
import { ForeignSlots } from './foreign-slots.ts';
import { GenerationKeeper } from './generation-keeper.ts';
import { GroupChanges } from './group-changes.ts';
import { AccessGroups } from './groups.ts';
import { IssuedKeys } from './issued-keys.ts';
import { Jobs } from './jobs.ts';
import { Guesses } from './guesses.ts';
import { Journal } from './journal.ts';
import { Meta } from './meta.ts';
import { ModeSources } from './mode-sources.ts';
import type { Migration } from './migrations.ts';
import { Guard, StorageRefused, type Damage } from './guard.ts';
import { HeldFiles, renewCompanions } from './held-files.ts';
import type { Db } from './db.ts';
import { damageText, explainOpening, noteDamage, openDatabase } from './open.ts';
import { Reserve } from './reserve.ts';
import { rescue } from './rescue.ts';
import { ReaderKeyTable } from './reader-keys.ts';
import { HolidayTable, ScheduleTable } from './schedules.ts';
import { OwnLists } from './own-lists.ts';
import type { Acceptance, Past } from './past.ts';
import { Biometrics } from './biometrics.ts';
import { Phones } from './phones.ts';
import { Reach } from './reach.ts';
import { Sealing } from './sealing.ts';
import { Seals } from './seals.ts';
import type { Secrets } from './secrets.ts';
import { Snapshots } from './snapshots.ts';
import { Spaces } from './spaces.ts';
import { TargetTable } from './targets.ts';
import { Tombstones } from './tombstones.ts';
import type { Condition } from './disk-errors.ts';
import { Transactions, type GroupHooks } from './transactions.ts';
import { UserEntrances } from './user-entrances.ts';
import { UserTable } from './users.ts';
import { Withdrawn } from './withdrawn.ts';
import { ZoneTable } from './zones.ts';

export type StoreOptions = {
  path: string;
  masterKey: SecretSource | null;
  env: NodeJS.ProcessEnv;
  clock: Clock;
  random: Random;
  /** How good the clock is at this moment; written into every event. */
  clockState: () => 'trusted' | 'untrusted';
  /** Stands in every event. */
  acsSystemId?: string;
  migrations?: readonly Migration[];
  /** What an operator has said of a database that would be refused otherwise. */
  acceptance?: Acceptance;
};

const REVISION = 'revision';

export class Store {
  readonly path: string;
  readonly secrets: Secrets;
  readonly wasUnclean: boolean;
  readonly backups: readonly string[];
  readonly tightened: readonly string[];
  readonly users: UserTable;
  readonly credentials: CredentialTable;
  readonly ownLists: OwnLists;
  readonly phones: Phones;
  readonly biometrics: Biometrics;
  readonly groups: AccessGroups;
  readonly groupChanges: GroupChanges;
  readonly userEntrances: UserEntrances;
  readonly issuedKeys: IssuedKeys;
  readonly accessGrants: AccessGrants;
  readonly spaces: Spaces;
  readonly snapshots: Snapshots;
  /** Who opens which door, by which path. */
  readonly reach: Reach;
  readonly entrances: EntranceTable;
  readonly journal: Journal;
  readonly events: EventLog;
  readonly targets: TargetTable;
  readonly foreignSlots: ForeignSlots;
  readonly schedules: ScheduleTable;
  readonly holidays: HolidayTable;
  readonly zones: ZoneTable;
  readonly controllers: ControllerTable;
  readonly tombstones: Tombstones;
  readonly ended: EndedRecords;
  readonly meta: Meta;
  readonly digest: Digest;
  readonly jobs: Jobs;
  readonly guesses: Guesses;
  readonly areas: AreaTable;
  readonly modeSources: ModeSources;
  readonly readerKeys: ReaderKeyTable;
  /** Taken away by commands that are not stored yet. */
  readonly withdrawn = new Withdrawn();
  /** Whether a row is as it was written. */
  readonly seals: Seals;
  /** What tells an older copy of the database from itself. */
  readonly generation: GenerationKeeper;
  readonly past: Past;
  readonly #db: Db;
  readonly #clock: Clock;
  readonly #guard = new Guard();
  readonly #files: HeldFiles;
  readonly #reserve: Reserve;
  #isForReading: boolean;
  readonly #transactions: Transactions;
  #isRevisionKept = false;
  #listeners: (() => void)[] = [];
  #onRenewed: (files: readonly string[]) => void = () => undefined;

  /** Opens or makes the database; throws an OperatingError that names the remedy (open.ts). */
  constructor(options: StoreOptions) {
    const opened = openDatabase({ ...options, nowMs: options.clock.nowMs() });
    const { db } = opened;
    this.#db = db;
    this.#clock = options.clock;
    this.path = options.path;
    this.secrets = opened.secrets;
    this.wasUnclean = opened.wasUnclean;
    this.backups = opened.backups;
    this.tightened = opened.tightened;
    this.past = opened.past;
    this.#files = new HeldFiles(options.path, options.clock);
    this.#guard.watch(db);
    this.#reserve = new Reserve(options.path);
    this.#isForReading = opened.isFull;
    if (opened.isFull) this.#guard.become('full');
    this.#guard.onChange((condition) => {
      const { damage } = this.#guard;
      if (condition === 'full') this.#reserve.release();
      if (damage?.how === 'damaged') noteDamage(options.path, damage.problems);
    });
    try {
      const sealing = new Sealing(db, opened.past.sealer);
      this.#transactions = new Transactions(db, options.clock, {
        beforeCommit: () => sealing.beforeCommit(),
        confirm: () => this.#look(false),
        committed: () => this.generation.committed(),
        afterCommit: () => this.#announce(),
      });
      this.meta = new Meta(db);
      this.digest = new Digest(db, this.meta);
      this.users = new UserTable(db);
      this.ownLists = new OwnLists(db);
      this.credentials = new CredentialTable(db, this.ownLists);
      this.phones = new Phones(db);
      this.biometrics = new Biometrics(db, opened.secrets);
      this.tombstones = new Tombstones(db);
      this.issuedKeys = new IssuedKeys(db, this.tombstones);
      this.groups = new AccessGroups(db, this.digest);
      this.groupChanges = new GroupChanges(db);
      this.userEntrances = new UserEntrances(db, this.digest);
      this.accessGrants = new AccessGrants(db, this.digest);
      this.spaces = new Spaces(db);
      this.snapshots = new Snapshots(db, opened.secrets);
      this.ended = new EndedRecords(db, this);
      this.reach = new Reach(db, this.credentials, this.ownLists, this.phones, this.issuedKeys, [
        this.groups,
        this.userEntrances,
      ]);
      this.entrances = new EntranceTable(db);
      this.journal = new Journal(db, opened.secrets);
      this.events = new EventLog(db, this.meta, options.random, options.clockState, options.acsSystemId ?? null);
      this.targets = new TargetTable(db);
      this.foreignSlots = new ForeignSlots(db);
      this.schedules = new ScheduleTable(db);
      this.holidays = new HolidayTable(db);
      this.zones = new ZoneTable(db);
      this.controllers = new ControllerTable(db);
      this.jobs = new Jobs(db);
      this.guesses = new Guesses(db);
      this.areas = new AreaTable(db);
      this.modeSources = new ModeSources(db, opened.past.sealer);
      this.readerKeys = new ReaderKeyTable(db, opened.secrets, (fn) => this.now(fn));
      const { clock } = options;
      const { sealer, file } = opened.past;
      this.generation = new GenerationKeeper({ file, sealing, clock, sequence: () => this.events.lastSequence() });
      this.seals = new Seals({
        db,
        clock,
        sealer,
        sealing,
        tombstones: this.tombstones,
      });
      // Who is where was that of another day: the areas are told at the next start.
      if (options.acceptance !== undefined) this.now(() => this.meta.set('areas_restored', 1));
    } catch (error) {
      db.close();
      throw explainOpening(options.path, error);
    }
  }

  /** Joins the open group commit. */
  group<T>(fn: () => T, hooks?: GroupHooks): T {
    return this.#transactions.group(fn, hooks);
  }

  /** Durable when it returns. */
  now<T>(fn: () => T): T {
    return this.#transactions.now(fn);
  }

  /** Inside `group` or `now`: undoes what `fn` wrote when it throws. */
  attempt<T>(fn: () => T): T {
    return this.#transactions.attempt(fn);
  }

  /** Commits the open group; throws what COMMIT threw. */
  flush(): void {
    this.#transactions.flush();
  }

  /** Calls `listener` behind every commit that added events. */
  onEvents(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #announce(): void {
    if (!this.events.takeAdded()) return;
    for (const listener of this.#listeners) listener();
  }

  /** Writes the log of the database into its file and empties it; false while somebody else reads. */
  emptyLog(): boolean {
    const [row] = this.#db.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
    return row?.busy === 0;
  }

  /** Bytes in the file that are free to be written to. */
  roomInside(): number {
    const pages = Number(this.#db.pragma('freelist_count', { simple: true }));
    return pages * Number(this.#db.pragma('page_size', { simple: true }));
  }

  get commits(): number {
    return this.#transactions.commits;
  }

  /** Rises with every change of users, credentials or grants. */
  revision(): number {
    return this.meta.number(REVISION) ?? 0;
  }

  raiseRevision(): number {
    return this.#isRevisionKept ? this.revision() : this.meta.increment(REVISION);
  }

  /** Inside a transaction: what `fn` changes is a part of a revision that comes with the last of them. */
  keepRevision<T>(fn: () => T): T {
    this.#isRevisionKept = true;
    try {
      return fn();
    } finally {
      this.#isRevisionKept = false;
    }
  }

  setRevision(revision: number): void {
    this.meta.set(REVISION, revision);
  }

  // ---- how the file is ----

  get condition(): Condition {
    return this.#guard.condition;
  }

  /** Why it is not used any more, with the remedy, for people; null while it is. */
  problem(): string | null {
    const { damage } = this.#guard;
    return damage === null ? null : damageText(this.path, damage);
  }

  get damage(): Damage | null {
    return this.#guard.damage;
  }

  /**
   * Told in the turn in which it is found, perhaps in the middle of a transaction: nothing may be asked of the store
   * there.
   */
  onCondition(listener: (condition: Condition) => void): void {
    this.#guard.onChange(listener);
  }

  /** Files beside the database had been deleted under us and were made anew; nothing was lost. */
  onRenewed(listener: (files: readonly string[]) => void): void {
    this.#onRenewed = listener;
  }

  /** What somebody else found (the check behind the doors): believed as if a statement had met it. */
  condemn(problems: readonly string[]): void {
    this.#guard.condemn({ how: 'damaged', problems });
  }

  /**
   * Looks whether the files are still the ones that are open; to be called now and then, for nothing may be written for
   * long. Never throws.
   */
  look(): void {
    if (this.#guard.damage !== null || this.#transactions.isInside) return;
    try {
      // What is to be made anew must be committed.
      this.flush();
      this.#look(true);
    } catch (error) {
      this.#guard.note(error);
    }
  }

  /** Behind each commit: throws when what was written would be gone with this process. */
  #look(isUrgent: boolean): void {
    const missing = this.#files.look(isUrgent);
    if (missing === null) return;
    const what = missing.files.join(' and ');
    if (missing.database) {
      this.#guard.condemn({ how: 'lost', problems: [`${what} is not the file any more that was opened`] });
      throw new StorageRefused({ how: 'lost', problems: [`${what} was taken away`] });
    }
    if (!renewCompanions(this.#db)) throw new DiskFailure(`${what} was taken away and cannot be made anew yet`);
    this.#files.hold();
    this.#onRenewed(missing.files);
  }

  /** Tries a disk that was full or failing; true when it takes again what it is given. */
  tryAgain(): boolean {
    const { condition } = this.#guard;
    if (condition !== 'full' && condition !== 'failing') return condition === 'ok';
    try {
      if (condition === 'full' && !this.#reserve.hasRoom()) return false;
      this.now(() => this.meta.set('tried_at', this.#clock.nowMs()));
      if (this.#isForReading && !renewCompanions(this.#db)) return false;
      if (this.#isForReading) this.#files.hold();
      this.#isForReading = false;
      this.#guard.recovered();
      return true;
    } catch (error) {
      this.#guard.note(error);
      return false;
    }
  }

  /** Keeps room for a full disk, where there is enough and none is kept; never throws. */
  async keepReserve(): Promise<void> {
    if (this.#guard.condition === 'ok') await this.#reserve.keep().catch(() => undefined);
  }

  /** A copy of what is still open, after the file was taken away; its path, or null where there is no place for it. */
  async rescue(): Promise<string | null> {
    if (this.#guard.damage?.how !== 'lost' || !this.#files.isFolderThere) return null;
    return await rescue(this.#db, this.path, this.#clock.nowMs());
  }

  /** True when the file answers a read. */
  isAlive(): boolean {
    if (!this.#db.open) return false;
    if (this.#guard.damage === null) this.meta.number(REVISION);
    return true;
  }

  close(): void {
    try {
      if (this.#guard.damage !== null) return;
      this.flush();
      this.generation.close();
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      this.#db.close();
    }
  }
}

/** What SQLite has not noticed, in its own form. */
class DiskFailure extends Error {
  readonly code = 'SQLITE_IOERR';
}
