// Changes that leave JSON what it is: members left out, added, exchanged, and values that stand elsewhere under the same
// key, or under none.

import type { Chance } from '../world/seeded/chance.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const TELLING: readonly Json[] = [null, true, false, 0, 1, -1, 0.5, 1e99, 2 ** 31, '', ' ', '0', 'x'.repeat(300), '\u0000', '\ud800', '\u{1f600}', [], {}, [[]], '1970-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '2026-03-02T09:00:01+02:00', '__proto__', 'constructor']; // prettier-ignore
const MOST_DEPTH = 12;

/** What stands in these under each key. */
export function valuesByKey(among: readonly unknown[]): Map<string, Json[]> {
  const found = new Map<string, Json[]>();
  const walk = (value: Json, key: string): void => {
    found.set(key, [...(found.get(key) ?? []), value]);
    if (Array.isArray(value)) for (const item of value) walk(item, key);
    else if (typeof value === 'object' && value !== null) for (const [name, inner] of Object.entries(value)) walk(inner, name); // prettier-ignore
  };
  for (const value of among) walk(value as Json, '');
  return found;
}

/** One change, somewhere; `pool`: what else there is. */
export function changedJson(text: string, chance: Chance, pool: ReadonlyMap<string, readonly Json[]>): string {
  let root: Json;
  try {
    root = JSON.parse(text) as Json;
  } catch {
    return text;
  }
  const keys = [...pool.keys()];
  const another = (key: string): Json => {
    const known = pool.get(chance.is(0.7) ? key : chance.of(keys)) ?? [];
    return known.length > 0 && chance.is(0.7) ? chance.of(known) : chance.of(TELLING);
  };
  const change = (value: Json, key: string, depth: number): Json => {
    const isWithin = typeof value === 'object' && value !== null && depth < MOST_DEPTH;
    if (!isWithin || chance.is(0.1)) return another(key);
    if (Array.isArray(value)) {
      const at = chance.whole(0, value.length);
      const item = value[at];
      if (item === undefined || chance.is(0.2)) return [...value, another(key)];
      if (chance.is(0.2)) return [...value.slice(0, at), ...value.slice(at + 1)];
      return value.with(at, change(item, key, depth + 1));
    }
    const names = Object.keys(value);
    const name = names.length === 0 || chance.is(0.15) ? chance.of(keys) : chance.of(names);
    const copy = { ...value };
    if (chance.is(0.15)) Reflect.deleteProperty(copy, name);
    else copy[name] = change(copy[name] ?? null, name, depth + 1);
    return copy;
  };
  return JSON.stringify(change(root, '', 0));
}
