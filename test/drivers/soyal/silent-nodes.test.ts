// A bus on which most controllers do not answer: what is there works as if it were alone.

import { expect, test } from 'vitest';
import { until } from '../../support/ports.ts';
import { content, later, slotsOf, startDriver, type DriverOnLine } from './site.ts';
import { SoyalSimulator } from '../../../drivers/soyal/simulator.ts';
import { systemClock } from '../../../src/ops/clock.ts';

const NODES = Array.from({ length: 20 }, (_, i) => ({ address: i + 1 }));
/** What a question in vain takes of the wire at least: the controller's time and the adapter's. */
const SILENCE_MS = 60 + 32;

const asked = (site: DriverOnLine, nodes: readonly { address: number }[]): number =>
  nodes.reduce((sum, { address }) => sum + site.device(`door-${address}`).status().counters.requests, 0);

test('one live controller among twenty is met in the first round, and is served while the others get a sixth of the wire', async () => {
  const live = NODES.slice(19);
  const dead = NODES.slice(0, 19);
  const simulator = new SoyalSimulator(NODES, systemClock);
  later(() => simulator.close());
  for (const { address } of dead) simulator.at(address).faults.silent = true;
  const port = await simulator.listen(0);
  const site = startDriver(`tcp://127.0.0.1:${port}`, NODES);
  const device = site.device('door-20');
  await until(() => device.status().online, 'the live one to be met', 60_000);
  // One question to each of the dead before it, and at most one between two of its own.
  expect(asked(site, dead)).toBeLessThanOrEqual(19 + asked(site, live));
  expect(site.device('door-1').status().problem).toContain('no answer');

  const [beganAtMs, before] = [systemClock.monotonicMs(), asked(site, dead)];
  const writes = Array.from({ length: 10 }, (_, i) => ({ slot: 1 + i, content: content({ pin: String(1000 + i) }) }));
  expect((await slotsOf(device).write(writes)).every(({ outcome }) => outcome === 'written')).toBe(true);
  await until(() => asked(site, dead) - before >= 12, 'a dozen questions in vain', 60_000);
  const share = ((asked(site, dead) - before - 1) * SILENCE_MS) / (systemClock.monotonicMs() - beganAtMs);
  expect(share).toBeLessThan(0.2);
  expect(site.events.filter((event) => event.type === 'offline')).toEqual([]);

  simulator.at(7).faults.silent = false;
  await until(() => site.device('door-7').status().online, 'the one that is back', 60_000);
}, 120_000);
