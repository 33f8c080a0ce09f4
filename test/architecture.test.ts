import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const HOME = new URL('..', import.meta.url).pathname;
const page = readFileSync(join(HOME, 'docs/architecture.md'), 'utf8');
const rules = readFileSync(join(HOME, '.dependency-cruiser.cjs'), 'utf8');

it('docs/architecture.md names only files that there are', () => {
  const named = [...page.matchAll(/`((?:src|drivers|packaging|test|docs)\/[\w./-]*|\.[\w-]+\.cjs)`/g)].map(
    ([, path = '']) => path,
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((path) => !existsSync(join(HOME, path)))).toEqual([]);
});

it('docs/architecture.md has every room, and the import rules know each of them', () => {
  const rooms = readdirSync(join(HOME, 'src')).filter((name) => statSync(join(HOME, 'src', name)).isDirectory());
  expect(rooms.length).toBeGreaterThan(8);
  expect(rooms.filter((room) => !page.includes(`\`src/${room}/\``))).toEqual([]);
  expect(rooms.filter((room) => room !== 'cli' && !rules.includes(`'^src/${room}/`))).toEqual([]);
  const drivers = readdirSync(join(HOME, 'drivers')).filter((name) =>
    statSync(join(HOME, 'drivers', name)).isDirectory(),
  );
  expect(drivers.filter((name) => !rules.includes(`'${name}'`) && !rules.includes(`${name}/`))).toEqual([]);
});

it('only what takes commands speaks of their parameters: the store and synchronisation know none', () => {
  const filesOf = (room: string): string[] =>
    readdirSync(join(HOME, 'src', room)).map((name) => join(HOME, 'src', room, name));
  const files = ['store', 'sync', 'domain'].flatMap(filesOf).filter((path) => !path.endsWith('/errors.ts'));
  expect(files.length).toBeGreaterThan(60);
  expect(files.filter((path) => /params\.[a-z$]|\['params'/.test(readFileSync(path, 'utf8')))).toEqual([]);
});

it('who opens which door is asked in one place: nobody else reads the lists of entrances', () => {
  const owners = ['own-lists.ts', 'reach.ts', 'sealing.ts', 'verification.ts'].map((name) => `store/${name}`);
  const files = readdirSync(join(HOME, 'src'), { recursive: true, encoding: 'utf8' });
  const asking = /\b(FROM|JOIN|INTO|UPDATE)\s+(\$\{LIST\}|credential_entrances)/;
  const asked = files.filter(
    (path) => path.endsWith('.ts') && asking.test(readFileSync(join(HOME, 'src', path), 'utf8')),
  );
  expect(asked.sort()).toEqual(owners);
});

it('no file of the product is longer than 500 lines', () => {
  const files = ['src', 'drivers', 'packaging'].flatMap((room) =>
    readdirSync(join(HOME, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(room, name)),
  );
  expect(files.length).toBeGreaterThan(300);
  const lines = (file: string): number => readFileSync(join(HOME, file), 'utf8').split('\n').length - 1;
  expect(files.filter((file) => lines(file) > 500)).toEqual([]);
});
