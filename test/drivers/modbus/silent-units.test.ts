// A bus on which most units do not answer, or answer through a gateway that takes its time to say so: what is there
// works as if it were alone.

import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { NO_FAULTS, SimulatedUnit } from '../../../drivers/modbus/simulator-unit.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { until } from '../../support/ports.ts';
import { content, later, openLine, pause, shipped, startDriver, type DriverOnLine } from './site.ts';

const UNITS = Array.from({ length: 20 }, (_, i) => ({ unit: i + 1, profile: 'plc-door-2' }));
const DEAD = UNITS.slice(0, 19);
/** What a question in vain takes of the wire at least: the device's time, and that of a network or a converter. */
const SILENCE_MS = 100 + 250;

const asked = (site: DriverOnLine, units: readonly { unit: number }[]): number =>
  units.reduce((sum, { unit }) => sum + site.device(`unit-${unit}`).status().counters.requests, 0);

describe.concurrent.each(['rtu-over-tcp', 'tcp'] as const)('one live unit among twenty, over %s,', (transport) => {
  it('is met in the first round, and is served while the others get a sixth of the bus', async () => {
    const line = await openLine(transport, UNITS);
    for (const { unit } of DEAD) line.simulator.unit(unit).faults.silent = true;
    const site = startDriver(line.bus, UNITS);
    const device = site.device('unit-20');
    await until(() => device.status().online, 'the live one to be met', 60_000);
    expect(asked(site, DEAD)).toBeLessThanOrEqual(19 + asked(site, UNITS.slice(19)));

    const [beganAtMs, before] = [systemClock.monotonicMs(), asked(site, DEAD)];
    const writes = [1, 2, 3].map((slot) => ({ slot, content: content({ pin: String(1000 + slot) }) }));
    expect((await site.slots('unit-20').write(writes)).every(({ outcome }) => outcome === 'written')).toBe(true);
    await until(() => asked(site, DEAD) - before >= 6, 'six questions in vain', 60_000);
    // One may have been left of the first round, and what the last one takes is still to come.
    const share = ((asked(site, DEAD) - before - 2) * SILENCE_MS) / (systemClock.monotonicMs() - beganAtMs);
    expect(share).toBeLessThan(0.2);

    for (const { unit } of DEAD) line.simulator.unit(unit).faults.silent = false;
    const back = (): number => DEAD.filter(({ unit }) => site.device(`unit-${unit}`).status().online).length;
    await until(() => back() >= 5, 'five that are back', 60_000);
    expect(device.status().online).toBe(true);
  }, 120_000);
});

/**
 * A gateway with unit 1 behind it; for any other it answers that it got no answer, after so long, and nobody else is
 * served meanwhile.
 */
async function openGateway(vainMs: number): Promise<{ port: number; vain(): number }> {
  const unit = new SimulatedUnit({ unit: 1, profile: shipped('plc-door-2') }, systemClock);
  const sockets = new Set<Socket>();
  let vain = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let received = Buffer.alloc(0);
    let before = Promise.resolve();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 7 && received.length >= received.readUInt16BE(4) + 6) {
        const request = received.subarray(0, received.readUInt16BE(4) + 6);
        received = received.subarray(request.length);
        before = before.then(async () => {
          const isThere = request[6] === 1;
          if (!isThere) await pause(vainMs);
          const fc = request.readUInt8(7);
          const answer = isThere ? unit.handle(request.subarray(7), NO_FAULTS) : Buffer.from([fc | 0x80, 0x0b]);
          const frame = Buffer.concat([request.subarray(0, 7), answer]);
          frame.writeUInt16BE(answer.length + 1, 4);
          socket.write(frame);
          if (!isThere) vain++;
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  later(async () => {
    for (const socket of sockets) socket.destroy();
    unit.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has a port');
  return { port: address.port, vain: () => vain };
}

describe.concurrent('a gateway that takes a second and a half to say that it does not reach a unit', () => {
  it('takes no healthy neighbour down, and is asked for the missing one by the time that it costs', async () => {
    const gateway = await openGateway(1_500);
    const site = startDriver({ transport: 'tcp', host: '127.0.0.1', port: gateway.port }, [
      { unit: 1, profile: 'plc-door-2' },
      { unit: 2, profile: 'plc-door-2' },
    ]);
    await until(() => site.device('unit-1').status().online, 'the healthy one', 30_000);
    await until(() => gateway.vain() >= 2, 'two looks in vain', 60_000);
    const [beganAtMs, vain] = [systemClock.monotonicMs(), gateway.vain()];
    await until(() => gateway.vain() > vain, 'one more', 60_000);
    // The share of the others is five times what the look takes.
    expect(systemClock.monotonicMs() - beganAtMs).toBeGreaterThan(7_000);
    expect(site.events.filter((event) => event.type === 'offline' && event.device === 'unit-1')).toEqual([]);
    expect(site.device('unit-1').status()).toMatchObject({ online: true, problem: null });
  }, 120_000);
});
