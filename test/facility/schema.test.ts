import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { DRIVERS } from '../../src/drivers.ts';
import { facilityJsonSchema } from '../../src/facility/json-schema.ts';
import { facilitySchema } from '../../src/facility/schema.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf, SECTIONS, type Sections } from './files.ts';

type Json = { [key: string]: unknown };
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Every key that the schema names, with its own node. */
function* keysOf(node: unknown, path: string): Generator<[path: string, node: Json]> {
  if (!isObject(node)) return;
  const properties = isObject(node['properties']) ? node['properties'] : {};
  for (const [key, inner] of Object.entries(properties)) {
    if (isObject(inner)) yield [`${path}.${key}`, inner];
    yield* keysOf(inner, `${path}.${key}`);
  }
  for (const forms of [node['anyOf'], node['oneOf']]) {
    if (Array.isArray(forms))
      for (const form of forms) yield* keysOf(form, `${path}(${String((form as Json)['title'])})`);
  }
  yield* keysOf(node['additionalProperties'], `${path}.*`);
}

describe('the JSON Schema for editors', () => {
  const accepts = z.fromJSONSchema(facilityJsonSchema([fakeDriver]));
  const read = (sections: Sections): unknown => parse(fileOf(sections));

  it('accepts what the loader accepts', () => {
    const everything: Sections[] = [
      {},
      { store: 'store: {events: {keep: 90d, max: 2_000_000}}\n' },
      { mqtt: 'mqtt: {embedded: 1883}\n', policy: 'policy: {offline: {grace: 72h}, preload: 0ms}\n' },
      { mqtt: 'mqtt: {url: "wss://b.example/mqtt", password: {file: pw}, ca: {credential: ca}}\n' },
    ];
    for (const sections of everything) {
      expect(accepts.safeParse(read(sections)).error).toBeUndefined();
      expect(
        facilitySchema([fakeDriver]).safeParse(parse(fileOf(sections).replace('2_000_000', '2000000'))).error,
      ).toBeUndefined();
    }
  });

  it.each<[string, Sections]>([
    ['an unknown key', { policy: 'polcy: {}\n' }],
    ['a missing key', { head: 'facility: r\n' }],
    ['a name with capitals', { head: SECTIONS.head.replace('riverside', 'Riverside') }],
    ['a duration without a unit', { policy: 'policy: {preload: 3}\n' }],
    ['a secret in the file', { mqtt: 'mqtt: {url: mqtts://b.example, password: hunter2}\n' }],
    ['an unknown driver', { buses: 'buses: {north: {driver: fuke, port: a}}\n' }],
    ["a driver's own key of the wrong type", { buses: 'buses: {north: {driver: fake, port: a, baud: fast}}\n' }],
    ['a controller without its bus', { controllers: 'controllers: {reader: {unit: 1}}\n' }],
    ['an unknown card format', { controllers: 'controllers: {reader: {bus: north, unit: 1, card_formats: [H1]}}\n' }],
    [
      'an entrance of neither kind',
      { entrances: 'entrances: {lobby: {acs_entrance_id: 55555555-5555-5555-5555-555555555555}}\n' },
    ],
  ])('refuses %s', (_name, sections) => {
    expect(accepts.safeParse(read(sections)).success).toBe(false);
    expect(facilitySchema([fakeDriver]).safeParse(read(sections)).success).toBe(false);
  });

  it('has a title and a description for every key, those of the drivers included', () => {
    const bare = [...keysOf(facilityJsonSchema(DRIVERS), 'file')].filter(
      ([, node]) =>
        typeof node['title'] !== 'string' || typeof node['description'] !== 'string' || node['description'] === '',
    );
    expect(bare.map(([path]) => path)).toEqual([]);
  });

  it('shows a default, an example or a range wherever something must be written', () => {
    const blank = [...keysOf(facilityJsonSchema([fakeDriver]), 'file')].filter(([path, node]) => {
      const shows = [
        'default',
        'examples',
        'maximum',
        'enum',
        'const',
        'properties',
        'additionalProperties',
        'anyOf',
      ].some((key) => key in node);
      return !shows && !/\.(file|credential)$/.test(path);
    });
    expect(blank.map(([path]) => path)).toEqual([]);
  });
});
