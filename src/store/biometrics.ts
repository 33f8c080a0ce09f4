// Templates of people's fingers, faces and the like: as a reader made them, sealed like a PIN, for one person each. They
// leave the database for a reader alone, and go with their person.

import type { BiometricFormat, BiometricTemplate, BiometricType } from '../domain/biometrics.ts';
import type { Db } from './db.ts';
import { sealedColumns } from './seal.ts';
import type { Secrets } from './secrets.ts';
import type { Link } from './stored-path.ts';

export type BiometricRow = {
  biometric_key: number;
  acs_biometric_id: string;
  user_key: number;
  biometric_type: BiometricType;
  format: BiometricFormat;
  /** Whoever puts this one there is under threat. */
  is_duress: 0 | 1;
  template_sealed: Buffer;
  quality: number;
  display_name: string | null;
  created_at: number;
  seal: Buffer | null;
};
export type NewBiometric = Omit<BiometricRow, 'biometric_key' | 'seal' | 'template_sealed'>;

export class Biometrics {
  readonly #secrets: Secrets;
  readonly #byId;
  readonly #of;
  readonly #insert;
  readonly #blank;
  readonly #delete;

  constructor(db: Db, secrets: Secrets) {
    this.#secrets = secrets;
    this.#byId = db.prepare<[string], BiometricRow>('SELECT * FROM biometrics WHERE acs_biometric_id = ?');
    this.#of = db.prepare<[number], BiometricRow>(
      'SELECT * FROM biometrics WHERE user_key = ? ORDER BY is_duress, biometric_key',
    );
    this.#insert = db.prepare<[NewBiometric & { template_sealed: Buffer }]>(
      `INSERT INTO biometrics (acs_biometric_id, user_key, biometric_type, format, is_duress, template_sealed, quality, display_name, created_at)
       VALUES (:acs_biometric_id, :user_key, :biometric_type, :format, :is_duress, :template_sealed, :quality, :display_name, :created_at)`,
    );
    this.#blank = db.prepare<[number]>(
      'UPDATE biometrics SET template_sealed = zeroblob(length(template_sealed)) WHERE biometric_key = ?',
    );
    this.#delete = db.prepare<[number]>('DELETE FROM biometrics WHERE biometric_key = ?');
  }

  byId(acsBiometricId: string): BiometricRow | undefined {
    return this.#byId.get(acsBiometricId);
  }

  /** Of one person, in order of enrolment; those for a threat last. */
  of(userKey: number): BiometricRow[] {
    return this.#of.all(userKey);
  }

  insert(biometric: NewBiometric, template: Buffer): void {
    const sealed = this.#secrets.seal(template.toString('base64'), contextOf(biometric));
    this.#insert.run({ ...biometric, template_sealed: sealed });
  }

  /** Overwritten first: a page that comes free as a whole would keep what it held. */
  delete(biometricKey: number): void {
    this.#blank.run(biometricKey);
    this.#delete.run(biometricKey);
  }

  /** Throws `internal` when it was altered, or belongs to another row. */
  open(row: BiometricRow): BiometricTemplate {
    const template = Buffer.from(this.#secrets.open(row.template_sealed, contextOf(row)), 'base64');
    return { type: row.biometric_type, format: row.format, template };
  }
}

/** Opened for this row of this person only, and as what it was read. */
const contextOf = ({ acs_biometric_id: id, biometric_type: type, format }: Omit<NewBiometric, 'user_key'>): string =>
  `biometric ${id} ${type} ${format}`;

/** Its row, as a part of what lets a person in. */
export const biometricLink = (row: BiometricRow): Link => ({
  table: 'biometrics',
  id: row.acs_biometric_id,
  values: sealedColumns('biometrics').map((name) => row[name as 'biometric_key' | 'template_sealed']),
  seal: row.seal,
});
