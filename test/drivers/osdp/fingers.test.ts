// A finger at a reader: asked for, compared at the reader with a template that it is given, and, above all, never taken
// for the answer to another question. In virtual time.
import { describe, expect, it } from 'vitest';
import type { BiometricDevice, BiometricTemplate } from '../../../drivers/driver.ts';
import { NAK, reply } from '../../../drivers/osdp/replies.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { raiseVirtualBus } from './virtual-bus.ts';
import { watchWire } from './wire.ts';

const READER = 'reader-0';
const PRESENT_MS = 10_000;
const HERS = Buffer.from('her right index finger');
const HIS = Buffer.from('his left thumb');
const enrolled = (template: Buffer): BiometricTemplate => ({ type: 'unspecified', format: 'default', template });
const here = (): AbortSignal => new AbortController().signal;

async function withSensor(change: (sim: SimulatedReader) => void = () => undefined) {
  const emitted: string[] = [];
  const bus = await raiseVirtualBus({
    baud: 38_400,
    readers: 1,
    controller: { biometrics: {} },
    prepare: (sim) => {
      sim.sensor.finger = null;
      change(sim);
    },
    emit: (event) => {
      if (event.type === 'presented') emitted.push(event.presentation.kind);
    },
  });
  const [sim] = bus.sims;
  const device = bus.driver.devices.get(READER)?.biometrics;
  if (sim === undefined || device == null) throw new Error('the reader has a sensor');
  const biometrics: BiometricDevice = device;
  await bus.time.passUntil(bus.time.nowMs + 500);
  const pass = async (ms: number): Promise<void> => await bus.time.passUntil(bus.time.nowMs + ms);
  /** What becomes of a match, as it stands: `pending` until there is something. */
  const match = (template: Buffer, over = here(), timeoutMs = PRESENT_MS) => {
    const asked = { result: 'pending' };
    void biometrics.match(0, enrolled(template), timeoutMs, over).then(
      (one) => (asked.result = one.outcome === 'compared' ? `score ${one.score}` : one.outcome),
      (error: unknown) => (asked.result = String(error)),
    );
    return asked;
  };
  const asked = async (): Promise<void> =>
    await bus.passUntil(() => sim.sensor.isWaiting, 5_000, 'the finger to be asked for');
  return { bus, sim, biometrics, wire: watchWire(bus), match, pass, asked, emitted };
}

describe('a finger that is compared at the reader', () => {
  it('comes with the score that the reader gives it, and is nobody’s presentation', async () => {
    const { sim, match, pass, asked, emitted } = await withSensor();
    for (const [finger, score] of [
      [HERS, 255],
      [HIS, 0],
    ] as const) {
      const one = match(HERS);
      await asked();
      await pass(2_000);
      expect(one.result).toBe('pending');
      sim.sensor.touch({ template: finger });
      await pass(500);
      expect(one.result).toBe(`score ${score}`);
    }
    expect(emitted).toEqual([]);
  });

  it('that never comes is told by the reader, or by time, and the reader then gives up', async () => {
    const { sim, match, pass, asked, bus } = await withSensor((one) => (one.sensor.patienceMs = 3_000));
    const patient = match(HERS);
    await asked();
    await pass(4_000);
    expect(patient.result).toBe('nothing');
    sim.sensor.patienceMs = Infinity;
    const endless = match(HERS);
    await asked();
    await pass(PRESENT_MS + 500);
    expect(endless.result).toBe('nothing');
    expect(sim.sensor.isWaiting).toBe(false);
    expect(bus.count('offline')).toBe(0);
  });

  it('is read with its quality, for an enrolment', async () => {
    const { sim, biometrics, bus, asked } = await withSensor();
    const read = biometrics.read(0, 'right_index_finger', PRESENT_MS, here());
    await asked();
    sim.sensor.touch({ template: HERS, quality: 77 });
    expect(await bus.passDuring(read, 5_000)).toEqual({ outcome: 'read', quality: 77, template: HERS });
  });

  it('is asked for by a file where no frame holds its template', async () => {
    const { sim, match, pass, asked, wire } = await withSensor((one) => (one.bufferBytes = 256));
    const long = Buffer.alloc(700, 7);
    const one = match(long);
    await asked();
    expect(wire.commands('FILETRANSFER').length).toBeGreaterThan(2);
    expect(sim.file?.equals(long)).toBe(true);
    sim.sensor.touch({ template: long });
    await pass(500);
    expect(one.result).toBe('score 255');
  });
});

describe('an answer to another question', () => {
  it('is not taken for the next one’s: the reader gives up first, and has nothing more to tell', async () => {
    const { sim, match, pass, asked } = await withSensor();
    const first = new AbortController();
    const hers = match(HERS, first.signal);
    await asked();
    // In the reader already when the next card is shown, and not told yet.
    sim.sensor.touch({ template: HERS });
    first.abort();
    const his = match(HIS);
    await pass(1_000);
    expect(hers.result).toContain('nobody waits');
    expect(his.result).toBe('pending');
    expect(sim.count('ABORT')).toBe(1);
    sim.sensor.touch({ template: HIS });
    await pass(500);
    expect(his.result).toBe('score 255');
  });

  it('is not taken where it comes before the acknowledgement of its own', async () => {
    const { sim, match, pass, asked } = await withSensor();
    sim.report(reply('BIOMATCHR', { reader: 0, status: 0, score: 255 }));
    const his = match(HIS);
    await asked();
    await pass(1_000);
    expect(his.result).toBe('pending');
    // At another head, and of another kind.
    sim.report(reply('BIOMATCHR', { reader: 1, status: 0, score: 255 }));
    sim.report(reply('BIOREADR', { reader: 0, status: 0, type: 0, quality: 99, template: HIS }));
    await pass(500);
    expect(his.result).toBe('pending');
  });

  it('of a reader that says that it gave up, and did not, is met once, and its questions wait from then on', async () => {
    const { sim, match, pass, asked, emitted } = await withSensor((one) => (one.sensor.ignoresAbort = true));
    const first = new AbortController();
    match(HERS, first.signal);
    await asked();
    first.abort();
    await pass(1_000);
    // Nobody is asked now: what the reader tells is late, and no finger that was put there unasked.
    sim.sensor.touch({ template: HERS });
    await pass(500);
    expect(emitted).toEqual([]);
    const second = new AbortController();
    match(HERS, second.signal);
    await asked();
    second.abort();
    await pass(500);
    const his = match(HIS);
    await pass(3_500);
    expect(his.result).toContain('to give up what it was asked before');
  });

  it('that nobody has asked for at all is a presentation, and says nothing of a person', async () => {
    const { sim, pass, emitted } = await withSensor();
    sim.report(reply('BIOMATCHR', { reader: 0, status: 0, score: 255 }));
    sim.report(reply('BIOREADR', { reader: 0, status: 0, type: 0, quality: 99, template: HERS }));
    await pass(500);
    expect(emitted).toEqual(['biometric', 'biometric']);
  });
});

describe('what goes wrong with a finger', () => {
  it('a second question while the first one stands is refused', async () => {
    const { match, pass, asked } = await withSensor();
    const first = match(HERS);
    await asked();
    const second = match(HIS);
    await pass(500);
    expect(second.result).toContain('reader-0 waits for a finger already');
    expect(first.result).toBe('pending');
  });

  it('a reader that goes away in the middle ends it at once, and is asked afresh when it is back', async () => {
    const { sim, match, pass, asked, bus } = await withSensor();
    const one = match(HERS, here(), 60_000);
    await asked();
    sim.unplugged = true;
    await bus.passUntil(() => one.result !== 'pending', 30_000, 'it to be over');
    expect(one.result).toContain('does not answer any more');
    sim.unplugged = false;
    sim.powerCycle();
    await bus.passUntil(() => bus.driver.devices.get(READER)?.status().online === true, 60_000, 'it to be back');
    const next = match(HIS);
    await asked();
    sim.sensor.touch({ template: HIS });
    await pass(500);
    expect(next.result).toBe('score 255');
  });

  it('what it does not know is said, and not asked again', async () => {
    const { sim, match, pass, wire } = await withSensor();
    sim.naks.set('BIOMATCH', NAK.bioFormat);
    const refused = match(HERS);
    await pass(500);
    expect(refused.result).toContain('format not supported');
    const again = match(HERS);
    await pass(500);
    expect(again.result).toContain('does not know this biometric format');
    expect(wire.commands('BIOMATCH')).toHaveLength(1);
  });

  it('a reader that has no sensor is a fault until there is one, and says why', async () => {
    const { sim, biometrics, bus, pass } = await withSensor((one) => (one.sensor.isThere = false));
    expect(biometrics.problem()).toContain('it says that it reads no fingers or faces');
    const faults = () => bus.events.filter((event) => event.type === 'fault' && event.code === 'no_biometrics');
    expect(faults()).toMatchObject([{ cleared: false }]);
    sim.sensor.isThere = true;
    sim.powerCycle();
    await pass(10_000);
    expect(faults()).toMatchObject([{ cleared: false }, { cleared: true }]);
    expect(biometrics.problem()).toBeNull();
  });
});
