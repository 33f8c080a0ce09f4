// One group commit and everybody who has a part in it, on a database that may grow no further.

import Database from 'better-sqlite3';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Transactions, type GroupHooks } from '../../src/store/transactions.ts';
import { ManualClock, turn } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/store.ts';

type Told = { told: string[]; hooks: (name: string) => GroupHooks };

function teller(): Told {
  const told: string[] = [];
  const codeOf = (error: Error): string => ('code' in error ? String(error.code) : error.message);
  const hooks = (name: string): GroupHooks => ({
    committed: () => told.push(`${name} is committed`),
    rolledBack: (error) => told.push(`${name} is undone: ${codeOf(error)}`),
  });
  return { told, hooks };
}

/** `beforeCommit` is what the observer of every commit writes. */
function open(beforeCommit: (db: Database.Database) => void = () => undefined) {
  const db = new Database(join(temporaryFolder(), 'group.db'));
  onTestFinished(() => void db.close());
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE notes (text)');
  const transactions = new Transactions(db, new ManualClock(), {
    beforeCommit: () => beforeCommit(db),
    confirm: () => undefined,
    committed: () => undefined,
    afterCommit: () => undefined,
  });
  const note = (text: string): void => void db.prepare('INSERT INTO notes VALUES (?)').run(text);
  const notes = (): unknown[] => db.prepare('SELECT substr(text, 1, 9) FROM notes').pluck().all();
  return { db, transactions, note, notes };
}

const LARGE = 'x'.repeat(1_000_000);
const growNoFurther = (db: Database.Database): void => void db.pragma('max_page_count = 1');

it('a disk that is full for one member is told to every other one, and nothing of any of them stays', async () => {
  const { db, transactions, note, notes } = open();
  const { told, hooks } = teller();
  growNoFurther(db);
  transactions.group(() => note('the first'), hooks('the first'));
  transactions.group(() => note('the other'), hooks('the other'));
  expect(() => transactions.group(() => note(LARGE), hooks('the large'))).toThrow('full');
  expect(told).toEqual(['the first is undone: SQLITE_FULL', 'the other is undone: SQLITE_FULL']);
  expect(notes()).toEqual([]);
  transactions.group(() => note('the next'), hooks('the next'));
  await turn();
  expect(told.slice(2)).toEqual(['the next is committed']);
  expect(notes()).toEqual(['the next']);
});

it('and so is one that is full only at the commit', () => {
  const isFull = { yes: true };
  const { db, transactions, note, notes } = open(() => isFull.yes && note(LARGE));
  const { told, hooks } = teller();
  growNoFurther(db);
  transactions.group(() => note('the first'), hooks('the first'));
  transactions.group(() => note('the other'), hooks('the other'));
  expect(() => transactions.flush()).toThrow('full');
  expect(told).toEqual(['the first is undone: SQLITE_FULL', 'the other is undone: SQLITE_FULL']);
  expect(notes()).toEqual([]);
  isFull.yes = false;
  transactions.now(() => note('the next'));
  expect(notes()).toEqual(['the next']);
});

it('everybody hears that the group is undone, also behind one whose own mistake throws', () => {
  const { db, transactions, note } = open();
  const { told, hooks } = teller();
  growNoFurther(db);
  transactions.group(() => note('the first'), { rolledBack: () => { throw new Error('a mistake'); } }); // prettier-ignore
  transactions.group(() => note('the other'), hooks('the other'));
  expect(() => transactions.group(() => note(LARGE))).toThrow('a mistake');
  expect(told).toEqual(['the other is undone: SQLITE_FULL']);
});
