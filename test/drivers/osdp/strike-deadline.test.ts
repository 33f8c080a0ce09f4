// A strike after its deadline opens for nobody: whatever keeps a reader from answering, once the time of a strike is
// over not one frame of it goes over the wire. Every way in which a frame could be sent again is one of the rows. In
// virtual time, by what an analyser on the wire would see.
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../drivers/osdp/commands.ts';
import { reply, NAK } from '../../../drivers/osdp/replies.ts';
import type { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { encodeFrame } from '../../../drivers/osdp/frame.ts';
import { raiseVirtualBus, type VirtualBus } from './virtual-bus.ts';

/** At several moments: the time of a strike may end while its answer is awaited, and in a pause between two tries. */
const WITHIN_MS = [300, 306, 312, 318];
const CODE_AT = 5;
const isOut = (frame: Buffer): boolean => frame[CODE_AT] === COMMANDS.OUT.code;

function only(bus: VirtualBus) {
  const [sim] = bus.sims;
  const outputs = bus.driver.devices.get('reader-0')?.outputs ?? null;
  if (sim === undefined || outputs === null) throw new Error('the bus has a reader with outputs');
  return { sim, outputs };
}

/** The reader itself says nothing from now on; `instead` answers strikes in its place. */
function answering(bus: VirtualBus, sim: SimulatedReader, instead: ((sequence: number) => Buffer) | null): void {
  sim.unplugged = true;
  const { tap } = bus.simulated;
  bus.simulated.tap = (frame, from) => {
    tap(frame, from);
    if (from === 'controller' && isOut(frame) && instead !== null) {
      const answer = instead((frame[4] ?? 0) & 3);
      bus.time.at(bus.time.nowMs + 3, () => bus.simulated.say(answer));
    }
  };
}

const frameOf = (name: 'BUSY' | 'NAK', sequence: number, error = 0): Buffer => {
  const wire = name === 'BUSY' ? reply('BUSY', {}) : reply('NAK', { error, details: Buffer.alloc(0) });
  const fields = { address: 0, reply: true, sequence, crc: true, block: null, code: wire.code, data: wire.data };
  return encodeFrame(fields, undefined, 1);
};

const ROWS: Readonly<Record<string, ((sequence: number) => Buffer) | null>> = {
  'says nothing at all': null,
  'is busy every time': () => frameOf('BUSY', 0),
  'calls every copy damaged': (sequence) => frameOf('NAK', sequence, NAK.badCheck),
};

async function strikeInVain(
  readers: number,
  instead: ((sequence: number) => Buffer) | null,
  withinMs: number,
): Promise<void> {
  const bus = await raiseVirtualBus({
    baud: 38_400,
    readers,
    reader: { key: null },
    controller: { secure_channel: 'none' },
  });
  const { sim, outputs } = only(bus);
  const outsAtMs: number[] = [];
  bus.simulated.tap = (frame, from) => {
    if (from === 'controller' && isOut(frame) && frame[1] === 0) outsAtMs.push(bus.time.nowMs);
  };
  answering(bus, sim, instead);
  const notAfterMs = bus.time.nowMs + withinMs;
  const outcome = await bus.passDuring(outputs.pulse(0, 500, notAfterMs), 5_000);
  expect(outcome).toMatchObject({ outcome: 'failed' });
  expect(outsAtMs.length).toBeGreaterThan(0);
  // It is back when the wire is empty, and what it was told last was the strike.
  await bus.time.passUntil(bus.time.nowMs + 50);
  sim.unplugged = false;
  bus.simulated.tap = (frame, from) => {
    if (from === 'controller' && isOut(frame) && frame[7] === 5) outsAtMs.push(bus.time.nowMs);
  };
  await bus.time.passUntil(bus.time.nowMs + 12_000);
  expect(outsAtMs.filter((atMs) => atMs > notAfterMs + 2)).toEqual([]);
  expect(sim.terminals.pulses).toEqual([]);
}

describe('a strike whose time is over is never on the wire again', () => {
  for (const readers of [1, 2]) {
    for (const [how, instead] of Object.entries(ROWS)) {
      it(`where its reader ${how}${readers > 1 ? ', beside another one' : ''}`, async () => {
        for (const withinMs of WITHIN_MS) await strikeInVain(readers, instead, withinMs);
      });
    }
  }

  it('where the session falls just when its time ends', async () => {
    const bus = await raiseVirtualBus({ baud: 9_600, readers: 1 });
    const { sim, outputs } = only(bus);
    let strikes = 0;
    bus.simulated.tap = (frame, from) => {
      if (from !== 'controller' || frame[7] !== COMMANDS.OUT.code) return;
      strikes++;
      // Refused as one without a session, after the time of the strike.
      bus.time.at(bus.time.nowMs + 120, () =>
        bus.simulated.say(frameOf('NAK', (frame[4] ?? 0) & 3, NAK.encryptionRequired)),
      );
    };
    sim.unplugged = true;
    const outcome = await bus.passDuring(outputs.pulse(0, 500, bus.time.nowMs + 60), 5_000);
    expect(outcome).toMatchObject({ outcome: 'failed', error: 'timed_out' });
    await bus.time.passUntil(bus.time.nowMs + 200);
    sim.unplugged = false;
    await bus.time.passUntil(bus.time.nowMs + 12_000);
    expect(strikes).toBeLessThanOrEqual(2);
    expect(sim.terminals.pulses).toEqual([]);
  });
});
