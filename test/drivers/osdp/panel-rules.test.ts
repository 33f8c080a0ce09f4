// What a panel must and must not say, seen on the wire: numbers, check characters, what goes in the clear, and who is
// taken for a reader in Secure Channel. In virtual time.
import { describe, expect, it } from 'vitest';
import { COMMANDS, commandName } from '../../../drivers/osdp/commands.ts';
import type { Quirks } from '../../../drivers/osdp/simulated-quirks.ts';
import { openVirtualBus, raiseVirtualBus } from './virtual-bus.ts';
import type { VirtualBus } from './virtual-bus.ts';
import { hex } from './vectors.ts';
import { isClear, watchWire } from './wire.ts';

const ONE = { baud: 38_400, readers: 1 };

const only = ({ sims }: VirtualBus) => {
  const [sim] = sims;
  if (sim === undefined) throw new Error('the bus has a reader');
  return sim;
};
const pass = (bus: VirtualBus, ms: number): Promise<void> => bus.time.passUntil(bus.time.nowMs + ms);
const status = (bus: VirtualBus) => bus.driver.devices.get('reader-0')?.status();

describe('the end of the handshake', () => {
  for (const [rmacStatus, quirks] of [
    [0xff, []],
    [0xff, ['rmac_status_0']],
    [0, []],
  ] as const) {
    it(`with status ${rmacStatus} is a refusal, though its value is right${quirks.length > 0 ? ', also of a reader that may say 0' : ''}`, async () => {
      const bus = await openVirtualBus({ ...ONE, reader: { quirks: { rmacStatus } }, controller: { quirks } });
      const wire = watchWire(bus);
      await pass(bus, 5_000);
      expect(wire.replies('RMAC_I').length).toBeGreaterThan(0);
      expect(wire.commands().filter((seen) => !isClear(seen))).toEqual([]);
      expect(bus.count('online')).toBe(0);
      expect(status(bus)?.problem).toContain('does not accept our cryptogram');
      expect(bus.events).toContainEqual(expect.objectContaining({ type: 'fault', code: 'secure_channel_refused' }));
    });
  }

  it('with status 0 is taken from a reader that is known to say so, and its value is checked all the same', async () => {
    const bus = await raiseVirtualBus({
      ...ONE,
      reader: { quirks: { rmacStatus: 0 } },
      controller: { quirks: ['rmac_status_0'] },
    });
    expect(status(bus)?.online).toBe(true);
  });
});

describe('a reader that knows CRC', () => {
  const offline = async (quirks: Partial<Quirks> = {}): Promise<VirtualBus> => {
    const bus = await raiseVirtualBus({ ...ONE, reader: { quirks } });
    only(bus).unplugged = true;
    await bus.passUntil(() => bus.count('offline') === 1, 20_000, 'it to be missed');
    return bus;
  };

  it('and comes up while it is asked by checksums is served by CRC', async () => {
    const bus = await offline();
    const wire = watchWire(bus);
    await bus.passUntil(() => wire.commands().some(({ frame }) => !frame.crc), 60_000, 'a question by checksum');
    only(bus).unplugged = false;
    await bus.passUntil(() => bus.count('online') === 2, 60_000, 'it to be back');
    expect(wire.replies()[0]?.frame.crc).toBe(false);
    wire.clear();
    await pass(bus, 3_000);
    expect(wire.commands().length).toBeGreaterThan(20);
    expect(wire.commands().filter(({ frame }) => !frame.crc)).toEqual([]);
  });

  it('and says so only in its capabilities, for its answers by CRC were lost, is served by CRC from then on', async () => {
    const bus = await offline();
    const wire = watchWire(bus);
    await bus.passUntil(() => wire.commands().some(({ frame }) => !frame.crc), 60_000, 'a question by checksum');
    const sim = only(bus);
    sim.unplugged = false;
    sim.quirks.understands = 'checksum';
    // By CRC it is asked twice in vain; then its handshake is by checksums.
    await bus.passUntil(() => wire.commands('SCRYPT').length > 0, 60_000, 'a handshake by checksums');
    expect(wire.commands('SCRYPT')[0]?.frame.crc).toBe(false);
    sim.quirks.understands = 'both';
    await pass(bus, 2_000);
    wire.clear();
    await pass(bus, 2_000);
    expect(wire.commands().filter(({ frame }) => !frame.crc)).toEqual([]);
    expect(wire.commands().length).toBeGreaterThan(20);
  });

  it('is not asked for where it knows only checksums', async () => {
    const bus = await raiseVirtualBus({ ...ONE, reader: { quirks: { understands: 'checksum' } } });
    const wire = watchWire(bus);
    await pass(bus, 2_000);
    expect(wire.commands().filter(({ frame }) => frame.crc)).toEqual([]);
  });
});

describe('to a reader that has a key', () => {
  const MAY_BE_CLEAR = ['ID', 'CAP', 'COMSET', 'CHLNG', 'SCRYPT'];

  it('nothing is said in the clear but who are you, what can you, and the handshake, whatever it does', async () => {
    const bus = await openVirtualBus(ONE);
    const wire = watchWire(bus);
    const sim = only(bus);
    await bus.passUntil(() => bus.count('online') === 1, 10_000, 'it to be online');
    sim.presentCard(26, hex('BDD93740'));
    await pass(bus, 500);
    for (const trouble of ['numbered_0', 'secured_0', 'bad_mac', 'clear_card'] as const) {
      sim.oneShots.push(trouble);
      await pass(bus, 1_000);
    }
    sim.powerCycle();
    await pass(bus, 1_000);
    sim.unplugged = true;
    await pass(bus, 30_000);
    sim.unplugged = false;
    await pass(bus, 3_000);
    expect(bus.count('online')).toBe(2);
    const clear = new Set(
      wire
        .commands()
        .filter(isClear)
        .map(({ frame }) => commandName(frame.code)),
    );
    expect([...clear].filter((name) => name === null || !MAY_BE_CLEAR.includes(name))).toEqual([]);
    expect(wire.commands().filter((seen) => !isClear(seen)).length).toBeGreaterThan(50);
  });
});

describe('the number 0', () => {
  it('begins a link once: the challenge after an answered ID is number 1', async () => {
    const bus = await openVirtualBus({ ...ONE, reader: { quirks: { challengeNeedsId: true } } });
    const wire = watchWire(bus);
    await bus.passUntil(() => bus.count('online') === 1, 10_000, 'it to be online');
    const id = wire.frames.findIndex(({ from, frame }) => from === 'reader' && frame.code === 0x45);
    expect(wire.frames[id]?.frame.sequence).toBe(0);
    const after = wire.frames.slice(id + 1).filter(({ from }) => from === 'controller');
    expect(after.slice(0, 3).map(({ frame }) => [commandName(frame.code), frame.sequence])).toEqual([
      ['CHLNG', 1],
      ['SCRYPT', 2],
      expect.arrayContaining([3]),
    ]);
  });

  it('is used for a challenge again where the reader counts otherwise', async () => {
    const bus = await openVirtualBus({ ...ONE, reader: { quirks: { challengeNeedsId: true, strictChallenge: true } } });
    const wire = watchWire(bus);
    await bus.passUntil(() => bus.count('online') === 1, 10_000, 'it to be online');
    expect(
      wire
        .commands('CHLNG')
        .slice(-2)
        .map(({ frame }) => frame.sequence),
    ).toEqual([1, 0]);
  });

  it('in a secured answer ends the session, and everything begins anew', async () => {
    const bus = await raiseVirtualBus(ONE);
    const wire = watchWire(bus);
    only(bus).oneShots.push('secured_0');
    await pass(bus, 500);
    const at = wire.frames.findIndex(
      ({ from, frame }) => from === 'reader' && frame.sequence === 0 && frame.mac !== null,
    );
    expect(at).toBeGreaterThanOrEqual(0);
    const next = wire.frames.slice(at + 1).find(({ from }) => from === 'controller');
    expect(next?.frame).toMatchObject({ code: COMMANDS.CHLNG.code, sequence: 0 });
    expect(bus.count('offline')).toBe(0);
  });
});

describe('a busy reader', () => {
  it('that does not do a command in five seconds is asked something else under the next number, in the same session', async () => {
    const bus = await raiseVirtualBus(ONE);
    const wire = watchWire(bus);
    const sim = only(bus);
    sim.busy = 1_000;
    const asked = bus.driver.osdp
      .manufacturer('reader-0', hex('112233'), hex('01'))
      .catch((error: unknown) => String(error));
    await bus.passUntil(() => sim.busy < 1_000, 1_000, 'it to be asked');
    const asks = wire.commands();
    expect(await bus.passDuring(asked, 8_000)).toContain('busy all the time');
    sim.busy = 0;
    const given = wire.commands().at(-1)?.frame.sequence ?? 0;
    wire.clear();
    await pass(bus, 200);
    expect(wire.commands()[0]?.frame.sequence).toBe((given % 3) + 1);
    expect(wire.commands('CHLNG')).toEqual([]);
    expect(wire.replies('NAK')).toEqual([]);
    expect(asks.length).toBeGreaterThan(0);
  });
});

describe('a key that is forgotten', () => {
  it('is used no more, the reader is offline with what to do, and a window installs it anew', async () => {
    const bus = await raiseVirtualBus(ONE);
    bus.driver.osdp.forgetKey('reader-0');
    expect(bus.keys.load('reader-0')).toMatchObject({ active: null, pending: null, identity: null });
    await bus.passUntil(() => bus.count('offline') === 1, 2_000, 'it to be out of service');
    expect(status(bus)?.problem).toContain('lintel osdp install reader-0');
    const wire = watchWire(bus);
    await pass(bus, 5_000);
    expect(wire.commands('CHLNG')).toEqual([]);
    const sim = only(bus);
    const before = sim.key;
    sim.key = null;
    sim.installMode = true;
    const installed = bus.driver.osdp.install('reader-0', 60_000);
    expect(await bus.passDuring(installed, 60_000)).toEqual({ outcome: 'installed' });
    expect(sim.key).not.toEqual(before);
    expect(sim.key).toEqual(bus.keys.load('reader-0').active);
  });
});

describe('COMSET', () => {
  it('to another address and baud is followed by a line that has one reader', async () => {
    const bus = await raiseVirtualBus(ONE);
    const moved = bus.driver.osdp.setAddress('reader-0', 9, 115_200);
    expect(await bus.passDuring(moved, 25_000)).toMatchObject({ address: 9, baud: 115_200 });
    expect(only(bus)).toMatchObject({ address: 9, baud: 115_200 });
    expect(bus.simulated.baud).toBe(115_200);
    expect(status(bus)?.online).toBe(true);
  });

  it('whose answer is lost finds the reader at its new place', async () => {
    const bus = await raiseVirtualBus(ONE);
    const wire = watchWire(bus);
    // It moves, and nothing of what it said comes through.
    const { tap } = bus.simulated;
    bus.simulated.tap = (frame, from) => {
      tap(frame, from);
      if (from === 'controller' && frame[7] === COMMANDS.COMSET.code) bus.simulated.faults.lose = 1;
    };
    const moved = bus.driver.osdp.setAddress('reader-0', 9, 38_400);
    expect(await bus.passDuring(moved, 40_000)).toMatchObject({ address: 9 });
    expect(status(bus)?.online).toBe(true);
    expect(wire.replies('COM')).toEqual([]);
  });

  it('that the reader never took says where it still is', async () => {
    const bus = await raiseVirtualBus(ONE);
    const sim = only(bus);
    const { tap } = bus.simulated;
    bus.simulated.tap = (frame, from) => {
      tap(frame, from);
      if (from === 'controller' && frame[7] === COMMANDS.COMSET.code) sim.unplugged = true;
    };
    const moved = bus.driver.osdp.setAddress('reader-0', 9, 38_400).catch((error: unknown) => String(error));
    await bus.passUntil(() => bus.count('offline') === 1, 20_000, 'it to be missed');
    bus.simulated.tap = tap;
    sim.unplugged = false;
    expect(await bus.passDuring(moved, 40_000)).toContain('it still answers at address 0');
    expect(status(bus)?.online).toBe(true);
  });
});
