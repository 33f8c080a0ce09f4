// The whole agent with controllers whose Modbus nobody here wrote: a credential goes there and comes off again, a relay
// opens the door, an input is told, and what the controller forgot is put back. What each holds is read from its own
// memory.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { STRIKE_DEADLINE_MS } from '../../src/access/door.ts';
import { freePort, openPtyPair, until } from '../support/ports.ts';
import { LOBBY, STORE_ROOM } from '../support/room.ts';
import { temporaryFolder } from '../support/store.ts';
import { startMosquitto5 } from './servers/brokers.ts';
import { startJsmodbus, startLibmodbus, startPymodbus, type ModbusServer } from './servers/modbus.ts';
import { CODE, enrolCode, raiseSite, type InteropSite } from './site.ts';

type Kind = 'rtu' | 'tcp' | 'rtu-over-tcp';
type Place = { bus: string; where: string | number };
type Start = (kind: Kind, where: string | number) => Promise<ModbusServer>;

const SERVERS: readonly [string, Kind, Start][] = [
  ['pymodbus', 'tcp', startPymodbus],
  ['pymodbus', 'rtu', startPymodbus],
  ['libmodbus', 'tcp', startLibmodbus as Start],
  ['libmodbus', 'rtu', startLibmodbus as Start],
  ['jsmodbus', 'tcp', startJsmodbus as Start],
];

/** Slot 0 with the PIN 082475 at door 1, without limits, in force. */
const RECORD = [0x0105, 0, 0, 0, 0x0824, 0x75ff, 0, 0, 0xffff, 0xffff];
const EMPTY = RECORD.map(() => 0);
const SLOT_0 = 1000;
const SOON_MS = 30_000;

async function placeFor(kind: Kind): Promise<Place> {
  if (kind === 'rtu') {
    const pty = await openPtyPair();
    onTestFinished(() => pty.close());
    return { bus: `transport: rtu, port: ${pty.a}, baud: 115200`, where: pty.b };
  }
  const port = await freePort();
  return { bus: `transport: ${kind}, host: 127.0.0.1, port: ${port}`, where: port };
}

const recordOf = (server: ModbusServer): Promise<number[]> => server.get('hr', SLOT_0, RECORD.length);

/** Waits until slot 0 holds this. */
async function holds(server: ModbusServer, record: readonly number[], what: string): Promise<void> {
  let found: number[] = [];
  const endsAt = performance.now() + SOON_MS;
  while (performance.now() < endsAt) {
    found = await recordOf(server);
    if (found.join() === record.join()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(found, what).toEqual(record);
}

async function raise(kind: Kind, start: Start): Promise<{ site: InteropSite; server: ModbusServer; place: Place }> {
  const place = await placeFor(kind);
  const server = await start(kind, place.where);
  return { site: await raiseSite(await startMosquitto5(), place.bus), server, place };
}

describe.each(SERVERS)('the agent and %s over %s', { timeout: 120_000 }, (_, kind, start) => {
  it('write a credential there, read it back and take it off again', async () => {
    const { site, server } = await raise(kind, start);
    await enrolCode(site);
    await until(() => site.events('access_code.set_on_device').length === 1, 'it to be set', SOON_MS);
    expect(await recordOf(server)).toEqual(RECORD);
    const { result } = await site.command('credentials/get', { acs_credential_id: CODE });
    expect(result?.acs_credential).toMatchObject({
      is_issued: true,
      controller_states: [{ controller: 'store-panel', state: 'set' }],
    });
    expect((await site.command('credentials/delete', { acs_credential_id: CODE })).ok).toBe(true);
    await until(() => site.events('access_code.removed_from_device').length === 1, 'it to be off', SOON_MS);
    expect(await recordOf(server)).toEqual(EMPTY);
  });

  it('open doors by its relays, and tell what its inputs say', async () => {
    const { site, server } = await raise(kind, start);
    for (const [entrance, coil] of [
      [LOBBY, 1],
      [STORE_ROOM, 0],
    ] as const) {
      const reply = await site.command('entrances/unlock', { acs_entrance_id: entrance });
      expect(reply).toMatchObject({
        ok: true,
        result: { action_attempt: { status: 'success', result: { was_confirmed_by_device: true } } },
      });
      expect(server.said()).toContain(`coil ${coil} on`);
    }
    await until(() => server.said().includes('coil 1 off'), 'the strike of the lobby to fall', SOON_MS);
    server.set('di', 3, 1);
    await until(() => site.events('acs_entrance.rex').length === 1, 'the exit button', SOON_MS);
    server.set('di', 2, 1);
    await until(() => site.events('acs_entrance.opened').length === 1, 'the door to open', SOON_MS);
    server.set('di', 2, 0);
    await until(() => site.events('acs_entrance.closed').length === 1, 'the door to close', SOON_MS);
    expect(site.events('acs_entrance.forced')).toEqual([]);
  });

  it('miss each other when it is killed, and put everything back when it returns without its memory', async () => {
    const { site, server, place } = await raise(kind, start);
    await enrolCode(site);
    await until(() => site.events('access_code.set_on_device').length === 1, 'it to be set', SOON_MS);
    await server.kill();
    await until(() => site.events('device.disconnected').length === 1, 'it to be missed', SOON_MS);
    const refused = await site.command('entrances/unlock', { acs_entrance_id: LOBBY });
    expect(refused).toMatchObject({ ok: false, error: { type: 'controller_offline' } });

    const again = await start(kind, place.where);
    await until(() => site.isOnline('store-panel'), 'it to be met again', SOON_MS);
    await holds(again, RECORD, 'what it forgot is put back');
    expect(again.said(), 'nobody waits at the door any more').not.toContain('coil');
    expect(await site.command('entrances/unlock', { acs_entrance_id: LOBBY })).toMatchObject({ ok: true });
    expect(again.said()).toContain('coil 1 on');
  });
});

/** The reference map, with so long a time for the strike of the lobby to follow. */
function patientProfile(settles: string): string {
  const shipped = join(import.meta.dirname, '../../drivers/modbus/profiles/plc-door-2.yaml');
  const path = join(temporaryFolder(), 'patient.yaml');
  const usual = '{kind: coil, at: 1,';
  const text = readFileSync(shipped, 'utf8');
  expect(text).toContain(usual);
  writeFileSync(path, text.replace(usual, `${usual} settles: ${settles},`));
  return path;
}

const PYMODBUS = (['tcp', 'rtu'] as const).map((kind) => ({ kind }));

describe.each(PYMODBUS)('the agent and pymodbus over $kind', { timeout: 120_000 }, ({ kind }) => {
  it('agree on a strike that follows some scans after it was acknowledged', async () => {
    const place = await placeFor(kind);
    const server = await startPymodbus(kind, place.where, ['late']);
    // Time enough for a busy machine as well.
    const lobby = { profile: patientProfile('10s'), pulse: '15s' };
    const site = await raiseSite(await startMosquitto5(), place.bus, lobby);
    const answered = site.command('entrances/unlock', { acs_entrance_id: LOBBY });
    await until(() => server.said().includes('coil 1 on'), 'the strike to follow', SOON_MS);
    expect(server.said().indexOf('coil 1 looked at')).toBeLessThan(server.said().indexOf('coil 1 on'));
    // Whoever stood there goes through at once.
    server.set('di', 2, 1);
    expect(await answered).toMatchObject({
      ok: true,
      result: { action_attempt: { status: 'success', result: { was_confirmed_by_device: true } } },
    });
    await until(() => site.events('acs_entrance.opened').length === 1, 'the door to open', SOON_MS);
    server.set('di', 2, 0);
    await until(() => site.events('acs_entrance.closed').length === 1, 'the door to close', SOON_MS);
    const told = site.events().map(({ event_type }) => event_type);
    expect(told.filter((type) => /forced|failed|stuck|externally/.test(type))).toEqual([]);
  });

  it('open no door for an exit button that was pressed while neither saw the other', async () => {
    const { site, server, place } = await raise(kind, startPymodbus);
    await server.kill();
    const killedAt = performance.now();
    await until(() => site.events('device.disconnected').length === 1, 'it to be missed', SOON_MS);
    // A server that is back sooner was away for less than a strike may wait: that press opens, and rightly so.
    await until(() => performance.now() - killedAt > STRIKE_DEADLINE_MS, 'the press to be of the past', SOON_MS);
    const again = await startPymodbus(kind, place.where, ['set di 3 1']);
    await until(() => site.events('acs_entrance.rex').length === 1, 'the exit button to be told', SOON_MS);
    expect(site.events('acs_entrance.rex')).toMatchObject([{ acs_entrance_id: LOBBY, out_of_sight: true }]);
    // What is asked now goes the same way, behind whatever was asked before.
    expect(await site.command('entrances/unlock', { acs_entrance_id: STORE_ROOM })).toMatchObject({ ok: true });
    expect(again.said()).toContain('coil 0 on');
    expect(again.said()).not.toContain('coil 1');
  });
});
