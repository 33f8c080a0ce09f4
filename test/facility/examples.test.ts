import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { DRIVERS } from '../../src/drivers.ts';
import { formatProblems } from '../../src/facility/format.ts';
import { facilityJsonSchema } from '../../src/facility/json-schema.ts';
import { loadFacility } from '../../src/facility/load.ts';
import { temporaryFolder } from '../support/store.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'config');
const EXAMPLES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

/** The demonstration has the built-in broker on purpose. */
const MEANT: Readonly<Record<string, string>> = { 'demo.yaml': 'mqtt.embedded' };

const ROOT = join(FOLDER, '..');
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))];
/** What stands before a part of a facility file that a page shows alone. */
const HEAD = `
facility: riverside
acs_system_id: 88888888-8888-8888-8888-888888888888
time_zone: Europe/Oslo
mqtt: {url: "mqtts://broker.example:8883"}
store: {events: {keep: 90d}}
policy: {default_card_format: {format: H10301, facility_code: 123}}
`;

describe('every facility file that the documentation shows', () => {
  const shown = PAGES.flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^```yaml\n([^]*?)^```$/gm)]
      .map(([, yaml = '']) => yaml)
      .filter((yaml) => /^entrances:/m.test(yaml))
      .map((yaml, i) => ({ place: `${page}, the ${i + 1}.`, yaml })),
  );

  it('is found', () => {
    expect(shown.map(({ place }) => place)).toEqual(
      expect.arrayContaining(['README.md, the 1.', 'docs/osdp.md, the 1.']),
    );
  });

  it.each(shown)('$place is good as it stands', ({ yaml }) => {
    const file = join(temporaryFolder(), 'riverside.yaml');
    writeFileSync(file, /^facility:/m.test(yaml) ? yaml : HEAD + yaml);
    const { facility, problems } = loadFacility(file, DRIVERS);
    expect(formatProblems(problems)).toBe('');
    expect(facility?.entrances.length).toBeGreaterThan(0);
  });
});

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
