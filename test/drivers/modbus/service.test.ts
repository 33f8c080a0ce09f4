// What a device goes through before it is in service, and what puts it out of service again.

import { describe, expect, it } from 'vitest';
import { until } from '../../support/ports.ts';
import { content, openLine, openSite, pause, soon, startDriver } from './site.ts';

describe('a board whose inputs drive its relays by themselves', () => {
  it('is not used for outputs until it is set right', async () => {
    const line = await openLine('rtu', [{ unit: 1, profile: 'waveshare-relay-d-8ch' }]);
    const simulated = line.simulator.unit(1);
    simulated.memory.set('holding', 0x1003, 1);
    const site = startDriver(line.bus, [{ unit: 1, profile: 'waveshare-relay-d-8ch' }]);
    await site.seen('online');
    await site.seen('input', 8);
    expect(site.events.find(({ type }) => type === 'fault')).toMatchObject({
      code: 'wrong_setting',
      cleared: false,
      message: expect.stringContaining('write 0 to registers 0x1000 to 0x1007') as unknown,
    });
    expect(await site.outputs().pulse(0, 500, soon())).toMatchObject({ outcome: 'failed', error: 'device_error' });
    expect(await site.outputs().set(0, true)).toMatchObject({ outcome: 'failed', error: 'device_error' });
    expect(simulated.outputChanges).toEqual([]);
    expect(site.device().status().problem).toContain('0x1000');
    simulated.memory.set('holding', 0x1003, 0);
    await site.seen('fault', 2);
    expect(site.events.findLast(({ type }) => type === 'fault')).toMatchObject({ cleared: true });
    expect(await site.outputs().pulse(0, 500, soon())).toEqual({ outcome: 'done', confirmed: true });
  });
});

describe('another device at the same unit', () => {
  it('is told, and nothing is ever written to it', async () => {
    const line = await openLine('rtu', [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = line.simulator.unit(1);
    simulated.memory.write('holding', 0, [0x1234, 0x0201]);
    const site = startDriver(line.bus, [{ unit: 1, profile: 'plc-door-2' }]);
    await site.seen('identity_changed');
    expect(site.events).toMatchObject([{ type: 'identity_changed', expected: '4C4E:0201', found: '1234:0201' }]);
    expect(site.device().status()).toMatchObject({ online: false, identity: '1234:0201' });
    expect(await site.slots().write([{ slot: 1, content: content({ pin: '1234' }) }])).toMatchObject([
      { outcome: 'unknown' },
    ]);
    expect(await site.outputs().pulse(0, 500, soon())).toMatchObject({ error: 'controller_offline' });
    await pause(300);
    expect(simulated.requests.every((pdu) => (pdu[0] ?? 0) <= 4)).toBe(true);
    simulated.memory.write('holding', 0, [0x4c4e]);
    await site.seen('online');
    expect(site.events.filter(({ type }) => type === 'identity_changed').length).toBe(1);
  });

  it('is noticed in service', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    simulated.memory.write('holding', 0, [0x1234]);
    await site.seen('identity_changed');
    await site.seen('offline');
    const before = simulated.requests.length;
    expect(await site.slots().erase([1])).toMatchObject([{ outcome: 'unknown' }]);
    expect(simulated.requests.slice(before).every((pdu) => (pdu[0] ?? 0) <= 4)).toBe(true);
    // Nor is the stranger's relay switched when Lintel stops.
    await site.driver.stop(1_000);
    expect(simulated.requests.slice(before).every((pdu) => (pdu[0] ?? 0) <= 4)).toBe(true);
  });
});

describe('a controller that loses its power', () => {
  it('and its memory is told as restarted, and reads as empty', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    await site.slots().write([{ slot: 1, content: content({ pin: '1234' }) }]);
    simulated.powerOff();
    await site.seen('offline');
    simulated.powerOn({ keepMemory: false });
    await site.seen('online', 2);
    expect(site.events.filter(({ type }) => type === 'restarted').length).toBe(1);
    expect(await site.slots().read([1])).toMatchObject([{ state: 'empty' }]);
    expect(new Date((await site.device().clock?.read()) ?? 0).getUTCFullYear()).toBe(2000);
  });

  it('so briefly that nobody missed it is told as well', async () => {
    const site = await openSite('tcp', [{ unit: 1, profile: 'plc-door-2' }]);
    const simulated = site.simulator.unit(1);
    await site.outputs().set(0, true);
    simulated.powerOff();
    simulated.powerOn({ keepMemory: true });
    expect(simulated.output(0)).toBe(false);
    await site.seen('restarted');
    // What was held open is held open again: only the door's part decides otherwise.
    await until(() => simulated.output(0), 'the relay to be energised again');
    expect(site.events.some(({ type }) => type === 'offline')).toBe(false);
  });
});

describe('a relay that was left energised', () => {
  it('is brought to rest before the device is in service', async () => {
    const line = await openLine('rtu', [{ unit: 1, profile: 'waveshare-relay-8ch' }]);
    const simulated = line.simulator.unit(1);
    simulated.drive(3, true);
    const site = startDriver(line.bus, [{ unit: 1, profile: 'waveshare-relay-8ch' }]);
    await site.seen('online');
    expect(simulated.output(3)).toBe(false);
  });

  it('stays energised over an outage when it was set so, and not when it was released meanwhile', async () => {
    const site = await openSite('rtu', [{ unit: 1, profile: 'waveshare-relay-8ch' }]);
    const simulated = site.simulator.unit(1);
    await site.outputs().set(0, true);
    await site.outputs().set(1, true);
    simulated.powerOff();
    await site.seen('offline');
    expect(await site.outputs().set(1, false)).toMatchObject({ outcome: 'failed', error: 'controller_offline' });
    expect(await site.outputs().set(2, true)).toMatchObject({ outcome: 'failed', error: 'controller_offline' });
    simulated.powerOn({ keepMemory: true });
    await site.seen('online', 2);
    expect([0, 1, 2].map((output) => simulated.output(output))).toEqual([true, false, false]);
  });
});

describe('the status of a device', () => {
  it('says since when, who, and whether the wire works', async () => {
    const before = Date.now();
    const site = await openSite('rtu', [{ unit: 1, profile: 'plc-door-2' }]);
    const status = site.device().status();
    expect(status).toMatchObject({ online: true, identity: 'plc-door-2 4C4E:0201', problem: null });
    expect(status.sinceMs).toBeGreaterThanOrEqual(before);
    await site.seen('input', 5);
    const { counters } = site.device().status();
    expect(counters).toMatchObject({ timeouts: 0, retries: 0, crcErrors: 0, exceptions: 0 });
    // All its requests so far have eight bytes, one may be under way.
    expect(counters.bytesSent).toBe(counters.requests * 8);
    expect(counters.requests - counters.replies).toBeLessThanOrEqual(1);
    expect(counters.bytesReceived).toBeGreaterThanOrEqual(counters.replies * 6);
  });

  it('of a device that was never there says so once', async () => {
    const line = await openLine('rtu', [{ unit: 1, profile: 'plc-door-2' }]);
    const site = startDriver(line.bus, [
      { unit: 1, profile: 'plc-door-2' },
      { unit: 9, profile: 'waveshare-relay-8ch' },
    ]);
    await site.seen('offline');
    await site.seen('online');
    await pause(1_000);
    expect(site.events.filter(({ type }) => type === 'offline')).toMatchObject([{ device: 'unit-9' }]);
    expect(site.device('unit-9').status()).toMatchObject({
      online: false,
      problem: expect.stringContaining('no answer within') as unknown,
    });
  });

  it('of a bus whose line is missing names the remedy', async () => {
    const site = startDriver({ transport: 'rtu', port: '/dev/serial/by-id/not-there' }, [
      { unit: 1, profile: 'plc-door-2' },
    ]);
    await site.seen('offline');
    expect(site.device().status().problem).toContain('Is the adapter plugged in?');
    const refused = startDriver({ transport: 'tcp', host: '127.0.0.1', port: 1 }, [{ unit: 1, profile: 'plc-door-2' }]);
    await refused.seen('offline');
    expect(refused.device().status().problem).toContain('does not serve Modbus on this port');
  });
});
