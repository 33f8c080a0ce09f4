// Which Node a package wants is asked of the Node that npm runs on, which on Debian 12 is 18 and never runs Lintel. npm
// then leaves out, without a word, each optional package that wants a newer one, e.g. the native half of a test tool.
// The pinned Node suits them all, so the lock file asks nothing. `npm run lock` is this, after npm has written it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Lock = { packages: Record<string, { engines?: unknown }> };

/** The lock file's text without what packages want of Node, else as npm writes it. */
export function trimmedLock(text: string): string {
  const lock = JSON.parse(text) as Lock;
  for (const one of Object.values(lock.packages)) delete one.engines;
  return `${JSON.stringify(lock, null, 2)}\n`;
}

if (import.meta.main) {
  const file = join(import.meta.dirname, '../../package-lock.json');
  writeFileSync(file, trimmedLock(readFileSync(file, 'utf8')));
}
