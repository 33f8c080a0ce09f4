import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { DRIVERS } from '../../src/drivers.ts';
import { formatProblems } from '../../src/facility/format.ts';
import { facilityJsonSchema } from '../../src/facility/json-schema.ts';
import { loadFacility } from '../../src/facility/load.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'config');
const EXAMPLES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

/** The demonstration has the built-in broker on purpose. */
const MEANT: Readonly<Record<string, string>> = { 'demo.yaml': 'mqtt.embedded' };

describe('every example in config/', () => {
  const schema = z.fromJSONSchema(facilityJsonSchema(DRIVERS));

  it.each(EXAMPLES)('%s is good as it stands', (name) => {
    const { facility, problems } = loadFacility(join(FOLDER, name), DRIVERS);
    expect(formatProblems(problems.filter(({ key }) => key !== MEANT[name]))).toBe('');
    expect(facility?.entrances.length).toBeGreaterThan(0);
    expect(facility?.displayName).not.toBe(facility?.name);
  });

  it.each(EXAMPLES)('%s is complete and marked with nothing in an editor', (name) => {
    const text = readFileSync(join(FOLDER, name), 'utf8');
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./facility.schema.json');
    expect(schema.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
  });

  it('has ids of its own', () => {
    const ids = EXAMPLES.map((name) => loadFacility(join(FOLDER, name), DRIVERS).facility?.acsSystemId);
    expect(new Set(ids).size).toBe(EXAMPLES.length);
    expect(ids.length).toBeGreaterThan(1);
  });
});
