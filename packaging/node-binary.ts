// The Node that the lock file pins, for either kind of machine: from node_modules where npm has put it, else from the
// registry, and then only if it is what the lock file says, to the bit.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_ARCH, type Arch } from './native.ts';

type Lock = { packages: Record<string, { version: string; integrity: string } | undefined> };

/** The folder of the package, with `bin/node` and `LICENSE`. */
export function nodeFor(home: string, arch: Arch): string {
  const name = `node-linux-${NODE_ARCH[arch]}`;
  const installed = join(home, 'node_modules', name);
  if (existsSync(join(installed, 'bin/node'))) return installed;
  const lock = JSON.parse(readFileSync(join(home, 'package-lock.json'), 'utf8')) as Lock;
  const wanted = lock.packages[`node_modules/${name}`];
  if (wanted === undefined) throw new Error(`package-lock.json names no ${name}`);
  const cache = join(home, 'node_modules/.cache');
  const kept = join(cache, `${name}-${wanted.version}`);
  if (existsSync(kept)) return kept;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, `${name}-`));
  try {
    execFileSync('npm', ['pack', `${name}@${wanted.version}`, '--silent', '--pack-destination', folder], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const file = join(folder, `${name}-${wanted.version}.tgz`);
    const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
    if (integrity !== wanted.integrity)
      throw new Error(`${name}@${wanted.version} is not what package-lock.json says: ${integrity}`);
    execFileSync('tar', ['-xzf', file, '-C', folder, '--no-same-owner']);
    renameSync(join(folder, 'package'), kept);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return kept;
}
