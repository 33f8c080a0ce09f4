// Outputs as they really stand: a relay that follows late, not at all, or somebody else. What was told is compared with
// what is seen, and nobody is told that a door is locked which may be open.

import { describe, expect, it } from 'vitest';
import type { DriverEvent } from '../../../drivers/driver.ts';
import type { Profile } from '../../../drivers/modbus/profile-schema.ts';
import { until } from '../../support/ports.ts';
import { content, openLine, openSite, shipped, soon, startDriver, type Site } from './site.ts';

type OutputEvent = DriverEvent & { type: 'output' };
const stands = (site: { events: readonly DriverEvent[] }, output = 0): OutputEvent['stand'][] =>
  site.events.flatMap((event) => (event.type === 'output' && event.output === output ? [event.stand] : []));
const stood = (site: Site, stand: OutputEvent['stand'], output = 0): Promise<void> =>
  until(() => stands(site, output).includes(stand), `output ${output} to be ${stand}`, 30_000);
const faults = (site: { events: readonly DriverEvent[] }): unknown[] =>
  site.events.flatMap((event) => (event.type === 'fault' ? [[event.code, event.cleared]] : []));

/** Boards with a pulse of their own, without one, with bits of a word, and with commands in registers. */
const BOARDS = ['waveshare-relay-d-8ch', 'waveshare-io-8ch', 'adam-6060', 'laskakit-relay-8ch'] as const;
const transportOf = (profile: Profile) => (profile.transport.kinds.includes('tcp') ? 'tcp' : 'rtu');
const openBoard = (profile: string, more: object = {}): Promise<Site> =>
  openSite(transportOf(shipped(profile)), [{ unit: 1, profile, config: { accept_guess: true }, ...more }]);

describe('a strike that follows one scan later', () => {
  it.each([20, 60])('of %i ms is confirmed, pulse after pulse', async (scanMs) => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2', scanMs }]);
    for (let i = 0; i < 10; i++)
      expect(await site.outputs().pulse(0, 300, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(faults(site)).toEqual([]);
  });

  it('than its settling time is unconfirmed, not failed, and said until one is seen', async () => {
    const line = await openLine('tcp', [{ unit: 1, profile: 'plc-door-2', scanMs: 400 }]);
    const site = { ...line, ...startDriver(line.bus, [{ unit: 1, profile: 'plc-door-2' }]) };
    await site.seen('online');
    expect(await site.outputs().pulse(0, 2_000, soon())).toEqual({ outcome: 'done', confirmed: false });
    expect(faults(site)).toEqual([['output_0_unseen', false]]);
    await until(() => line.simulator.unit(1).output(0), 'the strike after all');
    expect(await site.outputs().pulse(0, 2_000, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(faults(site)).toEqual([
      ['output_0_unseen', false],
      ['output_0_unseen', true],
    ]);
  });
});

describe.each(BOARDS)('a relay of %s', (profile) => {
  it('that does not release after its pulse is an alarm until it does', async () => {
    const site = await openBoard(profile);
    const relays = site.simulator.unit(1);
    relays.welded.add(0);
    expect(await site.outputs().pulse(0, 300, soon())).toEqual({ outcome: 'done', confirmed: true });
    await stood(site, 'stuck');
    expect(site.device().status().problem).toContain('output 0 does not release');
    expect(faults(site)).toEqual([['output_0_stuck', false]]);
    // Its state says nothing of this pulse.
    expect(await site.outputs().pulse(0, 300, soon())).toEqual({ outcome: 'done', confirmed: false });
    expect(await site.outputs().pulse(1, 300, soon())).toEqual({ outcome: 'done', confirmed: true });
    relays.welded.clear();
    await until(() => stands(site).at(-1) === 'as_told' && !relays.output(0), 'it to be released', 30_000);
    expect(faults(site)).toEqual([
      ['output_0_stuck', false],
      ['output_0_stuck', true],
    ]);
    expect(site.device().status().problem).toBeNull();
  }, 60_000);

  it('that somebody else switches on is switched off within the next look', async () => {
    const site = await openBoard(profile);
    const relays = site.simulator.unit(1);
    await site.seen('input', relays.profile.inputs.length);
    relays.drive(3, true);
    const looks = (): number => relays.requests.filter((pdu) => pdu.readUInt8(0) <= 4).length;
    const before = looks();
    await until(() => !relays.output(3), 'it to be switched off');
    // Inputs and outputs, and once more where the last look had begun.
    expect(looks() - before).toBeLessThanOrEqual(6);
    await until(() => stands(site, 3).at(-1) === 'as_told', 'it to be seen at rest');
    expect(stands(site, 3)).toEqual(['astray', 'as_told']);
    expect(faults(site)).toEqual([]);
  });

  it('that was on when the board lost its power is brought to rest with all others', async () => {
    const site = await openBoard(profile);
    const relays = site.simulator.unit(1);
    await site.outputs().pulse(0, 20_000, soon());
    relays.powerOff();
    await site.seen('offline');
    relays.powerOn({ keepMemory: true });
    // As a latching relay comes back, or one whose board remembers.
    relays.drive(0, true);
    relays.drive(4, true);
    await site.seen('online', 2);
    expect([0, 4].map((output) => relays.output(output))).toEqual([false, false]);
  });
});

describe('a relay board without inputs', () => {
  it('is looked at as well', async () => {
    const site = await openSite('rtu', [{ unit: 1, profile: 'waveshare-relay-8ch' }]);
    const relays = site.simulator.unit(1);
    relays.drive(5, true);
    await until(() => !relays.output(5), 'it to be switched off', 10_000);
  });
});

describe('a controller that opens by its own decision', () => {
  it('is left to it, and says so meanwhile', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2', strikeMs: 1_500 }]);
    const panel = site.simulator.unit(1);
    await site.slots().write([{ slot: 4, content: content({ pin: '4711' }) }]);
    expect(panel.doors.present(1, { pin: '4711' }).granted).toBe(true);
    await stood(site, 'own');
    expect(panel.output(0)).toBe(true);
    await until(() => !panel.output(0) && stands(site).at(-1) === 'as_told', 'its own end', 10_000);
    const [on, off] = panel.outputChanges.filter(({ output }) => output === 0).slice(-2);
    expect((off?.atMonotonicMs ?? 0) - (on?.atMonotonicMs ?? 0)).toBeGreaterThan(1_400);
    expect(stands(site)).toEqual(['own', 'as_told']);
  });

  it('and holds on to what a pulse of ours has energised is stuck', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    site.simulator.unit(1).welded.add(1);
    await site.outputs().pulse(1, 300, soon());
    await stood(site, 'stuck', 1);
  }, 60_000);
});

describe.each(BOARDS)('an output of %s that a stop keeps', (profile) => {
  const isKept = (_: string, output: number): boolean => output === 1;

  it('stays on through an orderly stop and the next start, and is switched off when it is told', async () => {
    const units = [{ unit: 1, profile, config: { accept_guess: true } }];
    const line = await openLine(transportOf(shipped(profile)), units);
    const relays = line.simulator.unit(1);
    const configs = [{ unit: 1, profile, accept_guess: true }];
    const first = startDriver(line.bus, configs, undefined, undefined, isKept);
    await first.seen('online');
    for (const output of [1, 2]) expect(await first.outputs().set(output, true)).toMatchObject({ outcome: 'done' });
    await first.driver.rest(3_000, isKept);
    await first.driver.stop(3_000);
    expect([relays.output(1), relays.output(2)]).toEqual([true, false]);
    const changes = relays.outputChanges.filter(({ output }) => output === 1).length;

    const second = startDriver(line.bus, configs, undefined, undefined, isKept);
    await second.seen('online');
    // Looked at, and left alone.
    const { length } = relays.requests;
    await until(() => relays.requests.length > length + 10, 'it to be looked at');
    expect(await second.outputs().set(1, true)).toMatchObject({ outcome: 'done' });
    expect(relays.outputChanges.filter(({ output }) => output === 1)).toHaveLength(changes);
    expect(await second.outputs().set(1, false)).toMatchObject({ outcome: 'done' });
    expect(relays.output(1)).toBe(false);
  }, 60_000);

  it('is brought to rest at the next start by whoever does not keep it', async () => {
    const units = [{ unit: 1, profile, config: { accept_guess: true } }];
    const line = await openLine(transportOf(shipped(profile)), units);
    const configs = [{ unit: 1, profile, accept_guess: true }];
    const first = startDriver(line.bus, configs);
    await first.seen('online');
    await first.outputs().set(1, true);
    await first.driver.rest(3_000, isKept);
    await first.driver.stop(3_000);
    expect(line.simulator.unit(1).output(1)).toBe(true);
    const second = startDriver(line.bus, configs);
    await second.seen('online');
    expect(line.simulator.unit(1).output(1)).toBe(false);
  }, 60_000);
});
