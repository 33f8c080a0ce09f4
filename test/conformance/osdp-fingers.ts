// Traces of fingers: read, and compared, and what comes of it for whoever asked.

import { expect } from 'vitest';
import { isClear } from '../drivers/osdp/wire.ts';
import { during, inStep, pass, READER, scene, type Scene, type Trace } from './osdp-scene.ts';

const ANY = { reader: 0, type: 0, format: 0 };
const read = (one: Scene) => during(one, one.osdp.readBiometric(READER, { ...ANY, quality: 0 }, 5_000));
const match = (one: Scene, template: Buffer) =>
  during(one, one.osdp.matchBiometric(READER, { ...ANY, threshold: 128, template }, 5_000));

export const FINGERS: Readonly<Record<string, Trace>> = {
  // In the session, once, with the template whole.
  '060-15-01': async () => {
    const one = await scene();
    const template = Buffer.alloc(900, 7);
    one.sim.sensor.finger = { template };
    one.wire.clear();
    expect(await match(one, template)).toEqual({ status: 0, score: 255 });
    expect(one.wire.commands('BIOMATCH')).toHaveLength(1);
    expect(one.wire.commands('BIOMATCH').filter(isClear)).toEqual([]);
    await pass(one, 300);
    await inStep(one);
  },
  '070-14-01': async () => {
    const one = await scene();
    const template = Buffer.alloc(300, 9);
    one.sim.sensor.finger = { template };
    expect(await read(one)).toMatchObject({ status: 0, quality: 90, template });
    expect(one.wire.replies('BIOREADR')).toHaveLength(1);
    await inStep(one);
  },
  // The score of the same finger, and of another.
  '070-15-01': async () => {
    const one = await scene();
    const { template } = await read(one);
    expect((await match(one, template)).score).toBe(255);
    one.sim.sensor.finger = { template: Buffer.from('somebody else') };
    expect((await match(one, template)).score).toBe(0);
    expect(one.wire.replies('BIOMATCHR')).toHaveLength(2);
    await inStep(one);
  },
};
