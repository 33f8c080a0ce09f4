// The steps of a profile's handshakes (write, poll, wait), carried out one after the other. A closed set of verbs with
// `$slot` and `$count`: a profile stays data.

import type { Priority } from './bus-terms.ts';
import type { Step } from './credential-schema.ts';
import type { Failure, Talk } from './talk.ts';
import type { Clock, SlotRefusal } from '../../src/domain/ports.ts';
import { memberOf } from '../../src/domain/named.ts';

export type StepValues = { slot: number; count: number };
type StepTrouble = { refusal: SlotRefusal | null; message: string };

/** Null when every step was done; else what the device said, or null as refusal when nobody knows. */
export async function runSteps(
  talk: Talk,
  clock: Clock,
  steps: readonly Step[],
  values: StepValues,
  priority: Priority,
): Promise<StepTrouble | null> {
  const valueOf = (value: number | '$slot' | '$count'): number =>
    value === '$slot' ? values.slot : value === '$count' ? values.count : value;
  for (const { write, poll, wait } of steps) {
    if (wait !== undefined) await talk.pause(wait);
    if (write !== undefined) {
      const registers = (write.values ?? [write.value ?? 0]).map(valueOf);
      const result = await talk.writeRegisters(write.at, registers, { priority });
      if (!result.ok) return toTrouble(result.failure);
    }
    if (poll !== undefined) {
      const trouble = await runPoll(talk, clock, poll, valueOf(poll.until.eq), priority);
      if (trouble !== null) return trouble;
    }
  }
  return null;
}

async function runPoll(
  talk: Talk,
  clock: Clock,
  poll: NonNullable<Step['poll']>,
  done: number,
  priority: Priority,
): Promise<StepTrouble | null> {
  const untilMs = clock.monotonicMs() + poll.max;
  for (;;) {
    const result = await talk.readRegisters(poll.area, poll.at, 1, priority);
    if (!result.ok) return toTrouble(result.failure);
    const value = result.value[0] ?? 0;
    if (value === done) return null;
    const refusal = memberOf(poll.error, String(value));
    if (refusal !== undefined) return { refusal, message: `the device answered ${value}: ${refusal}` };
    if (poll.busy !== undefined && !poll.busy.includes(value)) {
      return { refusal: 'device_error', message: `the device answered ${value}, which its profile does not name` };
    }
    if (clock.monotonicMs() + poll.every > untilMs) {
      return { refusal: null, message: `the device was not done within ${poll.max} ms` };
    }
    await talk.pause(poll.every);
  }
}

const toTrouble = (failure: Failure): StepTrouble => ({
  refusal: failure.kind === 'refused' ? 'device_error' : null,
  message: failure.message,
});
