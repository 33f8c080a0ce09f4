// The file of cases as it is read: a small facility, its people, and one row for each case. What is wrong in it is told
// by line.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineCounter, parseDocument, isMap } from 'yaml';
import { z } from 'zod';
import { atLocal } from './instants.ts';

export const CASES_FILE = join(import.meta.dirname, '..', 'cases.yaml');

const NAME = /^[a-z][a-z0-9 -]*$/;
const name = z.string().regex(NAME, 'a name in small letters');
const instant = z.string().transform((text, context) => {
  const atMs = atLocal(text);
  if (typeof atMs === 'number') return atMs;
  context.addIssue({ code: 'custom', message: atMs });
  return z.NEVER;
});
const window = { from: instant.optional(), until: instant.optional() };
const holding = z.strictObject({
  ...window,
  doors: z.array(name).optional(),
  hours: name.optional(),
  once: z.boolean().default(false),
  uses: z.number().int().positive().optional(),
  nobody: z.boolean().default(false),
  serial: z.string().optional(),
});
const path = z.strictObject({ ...window, hours: name.optional() });
const person = z.strictObject({
  ...window,
  in: z.record(name, path).default({}),
  may: z.record(name, path).default({}),
  stay: z.strictObject({ ...window, doors: z.array(name), reservation: z.string().optional() }).optional(),
  longer: z.boolean().default(false),
  card: holding.optional(),
  code: holding.optional(),
  /** What is typed under a threat. */
  duress: holding.optional(),
  phone: holding.optional(),
  /** Enrolled at the sensor, and one that is put there under a threat. */
  finger: z.boolean().default(false),
  other: z.boolean().default(false),
});
const hours = z.strictObject({ week: z.string(), holidays: z.string().default('closed') });
const graces = z.partialRecord(z.enum(['staff', 'visitor', 'one_time']), z.number().positive());
const factors = z.enum(['card', 'code', 'card_or_code', 'card_and_code', 'card_and_biometric']);
const door = z.strictObject({
  takes: factors,
  /** What it takes instead, by the clock; the first that holds. */
  instead: z.array(z.strictObject({ takes: factors, week: z.string() })).default([]),
  inside: z.boolean().default(false),
  contact: z.boolean().default(false),
  phones: z.boolean().default(false),
  formats: z.array(z.string()).default(['H10301', 'uid']),
  offline: graces.default({}),
  modes: z
    .array(z.strictObject({ mode: z.enum(['unlocked', 'locked']), week: z.string(), first: z.boolean().default(false) }))
    .default([]),
}); // prettier-ignore

const area = z.strictObject({
  /** Ways in: readers. */
  in: z.array(name),
  out: z.array(name).default([]),
  /** `30min`: so long after the entry. */
  again: z.union([z.enum(['never', 'told']), z.string().regex(/^[0-9]+min$/)]).optional(),
  limit: z.number().int().positive().optional(),
  two: z.number().positive().optional(),
  exempt: z.array(name).default([]),
});

const caseRow = z.strictObject({
  who: z.string(),
  at: z.string().default('lobby'),
  when: z.string().default('Mon 2026-03-02 10:00').pipe(instant),
  world: z.array(z.string()).default([]),
  then: z.enum(['granted', 'denied', 'asked for the code', 'asked for the finger', 'let out', 'free', 'locked']),
  why: z.string().optional(),
  told: z.array(z.string()).optional(),
});

const file = z.strictObject({
  facility: z.strictObject({ offline: graces, override: z.array(name) }),
  hours: z.record(name, hours),
  holidays: z.record(z.string(), z.string()),
  doors: z.record(name, door),
  areas: z.record(name, area).default({}),
  interlocks: z.record(name, z.array(name)).default({}),
  groups: z.record(name, z.strictObject({ doors: z.array(name), hours: name.optional() })),
  people: z.record(name, person),
  cases: z.record(z.string(), z.array(caseRow)),
});

export type Cast = Omit<z.output<typeof file>, 'cases'>;
export type Holding = z.output<typeof holding>;
export type DoorOf = z.output<typeof door>;
export type Row = z.output<typeof caseRow> & { title: string; line: number };

export function readCases(text = readFileSync(CASES_FILE, 'utf8')): { cast: Cast; rows: Row[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) throw error;
  const lineOf = (keys: readonly PropertyKey[]): number => {
    for (let depth = keys.length; depth > 0; depth--) {
      const node = document.getIn(keys.slice(0, depth), true) as { range?: [number, number, number] } | undefined;
      if (node?.range !== undefined) return lines.linePos(node.range[0]).line;
    }
    return 1;
  };
  const parsed = file.safeParse(document.toJS());
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `cases.yaml:${lineOf(issue.path)} ${issue.path.join('.')}: ${issue.message}`); // prettier-ignore
    throw new Error(wrong.join('\n'));
  }
  const { cases, ...cast } = parsed.data;
  const rows = Object.entries(cases).flatMap(([chapter, each]) =>
    each.map((row, i): Row => {
      const line = lineOf(['cases', chapter, i]);
      const world = row.world.length === 0 ? '' : `, ${row.world.join(', ')}`;
      const node = document.getIn(['cases', chapter, i], true);
      const when = isMap(node) && node.has('when') ? ` ${String(node.get('when'))}` : '';
      return { ...row, line, title: `line ${line}, ${chapter}: ${row.who} at ${row.at}${when}${world}: ${row.then}` };
    }),
  );
  return { cast, rows };
}
