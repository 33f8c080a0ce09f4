// The version of the package that this program belongs to.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where Lintel lies on this machine. */
export const HOME = join(import.meta.dirname, '..', '..');

export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(HOME, 'package.json'), 'utf8'));
  const isNamed = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isNamed && typeof manifest.version === 'string' ? manifest.version : 'unknown';
}
