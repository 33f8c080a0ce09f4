// `npm run sbom`: what Lintel is made of in production, as a CycloneDX list on standard output, for whoever must know
// when a weakness of a library is theirs. Made from package-lock.json alone, so that it needs no network, no particular
// npm, and no installation that might differ.
//
// Format: CycloneDX 1.6, JSON (ECMA-424). Purls as in the purl specification, type npm.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { uuidOfHash } from '../domain/ids.ts';
import { memberOf } from '../domain/named.ts';
import { systemClock } from '../ops/clock.ts';
import { HOME } from './version.ts';

const packageSchema = z.object({
  version: z.string().optional(),
  license: z.string().optional(),
  integrity: z.string().optional(),
  dev: z.boolean().default(false),
  optional: z.boolean().default(false),
  dependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
});
const lockSchema = z.object({
  name: z.string(),
  version: z.string(),
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), packageSchema),
});
type Package = z.infer<typeof packageSchema>;

/** What npm calls a folder in which packages are looked for. */
const MODULES = 'node_modules/';
/** These packages carry Node itself, whose weaknesses are filed under its own name. */
const NODE_PACKAGES = /^node-linux-(x64|arm64)$/;

/** The list, of a lock file's text. Throws when it is no lock file of npm 7 or later. */
export function billOfMaterials(lockText: string, atMs: number): Record<string, unknown> {
  const lock = lockSchema.parse(JSON.parse(lockText));
  const used = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev);
  const own = purl(lock.name, lock.version);
  const root = lock.packages[''];
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOfHash(createHash('sha256').update(lockText).digest('hex'))}`,
    version: 1,
    metadata: {
      timestamp: new Date(atMs).toISOString(),
      component: {
        type: 'application',
        'bom-ref': own,
        name: lock.name,
        version: lock.version,
        purl: own,
        licenses: licences(root?.license),
      },
    },
    components: [...new Map(used.map(([path, one]) => [refOf(path, one), component(path, one)])).values()],
    dependencies: [
      { ref: own, dependsOn: root === undefined ? [] : needs('', root, lock.packages) },
      ...mergedNeeds(used, lock.packages),
    ],
  };
}

function component(path: string, one: Package): Record<string, unknown> {
  const name = nameOf(path);
  const ref = refOf(path, one);
  const [group, short] = name.startsWith('@') ? name.split('/') : [null, name];
  return {
    type: NODE_PACKAGES.test(name) ? 'platform' : 'library',
    'bom-ref': ref,
    ...(group === null ? {} : { group }),
    name: short,
    version: one.version,
    scope: one.optional ? 'optional' : 'required',
    ...(one.integrity === undefined ? {} : { hashes: hashes(one.integrity) }),
    licenses: licences(one.license),
    ...(NODE_PACKAGES.test(name) ? { cpe: `cpe:2.3:a:nodejs:node.js:${one.version}:*:*:*:*:*:*:*` } : {}),
    purl: ref,
  };
}

/**
 * The same version may lie in several folders, with other neighbours in each: it is one component, and needs what any
 * of them needs.
 */
function mergedNeeds(
  used: readonly [string, Package][],
  all: Readonly<Record<string, Package>>,
): { ref: string; dependsOn: string[] }[] {
  const byRef = new Map<string, Set<string>>();
  for (const [path, one] of used) {
    const known = byRef.get(refOf(path, one)) ?? new Set();
    for (const ref of needs(path, one, all)) known.add(ref);
    byRef.set(refOf(path, one), known);
  }
  return [...byRef].map(([ref, refs]) => ({ ref, dependsOn: [...refs].sort() }));
}

/**
 * As Node looks for a package: in its own folder of modules first, then in that of each folder above it. What is not
 * there is optional, or for development.
 */
function needs(path: string, one: Package, all: Readonly<Record<string, Package>>): string[] {
  const names = Object.keys({ ...one.dependencies, ...one.optionalDependencies, ...one.peerDependencies });
  return names.flatMap((name) => {
    for (let at: string | null = path; at !== null; at = above(at)) {
      const place = at === '' ? `${MODULES}${name}` : `${at}/${MODULES}${name}`;
      const found = memberOf(all, place);
      if (found !== undefined) return found.dev ? [] : [refOf(place, found)];
    }
    return [];
  });
}

function above(path: string): string | null {
  if (path === '') return null;
  return path.slice(0, Math.max(0, path.lastIndexOf(MODULES) - 1));
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf(MODULES) + MODULES.length);

const refOf = (path: string, { version }: Package): string => purl(nameOf(path), version ?? '');

/** The @ of a scope is escaped, the slash behind it is not. */
const purl = (name: string, version: string): string => `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** An SPDX name, or an expression of several. */
function licences(text: string | undefined): Record<string, unknown>[] {
  if (text === undefined) return [];
  return /^[A-Za-z0-9.+-]+$/.test(text) ? [{ license: { id: text } }] : [{ expression: text }];
}

/** `sha512-` and base64, perhaps several, as hexadecimal. */
function hashes(integrity: string): { alg: string; content: string }[] {
  const names: Readonly<Record<string, string>> = {
    sha512: 'SHA-512',
    sha384: 'SHA-384',
    sha256: 'SHA-256',
    sha1: 'SHA-1',
  };
  return integrity.split(/\s+/).flatMap((one) => {
    const [kind = '', base64 = ''] = one.split(/-(.*)/s);
    const alg = memberOf(names, kind);
    return alg === undefined ? [] : [{ alg, content: Buffer.from(base64, 'base64').toString('hex') }];
  });
}

if (import.meta.main) {
  // Whoever builds it again from the same source gets the same bytes (reproducible-builds.org).
  const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? Number.NaN);
  const lock = readFileSync(join(HOME, 'package-lock.json'), 'utf8');
  const bill = billOfMaterials(lock, Number.isFinite(epoch) ? epoch * 1000 : systemClock.nowMs());
  process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`);
}
