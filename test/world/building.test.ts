// The main job, end to end and on real ports: a command over MQTT opens a door, also with the broker gone.

import { describe, expect, it } from 'vitest';
import { until } from '../support/ports.ts';
import { allOnline, raiseBuilding, type Building } from '../support/building.ts';
import { LOBBY, STORE_ROOM, USER, type ParsedReply } from '../support/room.ts';

const CARD = '00666666-0000-4000-8000-000000000001';
const CODE = '00666666-0000-4000-8000-000000000002';
/** A 125 kHz tag that prints as 123,45678. */
const TAG = '00007BB26E';

let count = 0;
async function command(
  building: Building,
  name: string,
  params: Record<string, unknown>,
  envelope: Record<string, unknown> = {},
): Promise<ParsedReply> {
  const command_id = `w-${process.pid}-${++count}`;
  await building.tower.publish(name, { command_id, ...envelope, params });
  await until(() => building.tower.replies().some((reply) => reply.command_id === command_id), `a reply to ${name}`);
  const reply = building.tower.replies().find((one) => one.command_id === command_id);
  if (reply === undefined) throw new Error('it was there a moment ago');
  return reply;
}

type EventBody = Record<string, unknown> & { sequence: number; event_type: string };
const events = (building: Building): EventBody[] =>
  building.tower.heard
    .filter((message) => message.topic.includes('/event/'))
    .map((message) => JSON.parse(message.payload) as EventBody);
const heard = (building: Building, eventType: string): EventBody[] =>
  events(building).filter((event) => event.event_type === eventType);

/** The last retained state of this. */
const stateOf = (building: Building, what: string): Record<string, unknown> =>
  JSON.parse(
    building.tower.heard.findLast((message) => message.topic.endsWith(`/state/${what}`))?.payload ?? '{}',
  ) as Record<string, unknown>;

async function enrol(building: Building): Promise<void> {
  expect((await command(building, 'users/create', { acs_user_id: USER, full_name: 'Jane Doe' })).ok).toBe(true);
  expect(
    (
      await command(building, 'credentials/create', {
        acs_credential_id: CARD,
        acs_user_id: USER,
        access_method: 'card',
        card_number: '45678',
        allowed_acs_entrance_ids: [LOBBY],
      })
    ).ok,
  ).toBe(true);
  expect(
    (
      await command(building, 'credentials/create', {
        acs_credential_id: CODE,
        acs_user_id: USER,
        access_method: 'code',
        code: '82475',
        allowed_acs_entrance_ids: [STORE_ROOM],
      })
    ).ok,
  ).toBe(true);
}

const credential = async (building: Building, id: string): Promise<Record<string, unknown>> =>
  (await command(building, 'credentials/get', { acs_credential_id: id })).result?.acs_credential ?? {};

/** The function code of what reads the button. */
const READ_INPUTS = 2;

describe('a building', () => {
  it('lets in by a card at its own reader and by a code at the controller’s, with every step reported', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    await enrol(building);

    await until(
      () => heard(building, 'access_code.set_on_device').length > 0,
      'the code is on the store panel',
      15_000,
    );
    await until(() => heard(building, 'acs_credential.issued').length === 2, 'both are issued');
    expect(await credential(building, CODE)).toMatchObject({
      is_issued: true,
      is_latest_desired_state_synced_with_provider: true,
      controller_states: [{ controller: 'store-panel', state: 'set' }],
      warnings: [],
    });

    await building.reader.present(TAG);
    await until(() => building.relays.output(0), 'the lobby’s relay');
    await until(() => heard(building, 'lock.unlocked').length === 1, 'the event of it');
    expect(heard(building, 'lock.unlocked')[0]).toMatchObject({
      acs_credential_id: CARD,
      acs_entrance_id: LOBBY,
      decided_by: 'gateway',
      method: 'card',
      clock: 'trusted',
    });
    await until(() => !building.relays.output(0), 'the relay falls back by itself');

    expect(building.panel.doors.present(1, { pin: '82475' })).toMatchObject({ granted: true });
    await until(
      () => heard(building, 'lock.unlocked').some((event) => event['decided_by'] === 'controller'),
      'the controller’s own event',
      15_000,
    );
    expect(heard(building, 'lock.unlocked').find((event) => event['decided_by'] === 'controller')).toMatchObject({
      acs_credential_id: CODE,
      acs_entrance_id: STORE_ROOM,
    });

    expect((await command(building, 'credentials/delete', { acs_credential_id: CODE })).ok).toBe(true);
    await until(() => !building.panel.doors.present(1, { pin: '82475' }).granted, 'the code is erased');
    await until(() => heard(building, 'access_code.removed_from_device').length > 0, 'the event of the erasure');
    expect(
      JSON.stringify(building.tower.heard.filter((message) => !message.topic.includes('/command/'))),
    ).not.toContain('82475');
    expect(events(building).map((event) => event.sequence)).toEqual(events(building).map((_, i) => i + 1));
  });

  it('goes on with the broker gone, and tells afterwards, in sequence', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    await enrol(building);
    await building.broker.kill();
    await building.reader.present(TAG);
    await until(() => building.relays.output(0), 'the door opens without a broker');
    await building.broker.start();
    await until(() => heard(building, 'lock.unlocked').length === 1, 'the event, once the broker is back', 25_000);
    const sequences = [...new Set(events(building).map((event) => event.sequence))];
    expect(sequences).toEqual(sequences.map((_, i) => i + 1));
  });

  it('lets in after a cold start with no broker at all', async () => {
    const building = await raiseBuilding();
    const first = await building.serve();
    await allOnline(first);
    await enrol(building);
    await first.stop();
    await building.broker.kill();
    const second = await building.serve();
    await allOnline(second);
    await building.reader.present(TAG);
    await until(() => building.relays.output(0), 'the door opens');
  });

  it('opens the controller’s door with Lintel stopped', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    await enrol(building);
    await until(
      () => heard(building, 'access_code.set_on_device').length > 0,
      'the code is on the store panel',
      15_000,
    );
    await agent.stop();
    expect(building.panel.doors.present(1, { pin: '82475' }).granted).toBe(true);
    await until(() => building.panel.output(0), 'the controller’s own strike');
  });

  it('catches a controller up that was off, and rebuilds one that forgot everything', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    building.panel.powerOff();
    await enrol(building);
    expect(await credential(building, CODE)).toMatchObject({
      is_issued: false,
      warnings: [{ warning_code: 'waiting_to_be_issued' }],
    });
    await until(
      () => agent.controllers().some((one) => one.name === 'store-panel' && !one.status.online),
      'it is seen to be off',
      15_000,
    );
    building.panel.powerOn({ keepMemory: true });
    await until(() => heard(building, 'access_code.set_on_device').length === 1, 'it is caught up', 25_000);
    expect(building.panel.doors.present(1, { pin: '82475' }).granted).toBe(true);
    building.panel.powerOff();
    await until(
      () => agent.controllers().some((one) => one.name === 'store-panel' && !one.status.online),
      'it is seen to be off',
      15_000,
    );
    building.panel.powerOn({ keepMemory: false });
    await until(() => building.panel.doors.present(1, { pin: '82475' }).granted, 'it is rebuilt', 25_000);
  });

  it('says of a code that is on its way what is in its way, and alarms of a strike that does not release', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    building.panel.failNext({ silent: true }, 10_000, 16);
    await enrol(building);
    type States = { controller_states: { state: string; error: { type: string; message: string } | null }[] };
    const state = async (): Promise<States['controller_states'][number] | undefined> =>
      ((await credential(building, CODE)) as States).controller_states[0];
    let now = await state();
    for (; now?.error == null; now = await state()) expect(now?.state).not.toBe('set');
    expect(now.state).toBe('writing');
    expect(now.error).toMatchObject({ type: 'timed_out', message: expect.stringContaining('no answer') as unknown });
    building.panel.mend();
    await until(() => heard(building, 'access_code.set_on_device').length === 1, 'it is written', 60_000);
    expect(await state()).toMatchObject({ state: 'set', error: null });

    const lobby = (): Record<string, unknown> => stateOf(building, 'entrances/lobby');
    building.relays.welded.add(0);
    await building.reader.present(TAG);
    await until(() => heard(building, 'acs_entrance.strike_stuck').length === 1, 'the alarm', 30_000);
    await until(() => lobby()['is_locked'] === false, 'its state');
    await until(
      () => JSON.stringify(stateOf(building, 'controllers/relay-board')['problems']).includes('does not release'),
      'the problem of the board',
    );
    building.relays.setInput(0, true);
    await until(() => heard(building, 'acs_entrance.opened').length === 1, 'whoever goes through forces nothing');
    building.relays.welded.clear();
    await until(() => heard(building, 'acs_entrance.restored').length === 1, 'it follows again', 30_000);
    await until(() => lobby()['is_locked'] === true, 'its state');
  }, 120_000);

  it('opens at a command, once, confirmed by the relay; an expired one opens nothing', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    const soon = { issued_at: new Date().toISOString(), expires_at: new Date(Date.now() + 30_000).toISOString() };
    const reply = await command(building, 'entrances/unlock', { acs_entrance_id: LOBBY, reason: 'delivery' }, soon);
    expect(reply.result).toMatchObject({
      action_attempt: { status: 'success', result: { was_confirmed_by_device: true } },
    });
    expect(building.relays.outputChanges.filter((change) => change.energised)).toHaveLength(1);
    const late = { issued_at: '2026-01-01T00:00:00Z', expires_at: '2026-01-01T00:00:30Z' };
    expect((await command(building, 'entrances/unlock', { acs_entrance_id: LOBBY }, late)).error?.type).toBe(
      'command_expired',
    );
    expect(building.relays.outputChanges.filter((change) => change.energised)).toHaveLength(1);
  });

  it('watches its door: opened after a grant, forced without, and REX opens the way', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    await enrol(building);
    building.relays.setInput(0, true);
    await until(() => heard(building, 'acs_entrance.forced').length === 1, 'forced');
    building.relays.setInput(0, false);
    await until(() => heard(building, 'acs_entrance.restored').length === 1, 'restored');
    building.relays.setInput(1, true);
    await until(() => building.relays.output(0), 'REX drives the strike');
    building.relays.setInput(0, true);
    await until(() => heard(building, 'acs_entrance.opened').length === 1, 'opened after REX');
    expect(heard(building, 'acs_entrance.forced')).toHaveLength(1);
  });

  it('publishes its state retained, anew at every start, and a goodbye', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    const state = (name: string): Record<string, unknown> | undefined => {
      const last = building.tower.heard
        .filter((message) => message.topic === `lintel/v1/riverside/state/${name}`)
        .at(-1);
      return last === undefined ? undefined : (JSON.parse(last.payload) as Record<string, unknown>);
    };
    await until(
      () => state('controllers/store-panel')?.['online'] === true && state('entrances/lobby')?.['online'] === true,
      'states say online',
    );
    expect(state('agent')).toMatchObject({ online: true, time_zone: 'Europe/Oslo', clock: 'trusted', storage: 'ok' });
    expect(state('entrances/lobby')).toMatchObject({
      acs_entrance_id: LOBBY,
      mode: 'normal',
      is_locked: true,
      is_open: false,
    });
    expect(state('controllers/store-panel')).toMatchObject({ slots: { used: 0, total: 500, foreign: 0 } });
    expect(state('sync')).toMatchObject({ pending: 0, failed: 0 });
    await agent.stop();
    await until(() => state('agent')?.['online'] === false, 'the goodbye');
  });

  it('starts with a database that is refused: nobody gets in, everybody gets out', async () => {
    const building = await raiseBuilding();
    const first = await building.serve();
    await allOnline(first);
    await enrol(building);
    await first.stop();
    const { closeSync, openSync, writeSync } = await import('node:fs');
    const handle = openSync(`${building.folder}/lintel.db`, 'r+');
    writeSync(handle, Buffer.alloc(100, 0x33), 0, 100, 0);
    closeSync(handle);
    building.relays.requests.length = 0;
    const second = await building.serve();
    await until(
      () => second.controllers().filter((one) => one.status.online).length === 3,
      'devices are online',
      15_000,
    );
    expect(second.refusal).toContain('is damaged');
    const pulses = (): number => building.relays.outputChanges.filter((change) => change.energised).length;
    const before = pulses();
    const replies = (name: string): number =>
      second.controllers().find((one) => one.name === name)?.status.counters.replies ?? 0;
    const cardsBefore = replies('lobby-reader');
    await building.reader.present(TAG);
    await until(() => replies('lobby-reader') > cardsBefore, 'the card to be read');
    // A button that was pressed before anybody looked is of the past.
    const looks = (): number => building.relays.requests.filter((pdu) => pdu[0] === READ_INPUTS).length;
    await until(() => looks() >= 2, 'the button to be seen at rest');
    building.relays.setInput(1, true);
    // What was asked for first would come first: the card has moved nothing.
    await until(() => pulses() > before && !building.relays.output(0), 'REX drives the strike, which falls back');
    expect(pulses()).toBe(before + 1);
  });

  it('gets its cables back: reader, relay line and controller, each pulled and plugged', async () => {
    const building = await raiseBuilding();
    const agent = await building.serve();
    await allOnline(agent);
    await enrol(building);
    await building.reader.unplug();
    await until(
      () => agent.controllers().some((one) => one.name === 'lobby-reader' && !one.status.online),
      'the reader is missed',
    );
    await building.reader.plug();
    await allOnline(agent);
    await building.reader.present(TAG);
    await until(() => building.relays.output(0), 'the door opens again');
    expect(heard(building, 'device.disconnected').map((event) => event['device'])).toContain('lobby-reader');
  });
});
