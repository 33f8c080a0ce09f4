// kill -9 at the worst moments: what was acknowledged is carried out after the next start, and nothing is done twice.

import { describe, expect, it } from 'vitest';
import { raiseBuilding, type Building } from '../support/building.ts';
import { until } from '../support/ports.ts';
import { LOBBY, STORE_ROOM, USER, type ParsedReply } from '../support/room.ts';

/** Ends a test in which nothing comes any more: programs start slowly on a busy machine. */
const SOON_MS = 120_000;

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const replyTo = (building: Building, commandId: string): ParsedReply | undefined =>
  building.tower.replies().find((reply) => reply.command_id === commandId);
const code = (n: number): string => String(10_000_000 + n * 7919);

async function withUser(building: Building): Promise<void> {
  // Before its first connection the broker keeps nothing for it.
  const isUp = (name: string): boolean =>
    building.tower.heard.some(
      (message) => message.topic.endsWith(`/state/${name}`) && message.payload.includes('"online":true'),
    );
  await until(
    () => ['agent', 'controllers/relay-board', 'controllers/store-panel'].every(isUp),
    'the agent and its devices are there',
    SOON_MS,
  );
  await building.tower.publish('users/create', {
    command_id: 'user',
    params: { acs_user_id: USER, full_name: 'Jane' },
  });
  await until(() => replyTo(building, 'user')?.ok === true, 'the user is there', SOON_MS);
}

describe('kill -9', { timeout: 600_000 }, () => {
  it('between the acknowledgement and the write to the controller loses nothing: the next start writes it', async () => {
    const building = await raiseBuilding();
    const first = await building.spawn();
    await withUser(building);
    building.panel.faults.deaf = true;
    const params = {
      acs_credential_id: uuid(1),
      acs_user_id: USER,
      access_method: 'code',
      code: code(1),
      allowed_acs_entrance_ids: [STORE_ROOM],
    };
    await building.tower.publish('credentials/create', { command_id: 'c', params });
    await until(() => replyTo(building, 'c')?.ok === true, 'the reply', SOON_MS);
    await first.kill();
    expect(building.panel.doors.present(1, { pin: code(1) }).granted).toBe(false);
    building.panel.faults.deaf = false;
    await building.spawn();
    await until(() => building.panel.doors.present(1, { pin: code(1) }).granted, 'the code opens', SOON_MS);
  });

  it('again and again amid a stream of commands: each is carried out once, and each is answered', async () => {
    const building = await raiseBuilding();
    let agent = await building.spawn();
    await withUser(building);
    const sent: Promise<void>[] = [];
    const total = 120;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < total / 3; i++) {
        const n = round * (total / 3) + i;
        const at = n % 2 === 0 ? [LOBBY] : [STORE_ROOM];
        const secret =
          n % 2 === 0
            ? { access_method: 'card', card_number: `H10301:7:${n}` }
            : { access_method: 'code', code: code(n) };
        // No minted id: a second effect would be a second credential.
        sent.push(
          building.tower.publish('credentials/create', {
            command_id: `s-${n}`,
            params: { acs_user_id: USER, ...secret, allowed_acs_entrance_ids: at },
          }),
        );
      }
      const before = building.tower.replies().length;
      await until(() => building.tower.replies().length > before + 3, 'some are answered', SOON_MS);
      await agent.kill();
      agent = await building.spawn();
    }
    await Promise.all(sent);
    await until(
      () => Array.from({ length: total }, (_, n) => replyTo(building, `s-${n}`)).every((reply) => reply?.ok === true),
      'every reply',
      SOON_MS,
    );
    // Each is tried until it opens, and not again: every try is an event that the controller must get rid of.
    const odd = Array.from({ length: total }, (_, n) => n).filter((n) => n % 2 === 1);
    const opens = (n: number | undefined): boolean =>
      n !== undefined && building.panel.doors.present(1, { pin: code(n) }).granted;
    await until(
      () => {
        while (opens(odd[0])) odd.shift();
        return odd.length === 0;
      },
      'every code is on the controller',
      SOON_MS,
    );
    await building.tower.publish('facility/digest', { command_id: 'digest', params: {} });
    await until(() => replyTo(building, 'digest') !== undefined, 'the digest', SOON_MS);
    expect(replyTo(building, 'digest')?.result).toMatchObject({ credentials: total, users: 1 });
  });

  it('during an unlock never opens twice: it is answered interrupted', async () => {
    const building = await raiseBuilding();
    const first = await building.spawn();
    await withUser(building);
    // The relay does what it is asked, and its answer is lost.
    building.relays.failNext({ silent: true }, 3, 5);
    const now = Date.now();
    const unlock = {
      command_id: 'u',
      issued_at: new Date(now).toISOString(),
      expires_at: new Date(now + 50_000).toISOString(),
      params: { acs_entrance_id: LOBBY },
    };
    const pulses = (): number => building.relays.outputChanges.filter((change) => change.energised).length;
    await building.tower.publish('entrances/unlock', unlock);
    await until(() => pulses() === 1, 'the relay heard it', SOON_MS);
    await first.kill();
    await building.spawn();
    await until(() => replyTo(building, 'u') !== undefined, 'an answer', SOON_MS);
    expect(replyTo(building, 'u')?.error?.type).toBe('interrupted');
    await building.tower.publish('entrances/unlock', unlock);
    await until(
      () => building.tower.replies().filter((reply) => reply.command_id === 'u').length >= 2,
      'the stored answer again',
      SOON_MS,
    );
    expect(pulses()).toBe(1);
  });

  it('leaves a database that a clean stop and a start find sound', async () => {
    const building = await raiseBuilding();
    const first = await building.spawn();
    await withUser(building);
    await first.kill();
    const second = await building.spawn();
    expect(await second.terminate()).toBe(0);
    expect(second.output()).not.toMatch(/damaged/);
  });
});
