// The driver in front of simulated controllers, over TCP and over pseudo terminals: users written and erased, the door
// pulsed, inputs, events and the clock read.

import { describe, expect, test } from 'vitest';
import type { SimulatedController } from '../../../drivers/soyal/simulator-controller.ts';
import { SoyalSimulator } from '../../../drivers/soyal/simulator.ts';
import { portOpener } from '../../../drivers/serial-port.ts';
import { systemClock } from '../../../src/ops/clock.ts';
import { openPtyPair, until } from '../../support/ports.ts';
import { clockOf, content, eventsOf, later, openSite, outputsOf, slotsOf, soon, startDriver } from './site.ts';

/** So many looks at the door more, and all that goes with them. */
async function furtherPolls(controller: SimulatedController, count: number): Promise<void> {
  const polls = (): number => controller.received.filter(({ code, data }) => code === 0x21 && data[0] === 0x00).length;
  const before = polls();
  await until(() => polls() >= before + count, `${count} polls more`);
}

const CARD = 'uid:04A1B2C3';
const CARD_UID = 0x04a1b2c3;

describe('meeting a controller', () => {
  test('it is online once it has said who it is, and says how it is', async () => {
    const site = await openSite();
    expect(site.device().status()).toMatchObject({
      online: true,
      identity: 'soyal 6V3 type 26 id 01 door 1',
      problem: null,
    });
    expect(site.events.filter((event) => event.type === 'input').map((event) => event.active)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(site.events.filter((event) => event.type === 'fault')).toEqual([]);
  });

  test('over a pair of pseudo terminals it works the same', async () => {
    const pair = await openPtyPair();
    later(() => pair.close());
    const simulator = new SoyalSimulator([{ address: 1 }], systemClock);
    later(() => simulator.close());
    await simulator.open(pair.b, portOpener(systemClock));
    const line = startDriver(pair.a, [{ address: 1 }]);
    await line.seen('online');
    const slots = slotsOf(line.device());
    expect(await slots.write([{ slot: 5, content: content({ card: CARD }) }])).toEqual([
      { slot: 5, outcome: 'written' },
    ]);
    expect(simulator.at(1).door.presentCard(CARD_UID)).toBe(true);
  });

  test('a reader that was cut in mid frame before the start is freed and met', async () => {
    const site = await openSite({
      before: (controller) => {
        controller.receive(Buffer.from('7effee01', 'hex'));
        expect(controller.stuck).toBe(true);
      },
    });
    expect(site.device().status().online).toBe(true);
  });

  test('firmware with long acknowledgements and EEPROM by function 02 is met as well', async () => {
    const site = await openSite({ simulated: [{ address: 1, ackForm: 'extended', eepromFunction: 0x02 }] });
    const slots = slotsOf(site.device());
    expect(await slots.write([{ slot: 1, content: content({ pin: '1234' }) }])).toEqual([
      { slot: 1, outcome: 'written' },
    ]);
  });

  test('a controller in the mode of one PIN for all is reported', async () => {
    const site = await openSite({ simulated: [{ address: 1, operationMode: 6 }] });
    expect(site.events).toContainEqual(expect.objectContaining({ type: 'fault', code: 'shared_pin', cleared: false }));
  });

  test('another door relay time than expected is reported, or stored where the installer wants it so', async () => {
    const reported = await openSite({ simulated: [{ address: 1, doorRelayMs: 7_000 }] });
    expect(reported.events).toContainEqual(expect.objectContaining({ type: 'fault', code: 'door_pulse' }));
    expect(reported.controller.door.eeprom.readUInt16BE(0x12)).toBe(700);

    const stored = await openSite({
      simulated: [{ address: 1, doorRelayMs: 7_000 }],
      configured: [{ address: 1, door_pulse: '3s', write_door_pulse: true }],
    });
    expect(stored.controller.door.eeprom.readUInt16BE(0x12)).toBe(300);
    expect(stored.events.filter((event) => event.type === 'fault')).toEqual([]);
  });

  test('another device than the one that was named is never written to', async () => {
    const site = await openSite({
      configured: [
        { address: 1, identity: 'soyal 6V6 type 26 id 01 door 1', write_door_pulse: true, door_pulse: '2s' },
      ],
    });
    expect(site.events).toContainEqual(
      expect.objectContaining({ type: 'identity_changed', expected: 'soyal 6V6 type 26 id 01 door 1' }),
    );
    expect(await slotsOf(site.device()).write([{ slot: 1, content: content({ card: CARD }) }])).toMatchObject([
      { outcome: 'refused', error: 'device_error' },
    ]);
    expect(await slotsOf(site.device()).erase([1])).toMatchObject([{ outcome: 'refused' }]);
    expect(site.device().status().problem).toMatch(/another device/);
    expect(site.controller.received.filter(({ code }) => [0x20, 0x83].includes(code))).toEqual([]);
  });

  test('a relay that a former run left on is switched off, but not one that the controller’s own schedule holds', async () => {
    const left = await openSite({ before: (controller) => controller.door.setRelay(true, 'host') });
    await until(() => !left.controller.door.relayOn, 'the relay to be off');
    const scheduled = await openSite({
      before: (controller) => {
        controller.door.eeprom.writeUInt8(0x1c, 0x06);
        controller.door.setRelay(true, 'host');
      },
    });
    await furtherPolls(scheduled.controller, 3);
    expect(scheduled.controller.door.relayOn).toBe(true);
  });
});

describe('users', () => {
  test('a card, a PIN and a pair open by the controller’s own decision once written, and read back as written', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    const writes = [
      { slot: 1, content: content({ card: CARD }) },
      { slot: 2, content: content({ pin: '0042' }) },
      { slot: 3, content: content({ card: 'H10301:46:17412', pin: '7788', cardAndPin: true }) },
    ];
    expect(await slots.write(writes)).toEqual([1, 2, 3].map((slot) => ({ slot, outcome: 'written' })));
    expect(await slots.read([3, 1, 2, 9])).toEqual([
      ...writes.map(({ slot, content: wanted }) => ({ slot, state: 'occupied', image: slots.image(slot, wanted) })),
      { slot: 9, state: 'empty', image: slots.image(9, null) },
    ]);
    await site.driver.stop(1_000);

    const { door } = site.controller;
    expect(door.presentCard(CARD_UID)).toBe(true);
    expect(door.typePin('0042')).toBe(true);
    expect(door.presentCard(0x002e4404)).toBe(false);
    expect(door.typePin('7788')).toBe(true);
    expect(door.typePin('7788')).toBe(false);
  });

  test('erasing overwrites mode, card and PIN, and nothing opens any more', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    await slots.write([{ slot: 4, content: content({ card: CARD, pin: '1234' }) }]);
    expect(await slots.erase([4])).toEqual([{ slot: 4, outcome: 'written' }]);
    expect(site.controller.door.users.get(4)).toEqual({ uid: 0, pin: 0, mode: 0, zone: 0 });
    expect(site.controller.door.presentCard(CARD_UID)).toBe(false);
    expect(site.controller.door.typePin('1234')).toBe(false);
    expect(await slots.read([4])).toEqual([{ slot: 4, state: 'empty', image: slots.image(4, null) }]);
  });

  test('a slot with a PIN and no card opens for no card, and once it has, no more such slots are written', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    await slots.write([{ slot: 1, content: content({ pin: '1234' }) }]);
    expect(site.controller.door.presentCard(0)).toBe(false);

    site.controller.options.opensForCardZero = true;
    expect(site.controller.door.presentCard(0)).toBe(true);
    for (let i = 0; i < 2; i++) {
      const { events } = await eventsOf(site.device()).read(10);
      for (const event of events) await eventsOf(site.device()).acknowledge(event.cursor);
    }
    expect(site.events).toContainEqual(expect.objectContaining({ type: 'fault', code: 'card_zero', cleared: false }));
    expect(await slots.write([{ slot: 2, content: content({ pin: '4711' }) }])).toMatchObject([
      { outcome: 'refused', error: 'not_supported' },
    ]);
  });

  test('what the table cannot hold is refused before anything is sent, with no secret in the message', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    const outcomes = await slots.write([
      { slot: 1, content: content({ pin: '0000' }) },
      { slot: 2, content: content({ card: 'uid:0F04A1B2C3' }) },
      { slot: 3, content: content({ pin: '4711', oneTimeUse: true }) },
    ]);
    expect(outcomes).toMatchObject([{ error: 'bad_pin' }, { error: 'bad_card' }, { error: 'not_supported' }]);
    expect(JSON.stringify(outcomes)).not.toMatch(/0F04A1B2C3|4711/);
    expect(site.controller.writes.size).toBe(0);
    expect(() => slots.image(1, content({ pin: '123' }))).toThrow(/four digits/);
  });

  test('a controller that acknowledges and does not store is found out by reading back', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    site.controller.faults.storesNothing = true;
    expect(await slots.write([{ slot: 1, content: content({ card: CARD }) }])).toEqual([
      { slot: 1, outcome: 'written' },
    ]);
    expect(await slots.read([1])).toMatchObject([{ state: 'empty' }]);
  });

  test('a refusal is told as one', async () => {
    const site = await openSite();
    site.controller.faults.refusesWrites = true;
    expect(await slotsOf(site.device()).write([{ slot: 1, content: content({ card: CARD }) }])).toMatchObject([
      { outcome: 'refused', error: 'device_error' },
    ]);
  });

  test('many slots are read in as few questions as the inputs allow, at the end of the table too', async () => {
    const site = await openSite();
    const slots = slotsOf(site.device());
    const wanted = Array.from({ length: 40 }, (_, i) => 984 + i);
    await slots.write([{ slot: 1023, content: content({ card: CARD }) }]);
    const readings = await slots.read(wanted);
    expect(readings.map(({ slot }) => slot)).toEqual(wanted);
    expect(readings.at(-1)).toMatchObject({ state: 'occupied' });
    expect(site.controller.received.filter(({ code }) => code === 0x87)).toHaveLength(2);
  });

  test('on a slow bus a read carries no more users than half the time between two looks at the inputs', async () => {
    const site = await openSite({ bus: { baud: 9600 } });
    await slotsOf(site.device()).read(Array.from({ length: 20 }, (_, i) => 1 + i));
    const counts = site.controller.received.filter(({ code }) => code === 0x87).map(({ data }) => data.readUInt8(2));
    expect(counts).toEqual([4, 4, 4, 4, 4]);
  });
});

describe('the door', () => {
  test('a pulse is the controller’s own, confirmed by its answer', async () => {
    const site = await openSite({
      simulated: [{ address: 1, doorRelayMs: 300 }],
      configured: [{ address: 1, door_pulse: '300ms' }],
    });
    expect(await outputsOf(site.device()).pulse(0, 300, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(site.controller.door.openings).toEqual(['host']);
    await until(() => !site.controller.door.relayOn, 'the controller to end its pulse');
  });

  test('a pulse tells when it is handed to the line: before the controller has it, when its turn comes, and at every repeat', async () => {
    const site = await openSite();
    const openingsWhenSent: number[] = [];
    const onSent = (): void => void openingsWhenSent.push(site.controller.door.openings.length);
    const reading = slotsOf(site.device()).read([1, 2, 3]);
    const pulse = outputsOf(site.device()).pulse(0, 5_000, soon(), onSent);
    // The line is taken: the strike is next, and not sent yet.
    expect(openingsWhenSent).toEqual([]);
    expect(await pulse).toMatchObject({ outcome: 'done' });
    expect(openingsWhenSent).toEqual([0]);
    await reading;
    let lost = 0;
    site.controller.faults.loses = ({ code, data }) => code === 0x21 && data[0] === 0x84 && lost++ === 0;
    await outputsOf(site.device()).pulse(0, 5_000, soon(), onSent);
    expect(openingsWhenSent).toEqual([0, 1, 2]);
  });

  test('a pulse that the controller would never end is not asked for', async () => {
    let sent = 0;
    const site = await openSite({ simulated: [{ address: 1, doorRelayMs: 0 }] });
    expect(await outputsOf(site.device()).pulse(0, 5_000, soon(), () => (sent += 1))).toMatchObject({
      outcome: 'failed',
      error: 'device_error',
    });
    expect(sent).toBe(0);
    expect(site.controller.door.openings).toEqual([]);
  });

  test('a pulse too late is none', async () => {
    const site = await openSite();
    expect(await outputsOf(site.device()).pulse(0, 5_000, soon(-1))).toMatchObject({ error: 'too_late' });
    expect(site.controller.door.openings).toEqual([]);
  });

  test('a pulse whose answer is lost is asked for again in time', async () => {
    const site = await openSite();
    let lost = 0;
    site.controller.faults.loses = ({ code, data }) => code === 0x21 && data[0] === 0x84 && lost++ === 0;
    expect(await outputsOf(site.device()).pulse(0, 5_000, soon())).toEqual({ outcome: 'done', confirmed: true });
    expect(lost).toBe(2);
    expect(site.controller.door.openings).toEqual(['host', 'host']);
  });

  test('a pulse at a controller that does not answer fails within its time', async () => {
    const site = await openSite();
    site.controller.faults.silent = true;
    expect(await outputsOf(site.device()).pulse(0, 5_000, soon(600))).toMatchObject({ outcome: 'failed' });
  });

  test(
    'a relay that does not release is an alarm until it does, and confirms nothing meanwhile',
    { timeout: 90_000 },
    async () => {
      const site = await openSite({
        simulated: [{ address: 1, doorRelayMs: 300 }],
        configured: [{ address: 1, door_pulse: '300ms' }],
      });
      const outputs = outputsOf(site.device());
      const stands = (): string[] => site.events.flatMap((event) => (event.type === 'output' ? [event.stand] : []));
      site.controller.door.welded = true;
      expect(await outputs.pulse(0, 300, soon())).toEqual({ outcome: 'done', confirmed: true });
      await until(() => stands().includes('stuck'), 'the alarm', 60_000);
      expect(site.events.findLast((event) => event.type === 'fault')).toMatchObject({
        code: 'relay_stuck',
        cleared: false,
      });
      expect(await outputs.pulse(0, 300, soon())).toEqual({ outcome: 'done', confirmed: false });
      site.controller.door.welded = false;
      await until(() => !site.controller.door.relayOn && stands().at(-1) === 'as_told', 'it to be released', 30_000);
      expect(site.events.findLast((event) => event.type === 'fault')).toMatchObject({
        code: 'relay_stuck',
        cleared: true,
      });
    },
  );

  test('the relay is set and read back, and switched off at the stop', async () => {
    const site = await openSite();
    expect(await outputsOf(site.device()).set(0, true)).toEqual({ outcome: 'done', confirmed: true });
    expect(site.controller.door.relayOn).toBe(true);
    await site.driver.stop(1_000);
    expect(site.controller.door.relayOn).toBe(false);
  });

  test('contact, exit button and a forced door are told as they change, and once each', async () => {
    const site = await openSite();
    const changes = (input: number) =>
      site.events
        .filter((event) => event.type === 'input' && event.input === input)
        .map((event) => 'active' in event && event.active);
    site.controller.door.pressExit(true);
    await until(() => changes(1).length === 2, 'the exit button');
    site.controller.door.pressExit(false);
    site.controller.door.setRelay(false, 'host');
    site.controller.door.setDoor(true);
    await until(() => changes(0).length === 2 && changes(2).length === 2, 'the forced door');
    site.controller.door.setDoor(false);
    await until(() => changes(0).length === 3 && changes(2).length === 3, 'the door to be shut');
    expect(changes(0)).toEqual([false, true, false]);
    expect(changes(1)).toEqual([false, true, false]);
    expect(changes(2)).toEqual([false, true, false]);
  });

  test('programming at the keypad is a fault while it lasts', async () => {
    const site = await openSite();
    site.controller.door.editing = true;
    await site.seen('fault');
    site.controller.door.editing = false;
    await site.seen('fault', 2);
    expect(site.events.filter((event) => event.type === 'fault')).toMatchObject([
      { code: 'editing', cleared: false },
      { code: 'editing', cleared: true },
    ]);
  });

  test('the controller goes on deciding: nothing that was ever sent makes it wait for the host or opens the door', async () => {
    const site = await openSite();
    await slotsOf(site.device()).write([{ slot: 1, content: content({ card: CARD }) }]);
    await eventsOf(site.device()).read(10);
    await clockOf(site.device()).set(Date.now());
    await furtherPolls(site.controller, 3);
    expect(site.controller.received.some(({ code }) => code === 0x18)).toBe(false);
    expect(site.controller.forcedByPoll).toBe(0);
    expect(site.controller.door.openings).toEqual([]);
    expect(site.controller.door.presentCard(CARD_UID)).toBe(true);
  });
});

describe('events', () => {
  const collect = async (site: Awaited<ReturnType<typeof openSite>>) => {
    const found = [];
    for (;;) {
      const { events } = await eventsOf(site.device()).read(10);
      if (events.length === 0) return found;
      for (const event of events) {
        found.push(event);
        await eventsOf(site.device()).acknowledge(event.cursor);
      }
    }
  };

  test('they come oldest first with slot and time, and go only when acknowledged', async () => {
    const site = await openSite();
    await slotsOf(site.device()).write([
      { slot: 6, content: content({ card: CARD }) },
      { slot: 7, content: content({ pin: '1234' }) },
    ]);
    const { door } = site.controller;
    door.presentCard(CARD_UID);
    door.typePin('1234');
    door.presentCard(0xdeadbeef);
    door.typePin('9999');
    door.pressExit(true);

    const first = await eventsOf(site.device()).read(10);
    expect(await eventsOf(site.device()).read(10)).toEqual(first);
    expect(door.log).toHaveLength(5);
    const found = await collect(site);
    expect(door.log).toHaveLength(0);
    expect(found.map(({ kind, detail, slot }) => ({ kind, detail, slot }))).toEqual([
      { kind: 'granted', detail: 'card', slot: 6 },
      { kind: 'granted', detail: 'code', slot: 7 },
      { kind: 'denied', detail: 'unknown', slot: null },
      { kind: 'denied', detail: 'unknown', slot: null },
      { kind: 'rex', detail: null, slot: null },
    ]);
    for (const event of found) expect(Math.abs((event.atMs ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  test('a card at the wrong time is a denial, not “no event”', async () => {
    const site = await openSite({ configured: [{ address: 1, zone: 5 }] });
    await slotsOf(site.device()).write([{ slot: 6, content: content({ card: CARD }) }]);
    expect(site.controller.door.presentCard(CARD_UID)).toBe(false);
    expect(await eventsOf(site.device()).read(10)).toMatchObject({
      events: [{ kind: 'denied', detail: 'time', slot: 6 }],
    });
  });

  test('alike ones of the same second are all told, each once', async () => {
    const site = await openSite();
    await slotsOf(site.device()).write([{ slot: 6, content: content({ card: CARD }) }]);
    site.controller.door.clockMs = Date.UTC(2026, 0, 1);
    for (let i = 0; i < 3; i++) site.controller.door.presentCard(CARD_UID);
    const found = await collect(site);
    expect(found).toHaveLength(3);
    expect(new Set(found.map(({ cursor }) => cursor)).size).toBe(3);
  });

  test('an event that a full log has pushed out meanwhile is not paid for with the next one', async () => {
    const site = await openSite({ simulated: [{ address: 1, eventCapacity: 2 }] });
    const { door } = site.controller;
    door.presentCard(0x11111111);
    door.presentCard(0x22222222);
    const { events } = await eventsOf(site.device()).read(1);
    door.presentCard(0x33333333);
    await eventsOf(site.device()).acknowledge(events[0]?.cursor ?? '');
    expect(door.log).toHaveLength(2);
  });

  test('an acknowledgement whose answer was lost removes one event and not two', async () => {
    const site = await openSite();
    const { door } = site.controller;
    door.presentCard(0x11111111);
    door.clockMs += 5_000;
    door.presentCard(0x22222222);
    const { events } = await eventsOf(site.device()).read(1);
    let lost = 0;
    site.controller.faults.loses = ({ code }) => code === 0x37 && lost++ === 0;
    await eventsOf(site.device()).acknowledge(events[0]?.cursor ?? '');
    expect(lost).toBeGreaterThan(0);
    expect(door.log).toHaveLength(1);
  });

  test('after a restart the same event has the same cursor, and can be acknowledged by it', async () => {
    const simulator = new SoyalSimulator([{ address: 1 }], systemClock);
    later(() => simulator.close());
    const path = `tcp://127.0.0.1:${await simulator.listen(0)}`;
    simulator.at(1).door.presentCard(0x11111111);
    const before = startDriver(path, [{ address: 1 }]);
    await before.seen('online');
    const read = await eventsOf(before.device()).read(1);
    await before.driver.stop(1_000);
    const after = startDriver(path, [{ address: 1 }]);
    await after.seen('online');
    await eventsOf(after.device()).acknowledge(read.events[0]?.cursor ?? '');
    expect(simulator.at(1).door.log).toHaveLength(0);
  });

  test('none tells a PIN or a card number', async () => {
    const site = await openSite();
    site.controller.door.typePin('4711');
    site.controller.door.presentCard(0xdeadbeef);
    const found = JSON.stringify(await collect(site));
    expect(found).not.toMatch(/4711|1267|deadbeef|3735928559|48879|57005/i);
  });
});

describe('the clock', () => {
  test('is read and set in the wall clock of its zone', async () => {
    const site = await openSite({ configured: [{ address: 1, time_zone: 'Europe/Oslo' }] });
    await clockOf(site.device()).set(Date.UTC(2026, 6, 15, 12, 30, 0));
    expect(Math.abs(site.controller.door.clockMs - Date.UTC(2026, 6, 15, 14, 30, 0))).toBeLessThan(5_000);
    expect(Math.abs((await clockOf(site.device()).read()) - Date.UTC(2026, 6, 15, 12, 30, 0))).toBeLessThan(5_000);
  });

  test('a refusal to set it is an error', async () => {
    const site = await openSite();
    site.controller.faults.refusesWrites = true;
    await expect(clockOf(site.device()).set(Date.now())).rejects.toThrow(/refused/);
  });
});
