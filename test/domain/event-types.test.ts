import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EVENT_TYPES } from '../../src/domain/event-types.ts';

const HOME = new URL('../..', import.meta.url).pathname;
const FAMILIES = new Set(EVENT_TYPES.map((type) => type.slice(0, type.indexOf('.'))));

/** Every text in the program that has the form of a type of event. */
function spelled(): string[] {
  const files = ['src', 'drivers'].flatMap((folder) =>
    readdirSync(`${HOME}/${folder}`, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `${HOME}/${folder}/${file}`),
  );
  const found = files.flatMap(
    (file) =>
      readFileSync(file, 'utf8').match(
        /(?<=event_type: '|eventType: '|record\('|Type = '|\? '|: ')[a-z_]+\.[a-z_]+(?=')/g,
      ) ?? [],
  );
  return [...new Set(found)].filter((text) => FAMILIES.has(text.slice(0, text.indexOf('.'))));
}

it('every type of event that the program records is in the list, and nothing else is', () => {
  const texts = spelled();
  expect(texts.length).toBeGreaterThan(30);
  expect(texts.filter((type) => !EVENT_TYPES.includes(type))).toEqual([]);
});

it('every type of the list is in the reference', () => {
  const page = readFileSync(`${HOME}/docs/mqtt-api.md`, 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const told = rows.flatMap((row) => {
    const [first = ''] = row.slice(2).split(' | ');
    const names = [...first.matchAll(/`([a-z_.]+)`/g)].map(([, name = '']) => name);
    const family = names[0]?.split('.')[0] ?? '';
    return names.map((name) => (name.includes('.') ? name : `${family}.${name}`));
  });
  expect(EVENT_TYPES.filter((type) => !told.includes(type))).toEqual([]);
});
