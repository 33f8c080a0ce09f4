// A scene for one case of the public test programme: the driver on one end of a line, a reader on the other that behaves as
// the descriptions ask of one, what an analyser on the wire would show, and what happens in most cases. In virtual time.

import { expect } from 'vitest';
import type { CommandName } from '../../drivers/osdp/commands.ts';
import type { WireReply } from '../../drivers/osdp/replies.ts';
import { STRICT } from '../../drivers/osdp/simulated-quirks.ts';
import { openVirtualBus, raiseVirtualBus, type VirtualBus, type VirtualOptions } from '../drivers/osdp/virtual-bus.ts';
import { hex } from '../drivers/osdp/vectors.ts';
import { watchWire, type Wire } from '../drivers/osdp/wire.ts';

export type Scene = {
  bus: VirtualBus;
  sim: VirtualBus['sims'][number];
  wire: Wire;
  osdp: VirtualBus['driver']['osdp'];
};
export type Trace = () => Promise<void>;

export const READER = 'reader-0';
export const OUI = hex('112233');
export const BAUD = 38_400;
export const CONTROLLER = { inputs: 2, outputs: 1 };

export async function scene(options: Partial<VirtualOptions> = {}, raise = raiseVirtualBus): Promise<Scene> {
  const given = { baud: BAUD, readers: 1, reader: { quirks: STRICT }, controller: CONTROLLER, ...options };
  const bus = await raise(given);
  const [sim] = bus.sims;
  if (sim === undefined) throw new Error('the bus has a reader');
  return { bus, sim, wire: watchWire(bus), osdp: bus.driver.osdp };
}
export const fromTheStart = (options: Partial<VirtualOptions> = {}): Promise<Scene> => scene(options, openVirtualBus);

export const pass = ({ bus }: Scene, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);
export const during = <T>({ bus }: Scene, work: Promise<T>): Promise<T> => bus.passDuring(work, 60_000);
export const failing = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', String);

/** Both sides go on counting, in the same session, and nothing is refused. */
export async function inStep(one: Scene): Promise<void> {
  one.wire.clear();
  await pass(one, 500);
  const numbers = one.wire.commands().map(({ frame }) => frame.sequence);
  expect(numbers.length).toBeGreaterThan(8);
  numbers.forEach((number, i) => i === 0 || expect(number).toBe(((numbers[i - 1] ?? 0) % 3) + 1));
  // At either edge an answer may be on its way.
  expect(Math.abs(one.wire.replies().length - numbers.length)).toBeLessThanOrEqual(1);
  expect(one.wire.replies('NAK')).toEqual([]);
  expect(one.wire.commands('CHLNG')).toEqual([]);
  expect(one.bus.driver.devices.get(READER)?.status().online).toBe(true);
}

/** Something is said at a poll, and taken. */
export const atPoll =
  (said: WireReply, told?: (bus: VirtualBus) => unknown, options: Partial<VirtualOptions> = {}): Trace =>
  async () => {
    const one = await scene(options);
    await pass(one, 1_000);
    one.sim.report(said);
    await pass(one, 300);
    expect(one.wire.replies().some(({ frame }) => frame.code === said.code)).toBe(true);
    await inStep(one);
    if (told !== undefined) expect(told(one.bus)).toBe(true);
  };
export const hasTold =
  (event: Record<string, unknown>) =>
  (bus: VirtualBus): boolean =>
    bus.events.some((one) => holds(one, event));
/** What is said of it holds; the rest may be anything. */
const holds = (one: unknown, said: unknown): boolean =>
  typeof said !== 'object' || said === null
    ? one === said
    : Object.entries(said).every(([key, value]) => holds((one as Record<string, unknown> | undefined)?.[key], value));

/** It is asked at every beginning. */
export const asked =
  (name: CommandName): Trace =>
  async () => {
    const one = await fromTheStart();
    await pass(one, 1_500);
    expect(one.wire.commands(name).length).toBeGreaterThan(0);
    await inStep(one);
  };

/** Somebody has it sent, and it is answered. */
export const sent =
  (name: CommandName, act: (one: Scene) => Promise<unknown>, prepare: (one: Scene) => void = () => undefined): Trace =>
  async () => {
    const one = await scene();
    prepare(one);
    const before = one.sim.count('RSTAT');
    one.sim.powerCycle();
    await one.bus.passUntil(() => one.sim.count('RSTAT') > before, 10_000, 'it to be met');
    await pass(one, 500);
    one.wire.clear();
    await during(one, act(one));
    expect(one.wire.commands(name).length).toBeGreaterThan(0);
    await inStep(one);
  };
