// Comparing names in SQL as people do when they search; by itself SQLite knows the letters of English only.

import { fold } from '../domain/fold.ts';
import type { Db } from './db.ts';

/** `fold(text)` in SQL; null stays null. */
export function teachFolding(db: Db): void {
  db.function('fold', { deterministic: true }, (text: unknown) => (typeof text === 'string' ? fold(text) : null));
}
