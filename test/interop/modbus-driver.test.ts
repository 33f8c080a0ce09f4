// The driver against Modbus stacks that nobody here wrote, holding nothing but registers; and our simulated devices
// against a master that nobody here wrote.

import { describe, expect, it } from 'vitest';
import { content, later, openLine, soon, startDriver } from '../drivers/modbus/site.ts';
import { freePort, openPtyPair, until } from '../support/ports.ts';
import { mbpoll, startJsmodbus, startLibmodbus, startPymodbus, type ModbusServer } from './servers/modbus.ts';

type Place = { bus: Record<string, unknown>; where: string | number };

async function place(kind: 'rtu' | 'tcp' | 'rtu-over-tcp'): Promise<Place> {
  if (kind === 'rtu') {
    const pty = await openPtyPair();
    later(() => pty.close());
    return { bus: { transport: 'rtu', port: pty.a, baud: 115_200 }, where: pty.b };
  }
  const port = await freePort();
  return { bus: { transport: kind, host: '127.0.0.1', port, baud: 115_200 }, where: port };
}

const servers = [
  ['pymodbus', 'rtu', startPymodbus],
  ['pymodbus', 'tcp', startPymodbus],
  ['pymodbus', 'rtu-over-tcp', startPymodbus],
  ['libmodbus', 'rtu', startLibmodbus],
  ['libmodbus', 'tcp', startLibmodbus],
  ['jsmodbus', 'tcp', startJsmodbus],
] as const;

describe.each(servers)('%s over %s', (_, kind, startServer) => {
  it('serves a controller’s table, its relays and its inputs', async () => {
    const { bus, where } = await place(kind);
    const server = await (startServer as (kind: string, where: string | number) => Promise<ModbusServer>)(kind, where);
    server.set('di', 1, 1);
    expect(await server.get('di', 0, 5)).toEqual([0, 1, 0, 0, 0]);
    const site = startDriver(bus, [{ unit: 1, profile: 'plc-door-2', turnaround_max: '300ms' }]);
    await site.seen('online');
    expect(site.device().status().identity).toBe('plc-door-2 4C4E:0201');
    await site.seen('input', 5);
    expect(site.events.filter((event) => event.type === 'input').map(({ active }) => active)).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
    const slots = site.slots();
    const writes = Array.from({ length: 60 }, (__, i) => ({
      slot: i * 2,
      content: content({
        card: `H10302:${i + 1}`,
        pin: String(100_000 + i),
        cardAndPin: true,
        startsAtMs: 1_800_000_000_000,
        endsAtMs: 1_800_000_600_000 + i * 1000,
      }),
    }));
    const outcomes = await slots.write([
      ...writes,
      ...writes.map(({ slot, content: some }) => ({ slot: slot + 1, content: some })),
    ]);
    expect(outcomes.every(({ outcome }) => outcome === 'written')).toBe(true);
    const readings = await slots.read(Array.from({ length: 130 }, (__, slot) => slot));
    expect(readings.filter(({ state }) => state === 'occupied').map(({ slot }) => slot)).toEqual(
      Array.from({ length: 120 }, (__, slot) => slot),
    );
    for (const { slot, image } of readings.slice(0, 120)) {
      expect(image.equals(slots.image(slot, writes[slot >> 1]?.content ?? null))).toBe(true);
    }
    expect(await slots.erase([3, 4, 5])).toMatchObject([
      { outcome: 'written' },
      { outcome: 'written' },
      { outcome: 'written' },
    ]);
    expect((await slots.read([3])).map(({ state }) => state)).toEqual(['empty']);
    expect(await site.outputs().set(1, true)).toEqual({ outcome: 'done', confirmed: true });
    expect(await site.outputs().set(1, false)).toEqual({ outcome: 'done', confirmed: true });
    expect(site.device().status().counters).toMatchObject({ timeouts: 0, crcErrors: 0 });
  });
});

describe.each([0, 255])('a Modbus TCP device that means itself by unit %i', (unit) => {
  it('is served by pymodbus and by our own', async () => {
    const { bus, where } = await place('tcp');
    await startPymodbus('tcp', where);
    const line = await openLine('tcp', [{ unit, profile: 'plc-door-2' }]);
    for (const reach of [bus, line.bus]) {
      const name = `unit-${unit}`;
      const site = startDriver(reach, [{ unit, profile: 'plc-door-2', turnaround_max: '300ms' }]);
      await site.seen('online');
      const wanted = content({ pin: '4711' });
      expect(await site.slots(name).write([{ slot: 7, content: wanted }])).toMatchObject([{ outcome: 'written' }]);
      const [reading] = await site.slots(name).read([7]);
      expect(reading?.image.equals(site.slots(name).image(7, wanted))).toBe(true);
      expect(await site.outputs(name).set(0, true)).toEqual({ outcome: 'done', confirmed: true });
      expect(await site.outputs(name).set(0, false)).toEqual({ outcome: 'done', confirmed: true });
      expect(site.device(name).status().counters).toMatchObject({ timeouts: 0, exceptions: 0 });
    }
    expect(line.simulator.unit(unit).requests.length).toBeGreaterThan(4);
  });
});

describe('a server that is killed', () => {
  it('is missed, and found again when it is back', async () => {
    const { bus, where } = await place('tcp');
    const { kill } = await startLibmodbus('tcp', where);
    const site = startDriver(bus, [{ unit: 1, profile: 'plc-door-2' }]);
    await site.seen('online');
    await kill();
    await site.seen('offline');
    await expect(site.slots().read([1])).rejects.toMatchObject({ type: 'controller_offline' });
    expect(await site.outputs().pulse(0, 500, soon())).toMatchObject({ error: 'controller_offline' });
    await startLibmodbus('tcp', where);
    await site.seen('online', 2);
    expect(await site.slots().read([1])).toMatchObject([{ state: 'empty' }]);
  });

  it('is missed on a serial line, and found again', async () => {
    const { bus, where } = await place('rtu');
    const { kill } = await startLibmodbus('rtu', where);
    const site = startDriver(bus, [{ unit: 1, profile: 'plc-door-2' }]);
    await site.seen('online');
    await kill();
    await site.seen('offline');
    await startLibmodbus('rtu', where);
    await site.seen('online', 2);
    expect(await site.slots().write([{ slot: 1, content: content({ pin: '1234' }) }])).toMatchObject([
      { outcome: 'written' },
    ]);
  });
});

describe('mbpoll as master', () => {
  const RELAYS = 'waveshare-relay-d-8ch';

  it.each(['rtu', 'tcp'] as const)('reads and writes a simulated device over %s', async (kind) => {
    const line = await openLine(kind, [{ unit: 1, profile: 'plc-door-2' }]);
    const unit = line.simulator.unit(1);
    const reach =
      kind === 'rtu'
        ? ['-m', 'rtu', '-a', '1', '-b', '9600', '-P', 'none']
        : ['-m', 'tcp', '-a', '1', '-p', String(line.simulator.port)];
    const end = kind === 'rtu' ? String(line.pty?.a) : '127.0.0.1';
    expect(await mbpoll([...reach, '-t', '4', '-0', '-r', '0', '-c', '2', '-1', end])).toEqual(
      new Map([
        [0, 0x4c4e],
        [1, 0x0201],
      ]),
    );
    await mbpoll([...reach, '-t', '4', '-0', '-r', '1000', end, '11', '22', '33']);
    expect(unit.memory.read('holding', 1000, 3)).toEqual([11, 22, 33]);
    expect(await mbpoll([...reach, '-t', '4', '-0', '-r', '1000', '-c', '4', '-1', end])).toEqual(
      new Map([
        [1000, 11],
        [1001, 22],
        [1002, 33],
        [1003, 0],
      ]),
    );
    unit.setInput(1, true);
    expect(await mbpoll([...reach, '-t', '1', '-0', '-r', '0', '-c', '5', '-1', end])).toEqual(
      new Map([
        [0, 0],
        [1, 1],
        [2, 0],
        [3, 0],
        [4, 0],
      ]),
    );
    await mbpoll([...reach, '-t', '0', '-0', '-r', '1', end, '1']);
    expect(unit.output(1)).toBe(true);
    await expect(mbpoll([...reach, '-t', '4', '-0', '-r', '9000', '-c', '1', '-1', end])).rejects.toThrow(
      /Illegal data address/i,
    );
  });

  it('finds several devices on one line', async () => {
    const line = await openLine(
      'rtu',
      [1, 2].map((unit) => ({ unit, profile: RELAYS })),
    );
    const reach = ['-m', 'rtu', '-b', '9600', '-P', 'none', '-t', '0', '-0'];
    await mbpoll([...reach, '-a', '2', '-r', '0', String(line.pty?.a), '1', '0', '1']);
    expect([0, 1, 2].map((output) => line.simulator.unit(2).output(output))).toEqual([true, false, true]);
    expect(line.simulator.unit(1).output(0)).toBe(false);
    line.simulator.unit(2).powerOff();
    await until(() => !line.simulator.unit(2).output(0), 'the relays to drop');
    await expect(
      mbpoll([...reach, '-a', '2', '-o', '0.2', '-r', '0', '-c', '1', '-1', String(line.pty?.a)]),
    ).rejects.toThrow(/timed out/i);
  });
});
