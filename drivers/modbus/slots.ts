// The device's table of credentials: reading, writing and erasing slots, contiguous ones together, in the order that
// never leaves a half-written record in force. A write whose answer was lost is `unknown`; nobody here tries again,
// because only reading back tells.

import type { Priority } from './bus-terms.ts';
import { slotsPerWrite } from './capabilities.ts';
import type { CredentialsSpec } from './layout.ts';
import type { Encoded, RecordCodec } from './record.ts';
import { runSteps } from './steps.ts';
import { valueOf, type Failure, type Result, type Talk } from './talk.ts';
import { assert, OperatingError } from '../../src/domain/errors.ts';
import type {
  Clock,
  SlotContent,
  SlotDevice,
  SlotOutcome,
  SlotReading,
  SlotRefusal,
  SlotWrite,
} from '../../src/domain/ports.ts';

/** A slot and the registers it is to hold. */
type Record = { slot: number; registers: readonly number[] };

/** What went wrong for the slots of one transfer. */
type Trouble = { refusal: SlotRefusal | null; message: string };

const REFUSAL_ERRORS = {
  full: 'no_space_for_access_code_on_device',
  duplicate: 'duplicate_access_code',
  bad_pin: 'code_constraints_violated',
  bad_card: 'not_supported',
  not_supported: 'not_supported',
  device_error: 'internal',
} as const satisfies { [refusal in SlotRefusal]: OperatingError['type'] };

export class Slots implements SlotDevice {
  readonly #spec: CredentialsSpec;
  readonly #codec: RecordCodec;
  readonly #talk: Talk;
  readonly #clock: Clock;
  /** Transfers at once. */
  readonly #atOnce: number;
  /** Why slots may not be touched just now, or null. */
  readonly #refusal: () => string | null;
  /**
   * Whoever asks for the image of a content is about to write it: it is encoded once, and forgotten with the content.
   */
  readonly #encoded = new WeakMap<SlotContent, { slot: number; encoded: Encoded }>();

  /** `maxInFlight`: requests that the device takes at once. */
  constructor(
    spec: CredentialsSpec,
    codec: RecordCodec,
    talk: Talk,
    clock: Clock,
    refusal: () => string | null,
    maxInFlight = 1,
  ) {
    // Steps that put a write into force are about one transfer. One place is left for whoever has a door to open.
    this.#atOnce = spec.commit === undefined && spec.delete.mode !== 'command' ? Math.max(1, maxInFlight - 1) : 1;
    this.#spec = spec;
    this.#codec = codec;
    this.#talk = talk;
    this.#clock = clock;
    this.#refusal = refusal;
  }

  image(slot: number, content: SlotContent | null): Buffer {
    if (content === null) return this.#codec.image(this.#codec.erased());
    const encoded = this.#encode(slot, content);
    this.#encoded.set(content, { slot, encoded });
    if (!encoded.ok) throw new OperatingError(REFUSAL_ERRORS[encoded.refusal], encoded.message);
    return this.#codec.image(encoded.registers);
  }

  mayBeLeftOf(slot: number, content: SlotContent, image: Buffer): boolean {
    const encoded = this.#encode(slot, content);
    return encoded.ok && this.#codec.mayBeLeftOf(encoded.registers, image);
  }

  async read(slots: readonly number[]): Promise<SlotReading[]> {
    this.#refuse();
    const perRead = this.#perTransfer(this.#talk.readRegistersLimit);
    const readings = await abreast(runs(slots, perRead), this.#atOnce, async (run) => {
      const registers = valueOf(await this.#readRun(run));
      return run.map((slot, i): SlotReading => {
        const record = this.#recordIn(registers, i);
        const state = this.#codec.isEmpty(record) ? 'empty' : 'occupied';
        return { slot, state, image: this.#codec.image(record) };
      });
    });
    return readings.flat();
  }

  async write(writes: readonly SlotWrite[]): Promise<SlotOutcome[]> {
    const outcomes = new Map<number, SlotOutcome>();
    const records: Record[] = [];
    for (const { slot, content } of writes) {
      this.#assertSlot(slot);
      const encoded = this.#encode(slot, content);
      if (encoded.ok) records.push({ slot, registers: encoded.registers });
      else outcomes.set(slot, { slot, outcome: 'refused', error: encoded.refusal, message: encoded.message });
    }
    await this.#inRuns(records, outcomes, (run) => this.#writeRun(run));
    return writes.map(({ slot }) => outcomeOf(outcomes, slot));
  }

  async erase(slots: readonly number[]): Promise<SlotOutcome[]> {
    const outcomes = new Map<number, SlotOutcome>();
    slots.forEach((slot) => this.#assertSlot(slot));
    const records = slots.map((slot) => ({ slot, registers: this.#codec.erased() }));
    await this.#inRuns(records, outcomes, (run) => this.#eraseRun(run));
    return slots.map((slot) => outcomeOf(outcomes, slot));
  }

  #encode(slot: number, content: SlotContent): Encoded {
    const known = this.#encoded.get(content);
    return known?.slot === slot ? known.encoded : this.#codec.encode(slot, content);
  }

  // ---- runs of slots ------------------------------------------------------------------------------------------------

  /**
   * Carries out contiguous slots together; when the device refuses a whole transfer, each of its slots alone, so that
   * one does not fail the others.
   */
  async #inRuns(
    records: readonly Record[],
    outcomes: Map<number, SlotOutcome>,
    carryOut: (run: readonly Record[]) => Promise<Trouble | null>,
  ): Promise<void> {
    const bySlot = new Map(records.map((record) => [record.slot, record]));
    await abreast(runs([...bySlot.keys()], this.#perWrite()), this.#atOnce, async (run) => {
      const inRun = run.map((slot) => bySlot.get(slot)).filter((record) => record !== undefined);
      const trouble = await this.#attempt(inRun, carryOut);
      if (trouble === null || trouble.refusal === null || inRun.length === 1) {
        for (const { slot } of inRun) outcomes.set(slot, toOutcome(slot, trouble));
        return;
      }
      for (const record of inRun) {
        outcomes.set(record.slot, toOutcome(record.slot, await this.#attempt([record], carryOut)));
      }
    });
  }

  async #attempt(
    run: readonly Record[],
    carryOut: (run: readonly Record[]) => Promise<Trouble | null>,
  ): Promise<Trouble | null> {
    const refusal = this.#refusal();
    return refusal === null ? await carryOut(run) : { refusal: null, message: refusal };
  }

  async #writeRun(run: readonly Record[]): Promise<Trouble | null> {
    const order = this.#spec.write_order;
    const disabled = run.map(({ slot, registers }) => ({ slot, registers: this.#codec.disabled(registers) }));
    const payload = order.includes('enable') ? disabled : run;
    const phases = {
      disable: () => this.#disable(disabled),
      payload: () => this.#put(payload, 'write'),
      readback: () => this.#verify(payload),
      enable: () => this.#put(run, 'write'),
    };
    for (const phase of order) {
      const trouble = await phases[phase]();
      if (trouble !== null) return trouble;
    }
    return await this.#commit(run, 'write');
  }

  async #eraseRun(run: readonly Record[]): Promise<Trouble | null> {
    const { mode, steps } = this.#spec.delete;
    if (mode !== 'command') return (await this.#put(run, 'erase')) ?? (await this.#commit(run, 'erase'));
    for (const { slot } of run) {
      const trouble = await runSteps(this.#talk, this.#clock, steps, { slot, count: 1 }, 'erase');
      if (trouble !== null) return trouble;
    }
    return null;
  }

  /** Writes the records of contiguous slots. Gaps between records belong to the device: then each record goes alone. */
  async #put(run: readonly Record[], priority: Priority): Promise<Trouble | null> {
    const together = this.#codec.registers === this.#spec.table.stride && run.length > 1;
    const blocks = together ? [{ slot: run[0]?.slot ?? 0, registers: run.flatMap(({ registers }) => registers) }] : run;
    for (const { slot, registers } of blocks) {
      const result = await this.#talk.writeRegisters(this.#baseOf(slot), registers, { priority });
      if (!result.ok) return toTrouble(result.failure);
    }
    return null;
  }

  /** Puts the old record out of force before any of it changes. */
  async #disable(disabled: readonly Record[]): Promise<Trouble | null> {
    const at = this.#codec.enableAt;
    for (const { slot, registers } of disabled) {
      const result = await this.#talk.writeRegisters(this.#baseOf(slot) + at, [registers[at] ?? 0], {
        priority: 'write',
      });
      if (!result.ok) return toTrouble(result.failure);
    }
    return null;
  }

  async #verify(run: readonly Record[]): Promise<Trouble | null> {
    const result = await this.#readRun(run.map(({ slot }) => slot));
    if (!result.ok) return toTrouble(result.failure);
    const differs = run.some(
      ({ registers }, i) => !this.#codec.shown(this.#recordIn(result.value, i)).equals(this.#codec.shown(registers)),
    );
    return differs ? { refusal: 'device_error', message: 'the device acknowledged and holds something else' } : null;
  }

  async #commit(run: readonly Record[], priority: Priority): Promise<Trouble | null> {
    const { commit } = this.#spec;
    const [first] = run;
    if (commit === undefined || first === undefined) return null;
    if (commit.mode === 'batch') {
      return await runSteps(this.#talk, this.#clock, commit.steps, { slot: first.slot, count: run.length }, priority);
    }
    for (const { slot } of run) {
      const trouble = await runSteps(this.#talk, this.#clock, commit.steps, { slot, count: 1 }, priority);
      if (trouble !== null) return trouble;
    }
    return null;
  }

  // ---- the table ----------------------------------------------------------------------------------------------------

  async #readRun(run: readonly number[]): Promise<Result<number[]>> {
    const [first] = run;
    assert(first !== undefined, 'a run has slots');
    const { stride } = this.#spec.table;
    const count = (run.length - 1) * stride + this.#codec.registers;
    return await this.#talk.readRegisters('holding', this.#baseOf(first), count, 'read');
  }

  #recordIn(registers: readonly number[], index: number): number[] {
    const from = index * this.#spec.table.stride;
    return registers.slice(from, from + this.#codec.registers);
  }

  #baseOf(slot: number): number {
    this.#assertSlot(slot);
    const { base, first_slot, stride } = this.#spec.table;
    return base + (slot - first_slot) * stride;
  }

  #assertSlot(slot: number): void {
    const { first_slot, count } = this.#spec.table;
    assert(Number.isInteger(slot) && slot >= first_slot && slot < first_slot + count, 'a slot is in the table');
  }

  /**
   * Whether one write may carry several slots, and how many. A refusal by a commit step is one slot's, so those go
   * alone.
   */
  #perWrite(): number {
    if (this.#spec.commit?.mode === 'per-slot' || this.#spec.delete.mode === 'command') return 1;
    return this.#perTransfer(this.#talk.writeRegistersLimit);
  }

  #perTransfer(registers: number): number {
    return slotsPerWrite(this.#spec, registers);
  }

  #refuse(): void {
    const refusal = this.#refusal();
    if (refusal !== null) throw new OperatingError('controller_offline', refusal);
  }
}

/** Does `work` for each item, begun in their order, at most so many at once; once one has failed no other is begun. */
async function abreast<T, R>(items: readonly T[], most: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const goOn = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) {
      try {
        results[i] = await work(items[i] as T);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, goOn));
  return results;
}

/** Slots in ascending runs of neighbours, each at most `most` long. */
export function runs(slots: readonly number[], most: number): number[][] {
  const found: number[][] = [];
  for (const slot of [...new Set(slots)].sort((a, b) => a - b)) {
    const run = found.at(-1);
    if (run !== undefined && run.length < most && run.at(-1) === slot - 1) run.push(slot);
    else found.push([slot]);
  }
  return found;
}

const toTrouble = (failure: Failure): Trouble => ({
  refusal: failure.kind === 'refused' ? 'device_error' : null,
  message: failure.message,
});

const toOutcome = (slot: number, trouble: Trouble | null): SlotOutcome =>
  trouble === null
    ? { slot, outcome: 'written' }
    : trouble.refusal === null
      ? { slot, outcome: 'unknown', message: trouble.message }
      : { slot, outcome: 'refused', error: trouble.refusal, message: trouble.message };

function outcomeOf(outcomes: ReadonlyMap<number, SlotOutcome>, slot: number): SlotOutcome {
  const outcome = outcomes.get(slot);
  assert(outcome !== undefined, `slot ${slot} has an outcome`);
  return outcome;
}
