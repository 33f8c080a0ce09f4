// Asked before anything opens by a row: does its seal fit? One that does not was written behind our back; it opens
// nothing, and that is told once.

import { memberOf } from '../domain/named.ts';
import type { Clock } from '../domain/ports.ts';
import type { CredentialWithUser } from './credentials.ts';
import type { Db } from './db.ts';
import type { GroupRow } from './groups.ts';
import type { ScheduleRow } from './schedules.ts';
import type { LIST } from './seal.ts';
import { EMPTY_SUM, movedSum, sealedColumns, type Sealer, type SealedTable, type SealedValue } from './seal.ts';
import type { Sealing } from './sealing.ts';
import { isSound } from './past.ts';
import type { Link, StoredPath } from './stored-path.ts';
import type { Tombstones } from './tombstones.ts';
import type { UserRow } from './users.ts';

/** What does not fit, and of whom: an id, never a value. */
export type Tampered = { table: SealedTable | typeof LIST | 'holidays'; id: string };

/** Of more than these at a time the rest is counted only. */
const MOST_TOLD = 200;
const MOST_FITTING = 1024;

export type SealsOptions = {
  db: Db;
  clock: Clock;
  sealer: Sealer;
  sealing: Sealing;
  tombstones: Tombstones;
};

export class Seals {
  readonly #options: SealsOptions;
  readonly #dataVersion;
  readonly #days;
  readonly #found = new Map<string, Tampered>();
  readonly #untold: Tampered[] = [];
  #beyond = 0;
  /** Seals that were found to fit, by what they are over. */
  readonly #fitting = new Map<string, Buffer>();
  #listener: (found: readonly Tampered[]) => void = () => undefined;
  /**
   * What the days of holidays were found to be, and when: another program's write shows in the version, ours in the
   * ledger.
   */
  #holidays: { version: number; sum: Buffer; areSound: boolean } | null = null;

  constructor(options: SealsOptions) {
    this.#options = options;
    this.#dataVersion = options.db.prepare<[], { data_version: number }>('PRAGMA data_version');
    this.#days = options.db.prepare<[], { day: string; holiday_key: number; seal: Buffer | null }>(
      'SELECT day, holiday_key, seal FROM holiday_days',
    );
  }

  /** Called with what was found since, once for each row, outside of whatever transaction it was found in. */
  onTampered(listener: (found: readonly Tampered[]) => void): void {
    this.#listener = listener;
    if (this.#untold.length > 0) this.#tellSoon();
  }

  /** Rows that do not fit, as far as they were looked at; the oldest find first. */
  tampered(): { rows: readonly Tampered[]; beyond: number } {
    return { rows: [...this.#found.values()], beyond: this.#beyond };
  }

  /** True when everything that lets this credential in by this path was written by us. */
  holds(credential: CredentialWithUser, path: StoredPath): boolean {
    return this.holdsPath(path) && this.holdsAnywhere(credential);
  }

  /** Of the path alone: every row that it goes over. */
  holdsPath({ links, schedule }: Pick<StoredPath, 'links' | 'schedule'>): boolean {
    return links.every((link) => this.#holdsLink(link)) && (schedule === null || this.holdHolidays());
  }

  /** As `holds`, without a path. `is_buried`: whether its id was deleted, where that is known. */
  holdsAnywhere(credential: CredentialWithUser & { is_buried?: 0 | 1 }): boolean {
    const { tombstones } = this.#options;
    const id = credential.acs_credential_id;
    const isBuried = credential.is_buried === undefined ? tombstones.has('credential', id) : credential.is_buried === 1;
    const isOurs = !isBuried && this.#fits('credentials', credential, credential.seal);
    if (!isOurs) return this.#note({ table: 'credentials', id });
    return this.#holdsUser(credential) && this.#holdsSchedule(credential);
  }

  holdsUserRow(row: UserRow): boolean {
    return this.#fits('users', row, row.seal ?? null) || this.#note({ table: 'users', id: row.acs_user_id });
  }

  holdsGroupRow(row: GroupRow): boolean {
    const id = row.acs_access_group_id;
    return this.#fits('access_groups', row, row.seal ?? null) || this.#note({ table: 'access_groups', id });
  }

  holdsScheduleRow(row: ScheduleRow): boolean {
    return this.#fits('schedules', row, row.seal ?? null) || this.#note({ table: 'schedules', id: row.schedule_id });
  }

  /** True when the days are those that were written, all of them and no others. */
  holdHolidays(): boolean {
    const { sealing } = this.#options;
    const version = this.#dataVersion.get()?.data_version ?? 0;
    const ledger = sealing.ledger('holidays');
    if (this.#holidays?.version !== version || !this.#holidays.sum.equals(ledger.sum)) {
      const areSound = this.#areDaysSound();
      this.#holidays = { version, sum: ledger.sum, areSound };
    }
    return this.#holidays.areSound || this.#note({ table: 'holidays', id: '' });
  }

  /** From the check of all rows. */
  noteAll(found: readonly Tampered[]): void {
    for (const one of found) this.#note(one);
  }

  #areDaysSound(): boolean {
    const { sealing, sealer, db } = this.#options;
    const ledger = sealing.ledger('holidays');
    const days = this.#days.all();
    const fit = days.every((day) => sealer.holds('holiday_days', [day.day, day.holiday_key], day.seal));
    const sum = days.reduce<Buffer>((total, { seal }) => movedSum(total, null, seal), EMPTY_SUM);
    // Inside a transaction the ledger is sealed with its end.
    const isSealed = db.inTransaction || isSound(ledger, sealer);
    return fit && isSealed && days.length === ledger.row_count && sum.equals(ledger.sum);
  }

  #holdsLink({ table, id, values, seal, isShared }: Link): boolean {
    const content = this.#options.sealer.contentOf(table, values);
    const fits =
      isShared === true
        ? this.#holdsAgain(content, seal)
        : seal !== null && this.#options.sealer.holdsContent(content, seal);
    return fits || this.#note({ table, id });
  }

  #holdsUser(credential: CredentialWithUser): boolean {
    const { user_key, acs_user_id, user_starts_at, user_ends_at, user_is_suspended, user_seal } = credential;
    if (user_key === null || acs_user_id === null) return true;
    const row = {
      user_key,
      acs_user_id,
      starts_at: user_starts_at,
      ends_at: user_ends_at,
      is_suspended: user_is_suspended,
    };
    return this.#fitsAgain('users', row, user_seal) || this.#note({ table: 'users', id: acs_user_id });
  }

  /** A schedule that vanished would leave its credentials open at all times. */
  #holdsSchedule(credential: CredentialWithUser): boolean {
    const { schedule_key, schedule_id, schedule, schedule_seal, acs_credential_id: id } = credential;
    if (schedule_key === null) return true;
    if (schedule_id === null) return this.#note({ table: 'credentials', id });
    const isOurs = this.#fitsAgain('schedules', { schedule_key, schedule_id, content: schedule }, schedule_seal);
    if (!isOurs) return this.#note({ table: 'schedules', id: schedule_id });
    return this.holdHolidays();
  }

  #fits(table: SealedTable, row: object, seal: Buffer | null): boolean {
    return this.#options.sealer.holds(table, valuesOf(table, row), seal);
  }

  /** Of a row that many others name: the same values with the same seal fit as they did the last time. */
  #fitsAgain(table: SealedTable, row: object, seal: Buffer | null): boolean {
    return this.#holdsAgain(this.#options.sealer.contentOf(table, valuesOf(table, row)), seal);
  }

  #holdsAgain(content: string, seal: Buffer | null): boolean {
    if (seal !== null && this.#fitting.get(content)?.equals(seal) === true) return true;
    if (!this.#options.sealer.holdsContent(content, seal)) return false;
    if (this.#fitting.size >= MOST_FITTING) this.#fitting.clear();
    if (seal !== null) this.#fitting.set(content, seal);
    return true;
  }

  /** Always false: what is noted does not open. */
  #note(found: Tampered): false {
    const key = `${found.table} ${found.id}`;
    if (this.#found.has(key)) return false;
    if (this.#found.size >= MOST_TOLD) {
      this.#beyond += 1;
      return false;
    }
    this.#found.set(key, found);
    this.#untold.push(found);
    if (this.#untold.length === 1) this.#tellSoon();
    return false;
  }

  #tellSoon(): void {
    this.#options.clock.immediate(() => this.#listener(this.#untold.splice(0)));
  }
}

const COLUMNS: Readonly<Record<SealedTable, readonly string[]>> = {
  users: sealedColumns('users'),
  access_groups: sealedColumns('access_groups'),
  access_group_users: sealedColumns('access_group_users'),
  access_group_entrances: sealedColumns('access_group_entrances'),
  user_entrances: sealedColumns('user_entrances'),
  credentials: sealedColumns('credentials'),
  phones: sealedColumns('phones'),
  biometrics: sealedColumns('biometrics'),
  issued_keys: sealedColumns('issued_keys'),
  schedules: sealedColumns('schedules'),
  holiday_days: sealedColumns('holiday_days'),
  tombstones: sealedColumns('tombstones'),
};

const valuesOf = (table: SealedTable, row: object): SealedValue[] =>
  COLUMNS[table].map((name) => memberOf(row as Record<string, SealedValue>, name) ?? null);
