// Traces of what a reader says that it can do: each of them taken, and what it is good for.

import { expect } from 'vitest';
import { reply, type CapRecord } from '../../drivers/osdp/replies.ts';
import { SimulatedCard } from '../../drivers/osdp/simulated-card.ts';
import type { VirtualOptions } from '../drivers/osdp/virtual-bus.ts';
import { hex } from '../drivers/osdp/vectors.ts';
import { isClear } from '../drivers/osdp/wire.ts';
import {
  CONTROLLER, during, failing, fromTheStart, hasTold, inStep, OUI, pass, READER, type Scene, type Trace,
} from './osdp-scene.ts'; // prettier-ignore

type Says = { compliance: number; number?: number };

/** A reader that says so of a function is met, and both are in step. */
async function met(fn: number, says: Says, options: Partial<VirtualOptions> = {}): Promise<Scene> {
  const one = await fromTheStart(options);
  const record: CapRecord = { function: fn, compliance: says.compliance, number: says.number ?? 0 };
  one.sim.capabilities = [record];
  one.sim.card = new SimulatedCard();
  await one.bus.passUntil(() => one.osdp.status(READER).capabilities !== null, 10_000, 'its capabilities');
  expect(one.osdp.status(READER).capabilities).toContainEqual(record);
  await pass(one, 500);
  await inStep(one);
  return one;
}

/** Fewer terminals than the facility file names are told; enough are not. */
const terminals =
  (fn: number, what: string): Trace =>
  async () => {
    const told = ({ bus }: Scene): string[] =>
      bus.events.flatMap((one) => (one.type === 'fault' && one.code === 'fewer_terminals' ? [one.message] : []));
    const [message, ...more] = told(await met(fn, { compliance: 4, number: 0 }));
    expect(message).toContain(`${what} are configured`);
    expect(more).toEqual([]);
    expect(told(await met(fn, { compliance: 4, number: 2 }))).toEqual([]);
  };

const show = async (one: Scene): Promise<void> => {
  one.wire.clear();
  one.bus.driver.devices.get(READER)?.readers?.feedback(0, 'granted', { led: 'green', beep: 2 });
  await pass(one, 400);
};
const PIV = { objectId: hex('5FC102'), element: 0, offset: 0 };

export const CAPABILITIES: Readonly<Record<string, Trace>> = {
  '070-05-01': async () => {
    const one = await fromTheStart();
    await one.bus.passUntil(() => one.osdp.status(READER).capabilities !== null, 10_000, 'its capabilities');
    expect(one.wire.commands('CAP')).toHaveLength(1);
    expect(one.wire.replies('PDCAP')).toHaveLength(1);
    expect(one.osdp.status(READER).capabilities?.length).toBeGreaterThan(10);
  },
  '070-05-02': terminals(1, 'inputs'),
  '070-05-03': terminals(2, 'outputs'),
  '070-05-04': async () => {
    const one = await met(3, { compliance: 1 });
    one.sim.report(reply('RAW', { reader: 0, format: 1, widthBits: 26, bits: hex('BDD93740') }));
    await pass(one, 300);
    expect(hasTold({ type: 'presented', presentation: { kind: 'card' } })(one.bus)).toBe(true);
  },
  '070-05-05': async () => {
    const one = await met(4, { compliance: 2, number: 1 });
    await show(one);
    expect(one.wire.commands('LED')).toHaveLength(1);
  },
  '070-05-06': async () => {
    const one = await met(5, { compliance: 2, number: 1 });
    await show(one);
    expect(one.sim.beeps.at(-1)).toMatchObject({ count: 2 });
  },
  // Text goes to a display, and to nothing else.
  '070-05-07': async () => {
    const controller = { ...CONTROLLER, feedback: { granted: { text: 'Welcome' } } };
    const without = await met(6, { compliance: 1, number: 0 }, { controller });
    await show(without);
    expect(without.wire.commands('TEXT')).toEqual([]);
    const one = await met(6, { compliance: 1, number: 1 }, { controller });
    await show(one);
    expect(one.wire.commands('TEXT')).toHaveLength(1);
    expect(one.sim.text).toBe('Welcome');
  },
  // Met by checksums, as one whose first answers by CRC were lost: what it says brings it back to CRC.
  '070-05-09': async () => {
    const one = await fromTheStart();
    one.sim.quirks.understands = 'checksum';
    await one.bus.passUntil(() => one.wire.replies('RMAC_I').length > 0, 60_000, 'it to be met');
    one.sim.quirks.understands = 'both';
    await one.bus.passUntil(() => one.wire.replies('PDCAP').length > 0, 20_000, 'its capabilities');
    expect(one.wire.replies('PDCAP')[0]?.frame.crc).toBe(false);
    await pass(one, 2_000);
    await inStep(one);
    expect(one.wire.commands().every(({ frame }) => frame.crc)).toBe(true);
    expect(one.wire.replies().every(({ frame }) => frame.crc)).toBe(true);
  },
  // Whatever it says of it: a reader that could be talked out of its key could be anybody.
  '070-05-10': async () => {
    for (const compliance of [1, 0]) {
      const one = await met(9, { compliance });
      expect(one.wire.commands().filter(isClear)).toEqual([]);
      expect(one.wire.replies().filter(isClear)).toEqual([]);
    }
  },
  '070-05-11': async () => {
    const one = await met(10, { compliance: 200 });
    one.sim.bufferBytes = 200;
    one.wire.clear();
    await during(one, one.osdp.transferFile(READER, { type: 1, content: Buffer.alloc(1_500, 1) }));
    const lengths = one.wire.commands('FILETRANSFER').map(({ frame }) => frame.bytes.length);
    expect(lengths.length).toBeGreaterThan(8);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(200);
    expect(await failing(during(one, one.osdp.manufacturer(READER, OUI, Buffer.alloc(400))))).not.toBe('done');
    expect(one.wire.commands('MFG')).toEqual([]);
  },
  '070-05-12': async () => {
    const one = await met(11, { compliance: 100 });
    const sign = (bytes: number) =>
      failing(
        during(
          one,
          one.osdp.authenticate(
            READER,
            { kind: 'challenge', algorithm: 7, key: 0x9e, data: Buffer.alloc(bytes) },
            2_000,
          ),
        ),
      );
    expect(await sign(200)).toContain('takes at most 100 bytes');
    expect(one.wire.commands('CRAUTH')).toEqual([]);
    await sign(90);
    expect(one.wire.commands('CRAUTH').length).toBeGreaterThan(0);
  },
  // A reader that says it knows no extended packets is not sent any.
  '070-05-13': async () => {
    const without = await met(12, { compliance: 1 });
    expect(await failing(during(without, without.osdp.readPivData(READER, PIV, 2_000)))).toContain(
      'no extended packets',
    );
    expect(without.wire.commands('PIVDATA')).toEqual([]);
    const one = await met(12, { compliance: 2 });
    one.sim.card?.objects.set('5FC102', Buffer.alloc(300, 5));
    expect(await during(one, one.osdp.readPivData(READER, PIV, 5_000))).toEqual(Buffer.alloc(300, 5));
  },
  '070-05-15': async () => {
    const one = await met(14, { compliance: 1 });
    const read = one.osdp.readBiometric(READER, { reader: 0, type: 0, format: 0, quality: 0 }, 5_000);
    expect((await during(one, read)).template.toString()).toBe('simulated finger');
  },
  '070-05-17': async () => {
    const one = await met(16, { compliance: 4 });
    expect(one.osdp.status(READER).version).toBe('SIA OSDP 2.2.3');
  },
};
