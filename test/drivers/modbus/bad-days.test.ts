// What goes wrong on a wire besides lateness: answers in pieces, damaged, twice, not at all, refused, or from somebody
// else.

import { describe, expect, it } from 'vitest';
import { content, filledSite, openLine, openPort, pause, readSlot, soon, startDriver } from './site.ts';

describe.each(['rtu', 'rtu-over-tcp'] as const)('on a bad wire over %s', (transport) => {
  it('answers in pieces are put together', async () => {
    const site = await filledSite(transport);
    site.simulator.lineFaults.fragment = { bytes: 3, pauseMs: 4 };
    expect(await readSlot(site, 5)).toBe('right');
    expect(site.device().status().counters.timeouts).toBe(0);
  });

  it('a damaged answer is asked for again', async () => {
    const site = await filledSite(transport);
    site.simulator.unit(1).failNext({ wrongCrc: true }, 2, 3);
    expect(await readSlot(site, 5)).toBe('right');
    expect(site.device().status().counters).toMatchObject({ crcErrors: 2, retries: 2 });
  });

  it('frames of others are stepped over', async () => {
    const site = await filledSite(transport);
    site.simulator.lineFaults.foreign = true;
    expect(await readSlot(site, 5)).toBe('right');
    expect(await readSlot(site, 6)).toBe('right');
    expect(await site.outputs().pulse(0, 1_000, soon())).toEqual({ outcome: 'done', confirmed: true });
  });

  it('an answer that comes twice does no harm', async () => {
    const site = await filledSite(transport);
    site.simulator.unit(1).faults.twice = true;
    for (let slot = 0; slot < 8; slot++) expect(await readSlot(site, slot)).not.toBe('wrong');
  });

  it('noise between the frames does no harm', async () => {
    const site = await filledSite(transport);
    for (let slot = 0; slot < 8; slot++) {
      site.simulator.say(Buffer.from([0x00, 0xff, 0x01, 0x03]));
      expect(await readSlot(site, slot)).toBe('right');
    }
  });
});

describe('an adapter that hears itself', () => {
  it('is noticed, and its own bytes are no answer', async () => {
    const line = await openLine('rtu', [{ unit: 1, profile: 'plc-door-2' }]);
    line.simulator.lineFaults.echo = true;
    const site = { ...line, ...startDriver(line.bus, [{ unit: 1, profile: 'plc-door-2' }]) };
    await site.seen('online');
    const simulated = line.simulator.unit(1);
    expect(await site.slots().write([{ slot: 3, content: content({ card: 'H10301:1:4' }) }])).toMatchObject([
      { outcome: 'written' },
    ]);
    expect(await readSlot(site, 3)).toBe('right');
    expect(await site.outputs().set(0, true)).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.output(0)).toBe(true);
    // The device is gone, the echo is not: our own bytes look exactly like its acknowledgement.
    simulated.faults.deaf = true;
    expect(await site.outputs().set(0, false)).toMatchObject({ outcome: 'failed' });
    await site.seen('offline');
  });
});

describe('a device that says no', () => {
  it('or not yet: a busy one is asked again', async () => {
    const site = await filledSite('rtu');
    site.simulator.unit(1).failNext({ exception: 6 }, 3, 3);
    expect(await readSlot(site, 5)).toBe('right');
    site.simulator.unit(1).failNext({ exception: 15 }, 2, 3);
    expect(await readSlot(site, 6)).toBe('right');
    site.simulator.unit(1).failNext({ exception: 6 }, 2, 16);
    expect(await site.slots().write([{ slot: 5, content: content({ card: 'H10301:2:1' }) }])).toMatchObject([
      { outcome: 'written' },
    ]);
  });

  it('to one slot does not fail its neighbours', async () => {
    const site = await filledSite('rtu');
    site.simulator.unit(1).failNext({ exception: 3 }, 2, 16);
    const outcomes = await site
      .slots()
      .write([1, 2, 3].map((slot) => ({ slot, content: content({ card: 'H10301:2:1' }) })));
    // The transfer of three was refused, then the first of them alone.
    expect(outcomes).toMatchObject([
      { outcome: 'refused', error: 'device_error' },
      { outcome: 'written' },
      { outcome: 'written' },
    ]);
  });

  it('may take a write on for later: then nobody knows until it is read', async () => {
    const site = await filledSite('rtu');
    site.simulator.unit(1).failNext({ exception: 5 }, 1, 16);
    expect(await site.slots().write([{ slot: 5, content: content({ card: 'H10301:2:1' }) }])).toMatchObject([
      { outcome: 'unknown' },
    ]);
  });

  it('to a card or PIN that it cannot hold is not even asked', async () => {
    const site = await filledSite('rtu');
    const before = site.simulator.unit(1).requests.filter((pdu) => pdu[0] === 16).length;
    const outcomes = await site.slots().write([
      { slot: 1, content: content({ pin: '123' }) },
      { slot: 2, content: content({ card: 'uid:04A1B2C3D4E5F6' }) },
      { slot: 3, content: content({ card: 'H10301:1:1', doors: [7] }) },
    ]);
    expect(outcomes).toMatchObject([{ error: 'bad_pin' }, { error: 'bad_card' }, { error: 'not_supported' }]);
    expect(site.simulator.unit(1).requests.filter((pdu) => pdu[0] === 16).length).toBe(before);
    expect(() => site.slots().image(1, content({ pin: '123' }))).toThrow('PINs of 4 to 8 digits');
  });
});

describe('a write whose answer is lost', () => {
  it('is unknown, is not sent again, and reading tells', async () => {
    const site = await filledSite('rtu');
    const simulated = site.simulator.unit(1);
    const writes = (): number => simulated.requests.filter((pdu) => pdu[0] === 16).length;
    const before = writes();
    simulated.failNext({ silent: true }, 1, 16);
    const wanted = content({ card: 'H10301:9:9' });
    expect(await site.slots().write([{ slot: 5, content: wanted }])).toMatchObject([{ slot: 5, outcome: 'unknown' }]);
    expect(writes()).toBe(before + 1);
    // Only the first of its two writes was done: the record is there, and not in force.
    const [reading] = await site.slots().read([5]);
    expect(reading?.state).toBe('occupied');
    expect(site.slots().mayBeLeftOf?.(5, wanted, reading?.image ?? Buffer.alloc(0))).toBe(true);
    expect(simulated.doors.slot(5).enabled).toBe(false);
  });

  it('never leaves a half-written record in force', async () => {
    const site = await filledSite('rtu');
    const simulated = site.simulator.unit(1);
    simulated.failNext({ forgetful: true, silent: true }, 1, 16);
    await site.slots().write([{ slot: 5, content: content({ card: 'H10301:9:9' }) }]);
    expect(simulated.doors.present(1, { card: 'H10301:9:9' }).granted).toBe(false);
  });
});

describe('a device that acknowledges and keeps nothing', () => {
  it('is found out by reading back, for slots and for strikes', async () => {
    const site = await filledSite('rtu');
    const simulated = site.simulator.unit(1);
    simulated.faults.forgetful = true;
    const wanted = content({ card: 'H10301:9:9' });
    await site.slots().write([{ slot: 5, content: wanted }]);
    const [reading] = await site.slots().read([5]);
    expect(reading?.image.equals(site.slots().image(5, wanted))).toBe(false);
    expect(await site.outputs().pulse(0, 3_000, soon())).toEqual({ outcome: 'done', confirmed: false });
    expect(await site.outputs().set(0, true)).toMatchObject({ outcome: 'failed', error: 'device_error' });
    expect(simulated.output(0)).toBe(false);
  });
});

describe('a strike', () => {
  it('leaves in the turn of its command when the bus is idle', async () => {
    const line = await openLine('rtu', [{ unit: 1, profile: 'waveshare-relay-8ch' }]);
    const written: Buffer[] = [];
    const site = startDriver(
      line.bus,
      [{ unit: 1, profile: 'waveshare-relay-8ch' }],
      async (settings, handlers, timeoutMs) => {
        const port = await openPort(settings, handlers, timeoutMs);
        return {
          write(bytes) {
            written.push(Buffer.from(bytes));
            port.write(bytes);
          },
          drain: () => port.drain(),
          discardInput: () => port.discardInput(),
          close: () => port.close(),
          abort: () => port.abort(),
        };
      },
    );
    await site.seen('online');
    await pause(50);
    const before = written.length;
    const pulsing = site.outputs().pulse(0, 700, soon());
    expect(written.slice(before).map((bytes) => bytes.toString('hex'))).toEqual(['0105020000078db0']);
    expect(await pulsing).toEqual({ outcome: 'done', confirmed: true });
  });

  it('goes before everything else that waits', async () => {
    const site = await filledSite('rtu');
    const simulated = site.simulator.unit(1);
    simulated.faults.latencyMs = 10;
    const reading = Promise.all(Array.from({ length: 20 }, (_, slot) => readSlot(site, slot)));
    const before = simulated.requests.length;
    expect(await site.outputs().pulse(0, 1_000, soon())).toMatchObject({ outcome: 'done' });
    const ahead = simulated.requests.slice(before).findIndex((pdu) => pdu[0] === 6);
    // At most the one that was under way when it was commanded.
    expect(ahead).toBeLessThanOrEqual(1);
    expect(new Set(await reading)).toEqual(new Set(['right']));
  });

  it('is not commanded after its time', async () => {
    const site = await filledSite('rtu');
    const simulated = site.simulator.unit(1);
    const before = simulated.requests.filter((pdu) => pdu[0] === 6).length;
    expect(await site.outputs().pulse(0, 1_000, soon(-1))).toMatchObject({ outcome: 'failed', error: 'too_late' });
    expect(simulated.requests.filter((pdu) => pdu[0] === 6).length).toBe(before);
  });

  it('whose answer was lost is looked for before it is repeated', async () => {
    const site = await filledSite('rtu');
    const simulated = site.simulator.unit(1);
    simulated.failNext({ silent: true }, 1, 6);
    expect(await site.outputs().pulse(0, 3_000, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.requests.filter((pdu) => pdu[0] === 6).length).toBe(1);
    simulated.failNext({ deaf: true }, 1, 6);
    expect(await site.outputs().pulse(1, 3_000, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(simulated.output(1)).toBe(true);
  });
});
