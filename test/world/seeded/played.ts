// What came of a seed.

export type Played = {
  steps: number;
  commands: { sent: number; ok: number; refused: number };
  presented: { granted: number; denied: number; unsure: number };
  faults: Readonly<Record<string, number>>;
  events: number;
  virtualMs: number;
};

/** Something that must never be; the seed makes it again. */
export class Wrong extends Error {}

export const NOTHING: Played = {
  steps: 0,
  commands: { sent: 0, ok: 0, refused: 0 },
  presented: { granted: 0, denied: 0, unsure: 0 },
  faults: {},
  events: 0,
  virtualMs: 0,
};

export function sum(one: Played, other: Played): Played {
  const each = <T extends Record<string, number>>(a: T, b: T): T =>
    Object.fromEntries([...new Set([...Object.keys(a), ...Object.keys(b)])].map((key) => [key, (a[key] ?? 0) + (b[key] ?? 0)])) as T; // prettier-ignore
  return {
    steps: one.steps + other.steps,
    commands: each(one.commands, other.commands),
    presented: each(one.presented, other.presented),
    faults: each(one.faults, other.faults),
    events: one.events + other.events,
    virtualMs: one.virtualMs + other.virtualMs,
  };
}
