import { describe, expect, it } from 'vitest';
import { checkExamples } from '../../../drivers/modbus/examples.ts';
import { loadProfile, shippedNames } from '../../../drivers/modbus/profile.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { until } from '../../support/ports.ts';
import { content, openSite, shipped, soon, type Site, type Transport } from './site.ts';

const names = shippedNames();

/** Over the wire that the device has: Modbus TCP, else RTU frames through a converter. */
const transportOf = (name: string): Transport =>
  shipped(name).transport.kinds.includes('tcp') ? 'tcp' : 'rtu-over-tcp';

const siteOf = (name: string): Promise<Site> =>
  openSite(transportOf(name), [
    { unit: 1, profile: name, config: { profile: name, accept_guess: shipped(name).provenance.status === 'guess' } },
  ]);

const lastOf = (site: Site, output: number): boolean | undefined =>
  site.simulator.unit(1).outputChanges.findLast((change) => change.output === output)?.energised;

describe('every shipped profile', () => {
  it.each(names)('%s loads without problems, says where it comes from, and sends the frames it shows', async (name) => {
    const { profile, problems } = loadProfile(name, '/');
    expect(problems).toEqual([]);
    if (profile === null) throw new Error('it loads');
    expect(profile.id).toBe(name);
    expect(profile.provenance.source.length).toBeGreaterThan(5);
    // Nobody has claimed a device that was never on a bench.
    if (profile.provenance.status === 'device-tested') expect(profile.provenance.tested_firmware).not.toEqual([]);
    expect(profile.examples.length).toBeGreaterThan(0);
    expect(await checkExamples(profile, systemClock)).toEqual([]);
  });

  it.each(names.filter((name) => shipped(name).outputs.length > 0))(
    '%s: each output switches on and off, and ends a pulse',
    async (name) => {
      const site = await siteOf(name);
      for (const output of shipped(name).outputs.keys()) {
        expect(await site.outputs().set(output, true)).toMatchObject({ outcome: 'done' });
        expect([output, lastOf(site, output)]).toEqual([output, true]);
        expect(await site.outputs().set(output, false)).toMatchObject({ outcome: 'done' });
        expect([output, lastOf(site, output)]).toEqual([output, false]);
      }
      expect(await site.outputs().pulse(0, 200, soon())).toMatchObject({ outcome: 'done' });
      const changes = site.simulator.unit(1).outputChanges;
      await until(() => changes.at(-1)?.energised === false && changes.length % 2 === 0, 'the pulse ends');
      expect(changes.slice(-2)).toMatchObject([
        { output: 0, energised: true },
        { output: 0, energised: false },
      ]);
    },
  );

  it.each(names.filter((name) => shipped(name).inputs.length > 0))('%s: each input is seen alone', async (name) => {
    const site = await siteOf(name);
    const seen = (input: number, active: boolean): boolean =>
      site.events.some((event) => event.type === 'input' && event.input === input && event.active === active);
    const { inputs } = shipped(name);
    for (const input of inputs.keys()) await until(() => seen(input, false), `input ${input} is told at the start`);
    for (const input of inputs.keys()) {
      const told = site.events.length;
      site.simulator.unit(1).setInput(input, true);
      await until(() => seen(input, true), `input ${input} is seen`);
      const others = site.events.slice(told).filter((event) => event.type === 'input' && event.input !== input);
      expect(others).toEqual([]);
    }
  });

  it.each(names.filter((name) => shipped(name).provenance.status === 'guess'))(
    '%s is refused until the controller says that a guess will do',
    async (name) => {
      await expect(
        openSite(transportOf(name), [{ unit: 1, profile: name, config: { profile: name } }]),
      ).rejects.toThrow('was guessed and never tried on a device');
    },
  );
});

describe('a board whose outputs may follow its inputs', () => {
  it.each(['waveshare-io-8ch', 'waveshare-relay-d-8ch'])(
    '%s drives nothing until the modes are right',
    async (name) => {
      const site = await siteOf(name);
      site.simulator.unit(1).memory.set('holding', 0x1003, 1);
      await site.seen('fault');
      expect(await site.outputs().set(0, true)).toMatchObject({ outcome: 'failed', error: 'device_error' });
      expect(lastOf(site, 0)).toBeUndefined();
    },
  );
});

describe('the table controller without windows', () => {
  it('is written, read back and erased, and decides by what it holds', async () => {
    const site = await siteOf('plc-door-1');
    const device = site.simulator.unit(1);
    expect(site.device().capabilities).toMatchObject({
      slots: {
        firstSlot: 1,
        count: 200,
        windows: 'none',
        cardFormats: ['H10301'],
        readBack: 'full',
        oneTimeUse: false,
      },
      clock: false,
      events: false,
    });
    const card = content({ card: 'H10301:123:45678' });
    const pin = content({ pin: '082475' });
    expect(
      await site.slots().write([
        { slot: 1, content: card },
        { slot: 2, content: pin },
        { slot: 200, content: content({ card: 'H10301:7:1' }) },
      ]),
    ).toMatchObject([{ outcome: 'written' }, { outcome: 'written' }, { outcome: 'written' }]);
    const readings = await site.slots().read([1, 2, 3, 200]);
    expect(readings.map(({ state }) => state)).toEqual(['occupied', 'occupied', 'empty', 'occupied']);
    expect(readings[0]?.image).toEqual(site.slots().image(1, card));
    expect(readings[1]?.image).toEqual(site.slots().image(2, pin));
    // As the map says, register for register: 40101 is wire address 100.
    expect(device.memory.read('holding', 100, 10)).toEqual([3, 0x7b, 0xb26e, 0xffff, 0xffff, 5, 0, 0, 0x0824, 0x75ff]);
    expect(device.doors.present(1, { card: 'H10301:123:45678' })).toMatchObject({ granted: true, slot: 1 });
    expect(device.doors.present(1, { pin: '082475' })).toMatchObject({ granted: true, slot: 2 });
    expect(await site.slots().erase([1, 2, 200])).toMatchObject([
      { outcome: 'written' },
      { outcome: 'written' },
      { outcome: 'written' },
    ]);
    expect(device.doors.present(1, { card: 'H10301:123:45678' }).granted).toBe(false);
    expect((await site.slots().read([1, 2, 200])).every(({ state }) => state === 'empty')).toBe(true);
    expect(device.memory.read('holding', 100, 10).every((register) => register === 0)).toBe(true);
  });

  it('refuses what its record cannot hold, before anything is sent', async () => {
    const site = await siteOf('plc-door-1');
    const sent = (): number => site.simulator.unit(1).requests.filter((pdu) => pdu[0] === 16).length;
    const before = sent();
    expect(
      await site.slots().write([
        { slot: 1, content: content({ card: 'uid:04A1B2C3' }) },
        { slot: 2, content: content({ card: 'H10301:1:1', pin: '1234', cardAndPin: true }) },
        { slot: 3, content: content({ pin: '123' }) },
      ]),
    ).toMatchObject([
      { outcome: 'refused', error: 'bad_card' },
      { outcome: 'refused', error: 'not_supported' },
      { outcome: 'refused', error: 'bad_pin' },
    ]);
    expect(sent()).toBe(before);
  });
});
