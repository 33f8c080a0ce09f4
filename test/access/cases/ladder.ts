// The gates that exist, from the tables that decisions walk, and in which cases each of them let pass or shut.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Judgement } from '../../../src/access/judging.ts';

type AnyGate = { step: string };
type Table = { name: string; gates: readonly AnyGate[] };

const isTable = (value: unknown): value is readonly AnyGate[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'object' && one !== null && 'step' in one && 'denies' in one); // prettier-ignore

const ACCESS = join(import.meta.dirname, '..', '..', '..', 'src', 'access');
/** In the order of the walk, in which `gates.ts` comes first. */
const files = readdirSync(ACCESS)
  .filter((name) => /^([a-z]+-)*gates\.ts$/.test(name))
  .sort((a, b) => Number(b === 'gates.ts') - Number(a === 'gates.ts'));
const modules = await Promise.all(files.map(async (name) => (await import(join(ACCESS, name))) as object));

/** Every table of gates, a new one as well, and in a new file. */
export const TABLES: readonly Table[] = modules.flatMap((tables) =>
  Object.entries(tables).flatMap(([name, value]: [string, unknown]) =>
    isTable(value) ? [{ name, gates: value }] : [],
  ),
);

export type Count = { passed: number; denied: number };

/** `DOOR_GATES keypad`. */
export const ALL_GATES: readonly string[] = TABLES.flatMap(({ name, gates }) => gates.map(({ step }) => `${name} ${step}`)); // prettier-ignore

/**
 * Gates that are heard of only while they are shut: they pass where somebody is let in. Of all others an explanation
 * says that they were asked and open.
 */
export const HEARD_OF_ONLY_SHUT = ['DOOR_GATES database', 'DOOR_GATES proof', 'FOUND_GATES read', 'NEXT_GATES keypad', 'NEXT_GATES code', 'FINGER_GATES biometric_attempts', 'FINGER_GATES biometric_reader']; // prettier-ignore

/** Adds one case. */
export function count(counts: Map<string, Count>, { detail, trail }: Judgement): void {
  const passed = new Set<string>();
  let shut: string | null = null;
  let isKnown = false;
  for (const { step, passed: isOpen } of trail.answered) {
    const gate = gateOf(step, isKnown);
    if (step === 'known') isKnown = true;
    if (isOpen) passed.add(gate);
    else shut ??= gate;
  }
  if (detail === null) for (const gate of HEARD_OF_ONLY_SHUT) passed.add(gate);
  const add = (gate: string, what: keyof Count): void => {
    const one = counts.get(gate) ?? { passed: 0, denied: 0 };
    counts.set(gate, { ...one, [what]: one[what] + 1 });
  };
  for (const gate of passed) if (gate !== shut) add(gate, 'passed');
  if (shut !== null && detail !== null) add(shut, 'denied');
}

/** A name that two tables have is of the later one behind `known`. */
function gateOf(step: string, isKnown: boolean): string {
  const having = TABLES.filter(({ gates }) => gates.some((gate) => gate.step === step));
  const table = isKnown ? (having.findLast(({ name }) => name !== 'DOOR_GATES') ?? having[0]) : having[0];
  if (table === undefined) throw new Error(`an explanation names the step ${step}, which is in no table of gates`);
  return `${table.name} ${step}`;
}
