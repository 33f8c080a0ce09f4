// What a device is found to do wrong stands in its status, in the log and with whoever asks, as what it is: never as
// mere silence, and never for a device that is well again.

import { describe, expect, it } from 'vitest';
import type { UnitFaults } from '../../../drivers/modbus/simulator-unit.ts';
import { until } from '../../support/ports.ts';
import { content, openLine, openSite, startDriver, type Site, type Transport } from './site.ts';

const ONE = [{ unit: 1, profile: 'plc-door-2' }];

/** A device that answers like this from the beginning, and is met all the same once it is mended. */
async function faulty(transport: Transport, faults: Partial<UnitFaults>, said: string): Promise<void> {
  const line = await openLine(transport, ONE);
  Object.assign(line.simulator.unit(1).faults, faults);
  const site = { ...line, ...startDriver(line.bus, ONE) };
  const problem = (): string => site.device().status().problem ?? '';
  await until(() => problem().includes(said), said, 30_000);
  expect(site.events.find((event) => event.type === 'online')).toBeUndefined();
  expect(site.log.filter(({ message }) => message === 'a device answers wrongly')).toMatchObject([
    { fields: { unit: 1, fault: expect.stringContaining(said) as unknown } },
  ]);
  await staysSaid(site, said);
  line.simulator.unit(1).mend();
  await site.seen('online');
  expect(problem()).toBe('');
}

/** Also after it was asked again and again, and the connection made anew. */
async function staysSaid(site: Site, said: string): Promise<void> {
  const asked = (): number => site.device().status().counters.requests;
  const before = asked();
  const others = new Set<string>();
  const again = (): boolean => {
    const problem = site.device().status().problem ?? '';
    if (!problem.includes(said)) others.add(problem);
    return asked() >= before + 4;
  };
  await until(again, 'four more questions', 60_000);
  expect([...others]).toEqual([]);
}

describe.concurrent('a Modbus TCP device', () => {
  it('that answers with another transaction number is shown as just that', async () => {
    await faulty('tcp', { misnumbered: true }, 'the answer carries transaction number');
  }, 120_000);

  it('whose answers lack their last byte is shown as just that', async () => {
    await faulty('tcp', { torn: true }, 'the answer stops after');
  }, 120_000);

  it('that answers as unit 0 is shown as just that', async () => {
    await faulty('tcp', { answersAs: 0 }, 'unit 0 answered where 1 was asked');
  }, 120_000);

  it('that lost a byte once is called anew, and nothing is taken for an answer that is none', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2', config: { input_period: '60s' } }]);
    site.simulator.unit(1).failNext({ torn: true }, 1, 16);
    expect(await site.slots().write([{ slot: 1, content: content({ pin: '1234' }) }])).toMatchObject([
      { outcome: 'unknown', message: expect.stringContaining('the answer stops after 11 bytes of the 12') as unknown },
    ]);
    await site.seen('online', 2);
    expect(await site.slots().write([{ slot: 1, content: content({ pin: '1234' }) }])).toMatchObject([
      { outcome: 'written' },
    ]);
  });
});

describe.concurrent.each(['rtu', 'rtu-over-tcp'] as const)('a device over %s', (transport) => {
  it('in place of which another unit answers is shown as just that', async () => {
    await faulty(transport, { answersAs: 5 }, 'unit 5 answered where 1 was asked');
  }, 120_000);

  it('whose answers lack their last byte is shown as just that', async () => {
    await faulty(transport, { torn: true }, 'the answer stops after');
  }, 120_000);
});

describe.concurrent('a device that is there and does not do what it is asked', () => {
  it.each([6, 4, 2])(
    'says so while it answers one question with exception %i, and no longer',
    async (exception) => {
      const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
      await site.seen('input', 5);
      const simulated = site.simulator.unit(1);
      simulated.failNext({ exception }, 10_000, 2);
      const problem = (): string | null => site.device().status().problem;
      await until(() => problem() !== null, 'the problem', 30_000);
      expect(problem()).toMatch(`Modbus exception ${exception}: `);
      expect(problem()).toMatch('again and again, to reading discrete inputs at');
      expect(site.device().status().online).toBe(true);
      const faults = (): unknown[] => site.events.filter(({ type }) => type === 'fault');
      expect(faults()).toMatchObject([{ code: 'exceptions', cleared: false }]);
      simulated.mend();
      await until(() => problem() === null, 'the problem to be over', 30_000);
      expect(faults()).toMatchObject([{ cleared: false }, { code: 'exceptions', cleared: true }]);
      expect(site.events.filter(({ type }) => type === 'offline')).toEqual([]);
    },
    90_000,
  );

  it('is no other device because it is busy', async () => {
    const line = await openLine('tcp', ONE);
    const simulated = line.simulator.unit(1);
    simulated.faults.exception = 6;
    const site = startDriver(line.bus, ONE);
    await until(() => site.device().status().problem?.includes('exception 6') === true, 'the problem', 30_000);
    expect(site.device().status().problem).toContain('the device is busy');
    simulated.faults.exception = null;
    await site.seen('online');
    expect(site.events.filter(({ type }) => type === 'identity_changed')).toEqual([]);
    expect(site.device().status().problem).toBeNull();
  }, 60_000);
});
