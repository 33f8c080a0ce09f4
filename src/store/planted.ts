// Triggers and views run with our own statements, and what they write would be sealed as ours: a database holds those
// that Lintel made, to the letter, and no others.

import Database from 'better-sqlite3';
import { teachFolding } from './fold.ts';
import type { Migration } from './migrations.ts';

type Db = Database.Database;
type Program = { type: 'trigger' | 'view'; name: string; sql: string };

/** What of it is not ours; [] in a sound database. One of ours that is missing is named as well. */
export function planted(db: Db, migrations: readonly Migration[]): Program[] {
  const ours = new Map(ourPrograms(migrations).map((program) => [program.name, program]));
  const found = programsOf(db);
  const others = found.filter(({ name, type, sql }) => ours.get(name)?.sql !== sql || ours.get(name)?.type !== type);
  const names = new Set(found.map(({ name }) => name));
  return [...others, ...[...ours.values()].filter(({ name }) => !names.has(name))];
}

/** Takes out what is not ours and puts back what is. */
export function uproot(db: Db, migrations: readonly Migration[]): void {
  const ours = ourPrograms(migrations);
  const drop = ({ type, name }: Program): void =>
    void db.exec(`DROP ${type} IF EXISTS main."${name.replaceAll('"', '""')}"`);
  db.transaction(() => {
    programsOf(db).forEach(drop);
    for (const { sql } of ours) db.exec(sql);
  }).immediate();
}

/** By the steps: they are the same as long as this process runs, and making them costs most of an opening. */
const known = new WeakMap<readonly Migration[], readonly Program[]>();

/** Of a database as it comes out of every step, empty and in memory. */
function ourPrograms(migrations: readonly Migration[]): readonly Program[] {
  const programs = known.get(migrations) ?? makePrograms(migrations);
  known.set(migrations, programs);
  return programs;
}

function makePrograms(migrations: readonly Migration[]): readonly Program[] {
  const db = new Database(':memory:');
  try {
    teachFolding(db);
    for (const { sql } of migrations) db.exec(sql);
    return programsOf(db);
  } finally {
    db.close();
  }
}

function programsOf(db: Db): Program[] {
  return db
    .prepare<[], Program>(`SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name`)
    .all();
}
