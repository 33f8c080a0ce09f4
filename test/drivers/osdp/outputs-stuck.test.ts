// Outputs of a reader that do not stand as they were told: found while nothing happens, told again, and an alarm where
// that is in vain. In virtual time.
import { describe, expect, it } from 'vitest';
import type { DriverEvent } from '../../../drivers/driver.ts';
import { wireTimeMs } from '../../../src/domain/line.ts';
import { raiseVirtualBus, TURNAROUND_MS } from './virtual-bus.ts';
import type { VirtualBus } from './virtual-bus.ts';
import { hex } from './vectors.ts';

const FAST = { baud: 115_200, readers: 1 };

const outputsOf = ({ events }: VirtualBus): (DriverEvent & { type: 'output' })[] =>
  events.filter((event) => event.type === 'output');
const stands = (bus: VirtualBus): string[] => outputsOf(bus).map(({ stand }) => stand);
const faults = ({ events }: VirtualBus): { code: string; cleared: boolean }[] =>
  events.flatMap((event) => (event.type === 'fault' ? [{ code: event.code, cleared: event.cleared }] : []));
const pass = (bus: VirtualBus, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);

function only(bus: VirtualBus) {
  const [sim] = bus.sims;
  const outputs = bus.driver.devices.get('reader-0')?.outputs ?? null;
  if (sim === undefined || outputs === null) throw new Error('the bus has a reader with outputs');
  return { sim, outputs };
}

describe('an output of a reader', () => {
  it('whose relay sticks after a pulse is told to release and is stuck within seconds, until it follows', async () => {
    const bus = await raiseVirtualBus(FAST);
    const { sim, outputs } = only(bus);
    const pulse = outputs.pulse(0, 500, bus.time.nowMs + 1_000);
    sim.terminals.welded.add(0);
    expect(await bus.passDuring(pulse, 1_000)).toEqual({ outcome: 'done', confirmed: true });
    await pass(bus, 600);
    expect(stands(bus)).toEqual([]);
    const toldBefore = sim.count('OUT');
    await bus.passUntil(() => stands(bus).includes('stuck'), 6_000, 'the alarm');
    expect(stands(bus)).toEqual(['astray', 'stuck']);
    expect(outputsOf(bus).at(-1)).toMatchObject({ device: 'reader-0', output: 0, energised: true });
    expect(sim.count('OUT') - toldBefore).toBeGreaterThanOrEqual(2);
    expect(faults(bus)).toEqual([{ code: 'output_0_stuck', cleared: false }]);
    const another = outputs.pulse(0, 500, bus.time.nowMs + 1_000);
    expect(await bus.passDuring(another, 1_000)).toEqual({ outcome: 'done', confirmed: false });

    sim.terminals.welded.delete(0);
    await bus.passUntil(() => stands(bus).at(-1) === 'as_told', 6_000, 'it to follow again');
    expect(faults(bus).at(-1)).toEqual({ code: 'output_0_stuck', cleared: true });
  });

  for (const [how, tells] of [
    ['is asked for', false],
    ['is told with a poll', true],
  ] as const) {
    it(`that somebody else has switched on, which ${how}, is switched off and told`, async () => {
      const bus = await raiseVirtualBus(FAST);
      const { sim } = only(bus);
      await pass(bus, 1_500);
      sim.switchOutput(0, true, tells);
      await bus.passUntil(() => stands(bus).includes('astray'), tells ? 100 : 1_500, 'it to be seen');
      expect(outputsOf(bus)[0]).toMatchObject({ stand: 'astray', energised: true });
      await bus.passUntil(() => sim.terminals.outputStates()[0] === false, 100, 'it to be switched off');
      await bus.passUntil(() => stands(bus).length === 2, 3_000, 'it to be seen at rest');
      expect(stands(bus)).toEqual(['astray', 'as_told']);
    });
  }

  it('that is to stay on and was switched off is switched on again', async () => {
    const bus = await raiseVirtualBus(FAST);
    const { sim, outputs } = only(bus);
    await bus.passDuring(outputs.set(0, true), 1_000);
    await pass(bus, 3_000);
    expect(stands(bus)).toEqual([]);
    sim.switchOutput(0, false);
    await bus.passUntil(() => sim.terminals.outputStates()[0] === true, 2_500, 'it to be switched on');
    expect(outputsOf(bus)[0]).toMatchObject({ stand: 'astray', energised: false });
  });

  it('is let alone while it is pulsed, set, and pulsed again', async () => {
    const bus = await raiseVirtualBus(FAST);
    const { sim, outputs } = only(bus);
    await bus.passDuring(outputs.pulse(0, 5_000, bus.time.nowMs + 1_000), 1_000);
    await pass(bus, 4_500);
    expect(sim.terminals.outputStates()[0]).toBe(true);
    await bus.passDuring(outputs.pulse(0, 5_000, bus.time.nowMs + 1_000), 1_000);
    await pass(bus, 4_500);
    expect(sim.terminals.outputStates()[0]).toBe(true);
    await bus.passDuring(outputs.set(0, true), 1_000);
    await bus.passDuring(outputs.set(0, false), 1_000);
    await pass(bus, 4_000);
    expect(stands(bus)).toEqual([]);
  });

  it('of a reader that reports with a later poll is found all the same', async () => {
    const bus = await raiseVirtualBus({ ...FAST, reader: { quirks: { statusLater: true } } });
    const { sim } = only(bus);
    sim.terminals.welded.add(0);
    await bus.passUntil(() => stands(bus).includes('stuck'), 8_000, 'the alarm');
  });

  it('is found stuck though people come and go without a pause', async () => {
    const bus = await raiseVirtualBus({ baud: 38_400, readers: 2 });
    const [busy, other] = bus.sims;
    const come = (): void => {
      busy?.presentCard(26, hex('BDD93740'));
      bus.time.at(bus.time.nowMs + 300, come);
    };
    come();
    other?.terminals.welded.add(0);
    await bus.passUntil(() => stands(bus).includes('stuck'), 60_000, 'the alarm');
    expect(outputsOf(bus).every(({ device }) => device === 'reader-1')).toBe(true);
  });
});

describe('a reader', () => {
  it('is asked about once a second while nothing happens, and polled at its idle pace beside that', async () => {
    const bus = await raiseVirtualBus(FAST);
    const { sim } = only(bus);
    await pass(bus, 2_000);
    const before = { looks: sim.count('OSTAT'), polls: sim.count('POLL') };
    await pass(bus, 20_000);
    expect(sim.count('OSTAT') - before.looks).toBeGreaterThanOrEqual(17);
    expect(sim.count('OSTAT') - before.looks).toBeLessThanOrEqual(20);
    expect(sim.count('POLL') - before.polls).toBeLessThanOrEqual(20_000 / 25);
  });

  it('that refuses is asked once', async () => {
    const bus = await raiseVirtualBus(FAST);
    const { sim } = only(bus);
    sim.refuses.add('OSTAT');
    await pass(bus, 10_000);
    expect(sim.count('OSTAT')).toBe(1);
  });

  it('that says it has no outputs is not asked', async () => {
    const bus = await raiseVirtualBus({ ...FAST, reader: { outputs: 0 } });
    await pass(bus, 5_000);
    expect(only(bus).sim.count('OSTAT')).toBe(0);
  });

  it('whose outputs are not used is not asked', async () => {
    const bus = await raiseVirtualBus({ ...FAST, controller: { outputs: 0 } });
    await pass(bus, 5_000);
    expect(bus.sims[0]?.count('OSTAT')).toBe(0);
  });

  it('that never answers the question keeps its place on the bus', async () => {
    const bus = await raiseVirtualBus(FAST);
    const { sim } = only(bus);
    const hears = setDeaf(bus);
    await pass(bus, 90_000);
    hears();
    expect(bus.driver.devices.get('reader-0')?.status().online).toBe(true);
    expect(bus.count('offline')).toBeLessThanOrEqual(2);
    const asked = sim.count('OSTAT');
    expect(asked).toBeGreaterThan(0);
    await pass(bus, 20_000);
    expect(sim.count('OSTAT')).toBe(asked);
  });

  it('on a slow line full of them takes little of it by that', async () => {
    const baud = 9_600;
    const bus = await raiseVirtualBus({ baud, readers: 8 });
    await pass(bus, 5_000);
    const looks = (): number => bus.sims.reduce((sum, sim) => sum + sim.count('OSTAT'), 0);
    const before = looks();
    await pass(bus, 30_000);
    // Question and answer, both with their block, data and check.
    const lookMs = wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, 50) + TURNAROUND_MS;
    expect(looks() - before).toBeGreaterThanOrEqual(8);
    expect(((looks() - before) * lookMs) / 30_000).toBeLessThan(0.06);
  });
});

/** The first reader says nothing to OSTAT, until what this gives is called. */
function setDeaf(bus: VirtualBus): () => void {
  const { sim } = only(bus);
  let isDeaf = true;
  const again = (): void => {
    if (!isDeaf) return;
    if (!sim.mute.includes('OSTAT')) sim.mute.push('OSTAT', 'OSTAT');
    bus.time.at(bus.time.nowMs + 1, again);
  };
  again();
  return () => void (isDeaf = false);
}
