// Making the folder of the database: step by step, for there are places (as under /proc) where Node's own recursive way
// never comes back.

import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes `folder` and what is missing above it, readable to its owner alone; throws what the system said of the first
 * that cannot be made.
 */
export function makeFolders(folder: string): void {
  const missing: string[] = [];
  for (let at = folder; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const at of missing.reverse()) mkdirSync(at, { mode: 0o700 });
  // A file of that name, or one that nobody may look into.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}
