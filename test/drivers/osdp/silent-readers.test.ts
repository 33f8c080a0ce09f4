// A line on which most readers do not answer: what is there works as if it were alone.

import { expect, it } from 'vitest';
import { until } from '../../support/ports.ts';
import { inWorld } from './world.ts';

it('two live readers among twenty are met in the first round, and are served while the others get a tenth of the line', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `reader-${i}`);
  const live = ['reader-0', 'reader-19'];
  const dead = names.filter((name) => !live.includes(name));
  const readers = Object.fromEntries(names.map((name) => [name, {}]));
  await inWorld({ line: 'tcp', readers, speed: 5, start: false }, async (world) => {
    const asked = (): number =>
      dead.reduce((sum, name) => sum + (world.driver.devices.get(name)?.status().counters.requests ?? 0), 0);
    for (const name of dead) world.sim(name).powerCycle(1e9);
    world.driver.start();
    for (const name of live) await world.online(name);
    // Without a first round each silent one would cost two seconds before the last reader is asked.
    expect(asked()).toBeLessThanOrEqual(2 * dead.length);
    const [beganAtMs, before] = [world.nowMs(), asked()];
    await until(() => asked() - before >= 5, 'five probes in vain', 30_000);
    expect(((asked() - before - 1) * 220) / (world.nowMs() - beganAtMs)).toBeLessThan(0.15);
    const gone = world.events.flatMap((event) => (event.type === 'offline' ? [event.device] : []));
    expect(gone.filter((name) => live.includes(name))).toEqual([]);
    world.sim('reader-7').powerCycle();
    await world.online('reader-7');
  });
}, 60_000);
