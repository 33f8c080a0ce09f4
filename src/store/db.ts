// The database as every table of it is handed it.

import type Database from 'better-sqlite3';

export type Db = Database.Database;
