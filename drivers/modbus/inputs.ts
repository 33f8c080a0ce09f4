// Contacts, buttons and other inputs: read in as few requests as their addresses allow, again and again, and told when
// they change and have stayed changed.

import type { Profile } from './profile-schema.ts';
import type { Talk } from './talk.ts';
import type { Area } from './schema-parts.ts';
import { InputHistory } from '../kit/input-history.ts';
import type { Clock } from '../../src/domain/ports.ts';

type InputSpec = Profile['inputs'][number];

/** Addresses that are read together. */
export type Block = { area: Area; at: number; count: number };

type InputState = {
  /** As last told; null before the first time. */
  told: boolean | null;
  /** Another state that has been seen, and since when. */
  candidate: { active: boolean; sinceMs: number } | null;
};

/** `changedAfterMs`: as in `InputEvent`. */
export type InputTold = (input: number, active: boolean, atMonotonicMs: number, changedAfterMs: number | null) => void;

export class Inputs {
  readonly #specs: readonly InputSpec[];
  readonly #talk: Talk;
  readonly #clock: Clock;
  readonly #tell: InputTold;
  readonly #blocks: readonly Block[];
  readonly #states: InputState[];
  readonly #history = new InputHistory();

  constructor(specs: readonly InputSpec[], talk: Talk, clock: Clock, tell: InputTold) {
    this.#specs = specs;
    this.#talk = talk;
    this.#clock = clock;
    this.#tell = tell;
    this.#blocks = blocksOf(specs);
    this.#states = specs.map(() => ({ told: null, candidate: null }));
  }

  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  /** After an outage every state is told again. */
  forget(): void {
    for (const state of this.#states) {
      state.told = null;
      state.candidate = null;
    }
  }

  /** Reads all inputs once; false when the device did not answer. */
  async poll(): Promise<boolean> {
    const values = new Map<string, number>();
    let atMs = this.#clock.monotonicMs();
    // All of them wait in the queue at once, so that no transfer comes in between.
    const results = await Promise.all(
      this.#blocks.map(async (block) => ({
        block,
        result: await this.#talk.read(block.area, block.at, block.count, 'input'),
      })),
    );
    for (const { block, result } of results) {
      if (!result.ok) return false;
      result.value.forEach((value, i) => values.set(key(block.area, block.at + i), value));
      atMs = result.atMonotonicMs;
    }
    const value = (area: Area, at: number): number => values.get(key(area, at)) ?? 0;
    for (const [index, spec] of this.#specs.entries()) await this.#judge(index, spec, value, atMs);
    return true;
  }

  /** How soon a change that is not certain yet wants to be looked at again; null when there is none. */
  nextLookMs(): number | null {
    const waits = this.#states.flatMap(({ candidate }, i) =>
      candidate === null ? [] : [candidate.sinceMs + (this.#specs[i]?.debounce ?? 0) - this.#clock.monotonicMs()],
    );
    return waits.length === 0 ? null : Math.max(0, Math.min(...waits));
  }

  async #judge(index: number, spec: InputSpec, value: (area: Area, at: number) => number, atMs: number): Promise<void> {
    const raw = value(spec.area, spec.at);
    const level = spec.bit === undefined ? raw !== 0 : (raw & (1 << spec.bit)) !== 0;
    const active = level !== spec.invert;
    const state = this.#states[index];
    if (state === undefined) return;
    const isLatched = spec.latch !== undefined && value('coil', spec.latch.at) !== spec.latch.clear;
    this.#history.note(index, active || isLatched, atMs);
    if (spec.latch !== undefined && isLatched) {
      // Pressed and perhaps released since the last look. Told once the device has let go of it: else the same press
      // would be told twice.
      const cleared = await this.#talk.writeCoil(spec.latch.at, spec.latch.clear === 1, { priority: 'input' });
      if (cleared.ok && state.told !== true) this.#told(index, state, true, atMs);
    }
    if (state.told === null || spec.debounce === 0) {
      if (state.told !== active) this.#told(index, state, active, atMs);
    } else if (state.told === active) state.candidate = null;
    else if (state.candidate?.active !== active) state.candidate = { active, sinceMs: atMs };
    else if (atMs - state.candidate.sinceMs >= spec.debounce) this.#told(index, state, active, atMs);
  }

  #told(index: number, state: InputState, active: boolean, atMs: number): void {
    state.told = active;
    state.candidate = null;
    this.#tell(index, active, atMs, this.#history.changedAfter(index, active));
  }
}

const key = (area: Area, at: number): string => `${area} ${at}`;

/** What is read to see all inputs. */
export const blocksOf = (specs: readonly InputSpec[]): Block[] =>
  blocksAt(
    specs.flatMap(({ area, at, latch }) => [
      { area, at },
      ...(latch === undefined ? [] : [{ area: 'coil' as const, at: latch.at }]),
    ]),
  );

/** Neighbouring addresses of an area together; nothing between them is touched, because it may not exist. */
export function blocksAt(places: readonly { area: Area; at: number }[]): Block[] {
  const addresses = new Map<Area, Set<number>>();
  for (const { area, at } of places) addresses.set(area, (addresses.get(area) ?? new Set<number>()).add(at));
  const blocks: Block[] = [];
  for (const [area, set] of addresses) {
    for (const at of [...set].sort((a, b) => a - b)) {
      const last = blocks.at(-1);
      if (last?.area === area && last.at + last.count === at) last.count++;
      else blocks.push({ area, at, count: 1 });
    }
  }
  return blocks;
}
