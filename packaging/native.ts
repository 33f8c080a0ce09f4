// What native modules need at run time on one kind of machine: their JavaScript, the prebuilt binary for it, and the
// packages that they load themselves. Sources, other platforms and types stay behind.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export type Arch = 'amd64' | 'arm64';

/** As Node calls it. */
export const NODE_ARCH = { amd64: 'x64', arm64: 'arm64' } as const;

/** Named as dependencies, used by nobody at run time: headers to compile with. */
const HEADERS = new Set(['node-addon-api']);

/** Copies these packages and what they load from `from`/node_modules to `to`/node_modules. */
export function copyNative(from: string, to: string, names: readonly string[], arch: Arch): void {
  const copied = new Set<string>();
  const copy = (folder: string): void => {
    if (copied.has(folder)) return;
    copied.add(folder);
    copyPackage(folder, join(to, relative(from, folder)), arch);
    for (const name of dependenciesOf(folder)) copy(nearest(from, folder, name));
  };
  for (const name of names) copy(nearest(from, from, name));
}

function dependenciesOf(folder: string): string[] {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  return Object.keys(manifest.dependencies ?? {}).filter((name) => !HEADERS.has(name));
}

/** Where Node finds the package from there. */
function nearest(home: string, folder: string, name: string): string {
  for (let at = folder; ; at = dirname(at)) {
    const found = join(at, 'node_modules', name);
    if (existsSync(found)) return found;
    if (at === home) throw new Error(`${name}, which ${folder} needs, is not installed. Remedy: npm ci`);
  }
}

function copyPackage(from: string, to: string, arch: Arch): void {
  const walk = (path: string): void => {
    for (const name of readdirSync(join(from, path)).sort()) {
      const at = join(path, name);
      if (statSync(join(from, at)).isDirectory()) {
        if (name !== 'node_modules' && name !== 'deps' && name !== 'src') walk(at);
        // `debug` has its program in there.
        else if (name === 'src' && existsSync(join(from, at, 'node.js'))) walk(at);
        continue;
      }
      if (!isWanted(at, arch)) continue;
      mkdirSync(join(to, path), { recursive: true });
      cpSync(join(from, at), join(to, at));
    }
  };
  walk('');
}

function isWanted(path: string, arch: Arch): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.endsWith('.node')) return isFor(path, NODE_ARCH[arch]);
  return name === 'package.json' || /^licen[cs]e/i.test(name) || (name.endsWith('.js') && !name.endsWith('.test.js'));
}

/** `prebuilds/linux-x64.node`, `prebuilds/linux-arm64/….glibc.node`: glibc, as Debian has it. */
const isFor = (path: string, arch: string): boolean =>
  new RegExp(`(^|/)prebuilds/linux-${arch}(\\.node$|/.*glibc\\.node$)`).test(path);
