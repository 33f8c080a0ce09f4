import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { eventCatalogue, eventTypes, isEventType, newEvent } from '../../src/domain/events.ts';
import { asNode, formsOf, writtenForm } from '../../src/domain/words.ts';

const HOME = new URL('../..', import.meta.url).pathname;

const sources = ['src', 'drivers'].flatMap((folder) =>
  readdirSync(`${HOME}/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !(folder === 'src' && /^domain\/[a-z]*-?events\.ts$/.test(file)))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(`${HOME}/${folder}/${file}`, 'utf8') })),
);

it('no event is made but by the catalogue', () => {
  const byHand = sources.filter(({ text }) =>
    /\bevent_type: (?!string|event\.event_type|eventType\.|type \}|z\.string|text\(|\{ const)/.test(text),
  );
  expect(byHand.map(({ file }) => file)).toEqual([]);
});

it('every text in the program that looks like a type of event is one', () => {
  const families = new Set(eventTypes().map((type) => type.slice(0, type.indexOf('.'))));
  const found = sources.flatMap(({ text }) => text.match(/(?<=')[a-z_]+\.[a-z_]+(?=')/g) ?? []);
  const own = [...new Set(found)].filter((text) => families.has(text.slice(0, text.indexOf('.'))));
  expect(own.length).toBeGreaterThan(60);
  expect(own.filter((text) => !isEventType(text))).toEqual([]);
});

it('every type of the catalogue is told somewhere, and every member has its meaning', () => {
  const all = sources.map(({ text }) => text).join('\n');
  expect(eventTypes().filter((type) => !all.includes(`'${type}'`))).toEqual([]);
  const bare = eventTypes().flatMap((type) =>
    Object.entries(writtenForm(eventCatalogue()[type].body).properties ?? {}).flatMap(([name, value]) => {
      const node = asNode(value);
      const isTold = node !== null && [node, ...formsOf(node)].some(({ description }) => description !== undefined);
      return isTold ? [] : [`${type} ${name}`];
    }),
  );
  expect(bare).toEqual([]);
});

it('a body that is not that of its type is refused where it is made', () => {
  const body = { acs_system_id: 'x', device: 'lobby-reader' };
  expect(newEvent('device.connected', body)).toEqual({ event_type: 'device.connected', body });
  expect(() => newEvent('device.connected', { ...body, card: '1' } as typeof body)).toThrow('device.connected');
  expect(() => newEvent('device.power', { ...body, failed: 'yes' as unknown as boolean })).toThrow('failed');
});
