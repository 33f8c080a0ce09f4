// The database on a bad day, while doors are served: nobody in, everybody out, the process lives, and it says what is
// wrong and what to do.

import { copyFileSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Agent } from '../../src/agent/agent.ts';
import { allOnline, raiseBuilding, type Building } from '../support/building.ts';
import { smallDisk } from '../support/small-disk.ts';
import { overwrite, PAGE_BYTES, placesOf, settle } from '../support/damage.ts';
import { until } from '../support/ports.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
import { LOBBY, USER, type ParsedReply } from '../support/room.ts';

const CARD = '00666666-0000-4000-8000-000000000001';
/** A 125 kHz tag that prints as 123,45678. */
const TAG = '00007BB26E';
/** Whatever else there is, is looked at less often or by the same statements. */
const WANTED =
  /^(users|credentials|credential_entrances|journal|meta|targets|target_counts|jobs|controllers|credentials_by_card|journal_unanswered)$/;
const CARD_PARAMS = { acs_user_id: USER, access_method: 'card', allowed_acs_entrance_ids: [LOBBY] };

let count = 0;
async function send(building: Building, name: string, params: Record<string, unknown>): Promise<string> {
  const command_id = `bad-${process.pid}-${++count}`;
  await building.tower.publish(name, { command_id, params });
  return command_id;
}

const replyTo = (building: Building, commandId: string): ParsedReply | undefined =>
  building.tower.replies().find((reply) => reply.command_id === commandId);

async function command(building: Building, name: string, params: Record<string, unknown>): Promise<ParsedReply> {
  const commandId = await send(building, name, params);
  await until(() => replyTo(building, commandId) !== undefined, `a reply to ${name}`, 15_000);
  const reply = replyTo(building, commandId);
  if (reply === undefined) throw new Error('it was there a moment ago');
  return reply;
}

async function enrol(building: Building): Promise<void> {
  expect((await command(building, 'users/create', { acs_user_id: USER, full_name: 'Jane Doe' })).ok).toBe(true);
  const card = { ...CARD_PARAMS, acs_credential_id: CARD, card_number: '45678' };
  expect((await command(building, 'credentials/create', card)).ok).toBe(true);
}

const state = (building: Building): Record<string, unknown> => {
  const last = building.tower.heard.filter((message) => message.topic.endsWith('/state/agent')).at(-1);
  return last === undefined ? {} : (JSON.parse(last.payload) as Record<string, unknown>);
};

const pulses = (building: Building): number =>
  building.relays.outputChanges.filter((change) => change.energised).length;

/** The function code of what reads the button. */
const READ_INPUTS = 2;

/** Presses the button at the exit; the strike must follow. */
async function leave(building: Building): Promise<void> {
  await until(() => !building.relays.output(0), 'at rest');
  const before = pulses(building);
  building.relays.setInput(1, false);
  const looks = (): number => building.relays.requests.filter((pdu) => pdu[0] === READ_INPUTS).length;
  building.relays.requests.length = 0;
  await until(() => looks() >= 2, 'the button to be seen at rest');
  building.relays.setInput(1, true);
  await until(() => pulses(building) > before, 'REX drives the strike');
  await until(() => !building.relays.output(0), 'the strike falls back');
}

async function serveSettled(building: Building): Promise<Agent> {
  const agent = await building.serve();
  await allOnline(agent);
  await until(() => state(building)['online'] === true, 'the broker has its state');
  return agent;
}

describe('a database that is damaged while doors are served', () => {
  it.each(['entrances', 'events', 'foreign_slots', '16 KiB'])(
    'at %s lets nobody in and everybody out, and says so',
    async (where) => {
      const building = await raiseBuilding();
      const agent = await serveSettled(building);
      await enrol(building);
      const path = join(building.folder, 'lintel.db');
      settle(path);
      const page = placesOf(path).find((place) => place.name === where)?.page ?? 3;
      overwrite(path, (page - 1) * PAGE_BYTES, where === '16 KiB' ? 16 * 1024 : PAGE_BYTES);
      // Whatever comes next meets it: a card, a command, a look at the states.
      await building.reader.present(TAG);
      await send(building, 'users/suspend', { acs_user_id: USER });
      await send(building, 'events/list', { from_sequence: 1 });
      await send(building, 'credentials/create', { ...CARD_PARAMS, card_number: '45679' });
      await send(building, 'entrances/list', {});
      await send(building, 'controllers/list', {});
      await until(() => agent.refusal !== null, 'it is noticed', 20_000);
      await until(() => state(building)['storage'] === 'storage_damaged', 'the state says so', 10_000);
      expect(agent.refusal).toContain('is damaged');
      expect(agent.status()).toMatchObject({ storage: 'storage_damaged', storage_problem: agent.refusal });
      expect(agent.health.healthy()).toBe(true);
      await until(() => !building.relays.output(0), 'at rest');
      const before = pulses(building);
      await building.reader.present(TAG);
      await leave(building);
      expect(pulses(building)).toBe(before + 1);
      expect((await command(building, 'users/list', {})).error).toMatchObject({ type: 'storage_damaged' });
      await agent.stop();
      // The next start does not take it for sound, however cleanly this one ended.
      const second = await building.serve();
      expect(second.refusal).toContain('is damaged');
      await until(() => state(building)['storage'] === 'storage_damaged', 'the state says so again', 10_000);
      await leave(building);
    },
  );

  it('at any table or index of people, doors and events goes on serving the exit', async () => {
    const building = await raiseBuilding();
    const first = await serveSettled(building);
    await enrol(building);
    await first.stop();
    const path = join(building.folder, 'lintel.db');
    const sound = readFileSync(path);
    const places = placesOf(path).filter(({ name }) => WANTED.test(name));
    expect(places.length).toBeGreaterThan(8);
    for (const { name, page } of places) {
      for (const file of readdirSync(building.folder))
        if (/lintel\.db.+/.test(file)) rmSync(join(building.folder, file));
      writeFileSync(path, sound);
      const agent = await building.serve();
      settle(path);
      overwrite(path, (page - 1) * PAGE_BYTES, PAGE_BYTES);
      const atMonotonicMs = performance.now();
      agent.access?.presented({
        type: 'presented',
        device: 'lobby-reader',
        reader: 0,
        presentation: { kind: 'card', reading: { kind: 'uid', bytes: Buffer.from(TAG, 'hex') } },
        atMonotonicMs,
      });
      const commandId = await send(building, 'users/list', {});
      await send(building, 'users/suspend', { acs_user_id: USER });
      await send(building, 'credentials/delete', { acs_credential_id: CARD });
      await until(() => replyTo(building, commandId) !== undefined, `an answer with ${name} damaged`, 10_000);
      agent.status();
      agent.access?.input({
        type: 'input',
        device: 'relay-board',
        input: 1,
        active: true,
        atMonotonicMs,
        changedAfterMonotonicMs: atMonotonicMs,
      });
      expect(agent.health.healthy()).toBe(true);
      await agent.stop();
    }
  }, 180_000);

  it('keeps what it could not store at the broker, which delivers it once a backup is in its place', async () => {
    const building = await raiseBuilding();
    const agent = await serveSettled(building);
    await enrol(building);
    const path = join(building.folder, 'lintel.db');
    settle(path);
    const sound = readFileSync(path);
    overwrite(path, ((placesOf(path).find((place) => place.name === 'users')?.page ?? 0) - 1) * PAGE_BYTES, PAGE_BYTES);
    expect((await command(building, 'users/list', {})).ok).toBe(false);
    const held = await send(building, 'users/suspend', { acs_user_id: USER });
    await command(building, 'users/list', {});
    expect(replyTo(building, held)).toBeUndefined();
    await agent.stop();
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    renameSync(path, `${path}.bad`);
    writeFileSync(path, sound);
    const second = await serveSettled(building);
    expect(second.refusal).toBeNull();
    await until(() => replyTo(building, held)?.ok === true, 'the suspension is carried out', 15_000);
  });
});

describe('files of the database that are taken away while doors are served', () => {
  const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const addUser = async (building: Building, n: number): Promise<ParsedReply> =>
    await command(building, 'users/create', { acs_user_id: uuid(n), full_name: `User ${n}` });

  it('beside it are made anew before anything more is acknowledged, and a kill loses nothing', async () => {
    const building = await raiseBuilding();
    const agent = await serveSettled(building);
    await enrol(building);
    const path = join(building.folder, 'lintel.db');
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix);
    for (let n = 1; n <= 5; n++) expect((await addUser(building, n)).ok).toBe(true);
    // What a kill would leave: the files as they stand, copied by another process.
    const left = temporaryFolder();
    spawnSync('cp', ['-a', `${building.folder}/.`, left]);
    await until(
      () => building.tower.heard.some((message) => message.topic.endsWith('/event/agent.storage_files_renewed')),
      'the event tells',
      10_000,
    );
    expect(agent.status()).toMatchObject({ storage: 'ok' });
    const again = openStore(left);
    for (let n = 1; n <= 5; n++) expect(again.users.byId(uuid(n))).toMatchObject({ full_name: `User ${n}` });
  });

  it.each([
    ['renamed', (path: string) => renameSync(path, `${path}.moved`)],
    ['deleted', (path: string) => rmSync(path)],
    [
      'replaced',
      (path: string) => {
        writeFileSync(`${path}.new`, readFileSync(path));
        renameSync(`${path}.new`, path);
      },
    ],
  ])('themselves (%s) stop acknowledgements, are told within seconds, and are saved', async (_how, take) => {
    const building = await raiseBuilding();
    const agent = await serveSettled(building);
    await enrol(building);
    const path = join(building.folder, 'lintel.db');
    take(path);
    const held = await send(building, 'users/suspend', { acs_user_id: USER });
    await until(() => state(building)['storage'] === 'storage_damaged', 'the state says so', 10_000);
    expect(String(state(building)['storage_problem'])).toContain('was taken away while it was in use');
    const rescued = (): string | undefined =>
      existsSync(join(building.folder, 'backups'))
        ? readdirSync(join(building.folder, 'backups')).find((name) => name.endsWith('-rescued.db'))
        : undefined;
    await until(() => rescued() !== undefined, 'what was open is saved', 10_000);
    await until(() => agent.refusal?.includes('-rescued.db') === true, 'the remedy names the copy', 10_000);
    expect(replyTo(building, held)).toBeUndefined();
    await leave(building);
    await agent.stop();
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
    copyFileSync(join(building.folder, 'backups', rescued() ?? ''), path);
    const second = await serveSettled(building);
    expect(second.refusal).toBeNull();
    await until(() => replyTo(building, held)?.ok === true, 'the broker delivers what was held', 15_000);
    await until(() => state(building)['storage'] === 'ok', 'all is well');
  });
});

describe('a full disk', () => {
  const SECOND = '00666666-0000-4000-8000-000000000002';
  const ONCE = '00666666-0000-4000-8000-000000000003';

  it('stores what takes access away and nothing else, answers, opens doors, and goes on when there is room', async () => {
    const disk = smallDisk(24);
    const building = await raiseBuilding();
    moveStore(building, disk.folder);
    const path = join(disk.folder, 'lintel.db');
    const agent = await serveSettled(building);
    await enrol(building);
    const card = { acs_credential_id: SECOND, ...CARD_PARAMS, card_number: '45679' };
    expect((await command(building, 'credentials/create', card)).ok).toBe(true);
    const once = { acs_credential_id: ONCE, ...CARD_PARAMS, card_number: '45680', is_one_time_use: true };
    expect((await command(building, 'credentials/create', once)).ok).toBe(true);
    await until(() => existsSync(join(disk.folder, 'lintel.reserve')), 'room is kept', 10_000);
    settle(path);
    disk.fill();
    const user = { acs_user_id: '33333333-0000-4000-8000-000000000009', full_name: 'Joe' };
    expect((await command(building, 'users/create', user)).error).toMatchObject({ type: 'storage_full' });
    expect(existsSync(join(disk.folder, 'lintel.reserve'))).toBe(false);
    await until(() => state(building)['storage'] === 'storage_full', 'the state says so', 10_000);
    expect(state(building)['online']).toBe(true);
    expect((await command(building, 'users/list', {})).result?.['acs_users']).toHaveLength(1);
    const opened = pulses(building);
    await building.reader.present(TAG);
    await until(() => pulses(building) === opened + 1, 'the door opens');
    // The room that was kept takes an end that comes nearer, none that goes away, and a deletion.
    const end = { acs_credential_id: CARD, ends_at: '2027-01-01T00:00:00Z' };
    const longer = { ...end, ends_at: '2028-01-01T00:00:00Z' };
    expect((await command(building, 'credentials/update', { ...end, display_name: 'x' })).error?.type).toBe(
      'storage_full',
    );
    expect((await command(building, 'credentials/update', end)).ok).toBe(true);
    expect((await command(building, 'credentials/update', longer)).error?.type).toBe('storage_full');
    expect((await command(building, 'credentials/delete', { acs_credential_id: CARD })).ok).toBe(true);
    expect((await command(building, 'users/create', user)).error).toMatchObject({ type: 'storage_full' });

    // And when that is gone as well, it holds all the same, is not acknowledged, and holds up nobody.
    settle(path);
    disk.fill();
    const held = await send(building, 'credentials/delete', { acs_credential_id: SECOND });
    await until(
      () => agent.store?.withdrawn.has({ acs_credential_id: SECOND, acs_user_id: USER }) === true,
      'it holds',
      10_000,
    );
    expect((await command(building, 'users/list', {})).ok).toBe(true);
    expect((await command(building, 'users/create', user)).error).toMatchObject({ type: 'storage_full' });
    expect(replyTo(building, held)).toBeUndefined();
    await until(() => !building.relays.output(0), 'at rest');
    const before = pulses(building);
    await building.reader.present(tag(45679));
    await leave(building);
    expect(pulses(building)).toBe(before + 1);

    disk.free();
    await until(() => replyTo(building, held)?.ok === true, 'the deletion is stored', 20_000);
    await until(() => state(building)['storage'] === 'ok', 'all is well', 20_000);
    expect((await command(building, 'users/create', user)).ok).toBe(true);
    expect((await command(building, 'credentials/get', { acs_credential_id: SECOND })).ok).toBe(false);
    await until(() => existsSync(join(disk.folder, 'lintel.reserve')), 'room is kept again', 10_000);
  }, 120_000);

  it('is no reason to keep a building shut after a restart: whoever had access has it, but for one-time use', async () => {
    const disk = smallDisk(24);
    const building = await raiseBuilding();
    moveStore(building, disk.folder);
    const first = await serveSettled(building);
    await enrol(building);
    const once = { acs_credential_id: ONCE, ...CARD_PARAMS, card_number: '45680', is_one_time_use: true };
    expect((await command(building, 'credentials/create', once)).ok).toBe(true);
    await first.stop();
    rmSync(join(disk.folder, 'lintel.reserve'), { force: true });
    disk.fill();
    const second = await serveSettled(building);
    expect(second.refusal).toBeNull();
    await until(() => state(building)['storage'] === 'storage_full', 'the state says so', 10_000);
    const before = pulses(building);
    await building.reader.present(tag(45680));
    await building.reader.present(TAG);
    await until(() => pulses(building) === before + 1, 'the card opens');
    await leave(building);
    expect(pulses(building)).toBe(before + 2);
    expect((await command(building, 'credentials/get', { acs_credential_id: CARD })).ok).toBe(true);
    const suspend = await send(building, 'users/suspend', { acs_user_id: USER });
    await until(
      () => second.store?.withdrawn.has({ acs_credential_id: CARD, acs_user_id: USER }) === true,
      'it holds',
      10_000,
    );
    disk.free();
    await until(() => replyTo(building, suspend)?.ok === true, 'the suspension is stored', 20_000);
    await until(() => state(building)['storage'] === 'ok', 'all is well', 20_000);
    expect(existsSync(join(disk.folder, 'lintel.db-shm'))).toBe(true);
  }, 120_000);
});

/** A tag that prints as 123 and this number. */
const tag = (number: number): string => `00007B${number.toString(16).toUpperCase().padStart(4, '0')}`;

function moveStore(building: Building, folder: string): void {
  const text = readFileSync(building.file, 'utf8');
  writeFileSync(building.file, text.replace(/store: \{path: [^,]+,/, `store: {path: ${join(folder, 'lintel.db')},`));
}
