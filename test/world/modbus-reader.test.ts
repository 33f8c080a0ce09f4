// A door with a Modbus card reader, end to end and on real ports: a card enrolled over MQTT opens it, another does not,
// and one that waited while nobody listened does not either.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import type { SimulatedReader } from '../../drivers/modbus/simulator-reader.ts';
import type { SimulatedUnit } from '../../drivers/modbus/simulator-unit.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { allOnline, serveFacility } from '../support/building.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { openPtyPair, until } from '../support/ports.ts';
import { LOBBY, SYSTEM, USER } from '../support/room.ts';
import { sender, type Sender } from '../support/sender.ts';
import { temporaryFolder } from '../support/store.ts';

const CARD = '00666666-0000-4000-8000-000000000001';
/** A 125 kHz tag whose last bytes print as 123,45678. */
const TAG = 'uid:0A007BB26E';
const STRANGER = 'uid:0A007BB26F';

type Door = {
  tower: Sender;
  device: SimulatedUnit;
  reader: SimulatedReader;
  line: { cut(): Promise<void>; start(): Promise<void> };
  command(name: string, params: Record<string, unknown>): Promise<void>;
  heard(eventType: string): Record<string, unknown>[];
};

/** The reader with its own bolt and inputs on a serial line, and the agent that serves it. */
async function raiseDoor(): Promise<Door> {
  const folder = temporaryFolder();
  const broker = await startMosquitto();
  const pty = await openPtyPair();
  const openPort = portOpener(systemClock);
  const line = await startModbusDevices({
    listen: { kind: 'serial', path: pty.b, openPort },
    units: [{ unit: 1, profile: 'inveo-rfid-ind-u4' }],
    clock: systemClock,
  });
  onTestFinished(async () => {
    await line.close();
    await pty.close();
  });
  const device = line.unit(1);
  const { reader } = device;
  if (reader === null) throw new Error('the device has a reader');
  const file = join(folder, 'riverside.yaml');
  writeFileSync(
    file,
    `
facility: riverside
acs_system_id: ${SYSTEM}
time_zone: Europe/Oslo
clock: {trust: always}
mqtt: {url: "${broker.url}"}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d}}
buses:
  front: {driver: modbus, transport: rtu, port: ${pty.a}, baud: 115200}
controllers:
  front-reader: {bus: front, unit: 1, profile: inveo-rfid-ind-u4, card_formats: [H10301, uid]}
entrances:
  lobby:
    acs_entrance_id: ${LOBBY}
    display_name: Lobby
    readers: [front-reader]
    factors: card
    strike: {controller: front-reader, output: 0, pulse: 500ms}
    contact: {controller: front-reader, input: 0, held_after: 30s}
    rex: {controller: front-reader, input: 1}
`,
  );
  const tower = await sender(broker.url);
  const agent = await serveFacility(file);
  await allOnline(agent);
  let count = 0;
  return {
    tower,
    device,
    reader,
    line,
    async command(name, params) {
      const command_id = `m-${process.pid}-${++count}`;
      await tower.publish(name, { command_id, params });
      await until(
        () => tower.replies().some((reply) => reply.command_id === command_id && reply.ok),
        `${name} is done`,
      );
    },
    heard: (eventType) =>
      tower.heard
        .filter(({ topic }) => topic.endsWith(`/event/${eventType}`))
        .map(({ payload }) => JSON.parse(payload) as Record<string, unknown>),
  };
}

async function show({ reader }: Door, card: string): Promise<void> {
  await until(() => !reader.flagged, 'the card before it is taken');
  expect(reader.present(card)).toBe('read');
}

describe('a door with a Modbus reader', () => {
  it('opens for the card that was given to it, and shows at the reader what came of it', async () => {
    const door = await raiseDoor();
    await door.command('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
    await door.command('credentials/create', {
      acs_credential_id: CARD,
      acs_user_id: USER,
      access_method: 'card',
      card_number: 'H10301:123:45678',
      allowed_acs_entrance_ids: [LOBBY],
    });
    await show(door, STRANGER);
    await until(() => door.heard('lock.access_denied').length === 1, 'the stranger is denied');
    await until(() => door.reader.shown.includes('denied'), 'and hears it');
    expect(door.device.outputChanges.some(({ energised }) => energised)).toBe(false);

    await until(() => !door.reader.flagged, 'the stranger’s card is taken');
    const before = door.device.requests.length;
    await show(door, TAG);
    await until(() => door.heard('lock.unlocked').length === 1, 'the event of the opening');
    expect(door.heard('lock.unlocked')[0]).toMatchObject({
      acs_credential_id: CARD,
      acs_entrance_id: LOBBY,
      method: 'card',
      decided_by: 'gateway',
    });
    await until(() => door.reader.shown.includes('granted'), 'the tone of acceptance');
    // The strike waits neither for the reader's flag nor for its tone.
    const coilsWritten = door.device.requests
      .slice(before)
      .filter((pdu) => pdu[0] === 5)
      .map((pdu) => pdu.readUInt16BE(1));
    expect(coilsWritten[0]).toBe(1010);
    await until(() => door.device.outputChanges.at(-1)?.energised === false, 'the bolt falls again');
  });

  it('stays shut for a card that was shown while the line was cut', async () => {
    const door = await raiseDoor();
    await door.command('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
    await door.command('credentials/create', {
      acs_credential_id: CARD,
      acs_user_id: USER,
      access_method: 'card',
      card_number: TAG,
      allowed_acs_entrance_ids: [LOBBY],
    });
    door.device.faults.deaf = true;
    await until(() => door.heard('device.disconnected').length === 1, 'it is missed');
    expect(door.reader.present(TAG)).toBe('read');
    door.device.faults.deaf = false;
    await until(() => !door.reader.flagged, 'the card is acknowledged');
    const asked = door.device.requests.length;
    await until(() => door.device.requests.length >= asked + 10, 'the line to go on');
    expect(door.heard('lock.unlocked')).toEqual([]);
    expect(door.device.outputChanges.some(({ energised }) => energised)).toBe(false);
    await show(door, TAG);
    await until(() => door.heard('lock.unlocked').length === 1, 'and opens when it is shown again');
  });
});
