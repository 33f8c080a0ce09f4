// A snapshot and the controllers that decide for themselves: a gateway that was built anew becomes right by it alone, what
// is equal is not written again, and what goes is erased before anything is written.

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Caller, STORE_ROOM } from '../support/room.ts';
import { House } from '../support/sync-house.ts';
import { sendSnapshot, type Item } from '../commands/snapshot-list.ts';

const GROUP = '44444444-4444-4444-4444-444444444444';
const person = (n: number): string => `33333333-3333-3333-3333-${String(1000 + n).padStart(12, '0')}`;
const cardId = (n: number): string => `66666666-6666-6666-6666-${String(1000 + n).padStart(12, '0')}`;

type Member = { n: number; card: string };

/** What the sender has in its own tables, as the commands that would make it. */
const listOf = (members: readonly Member[]): Item[] => [
  ...members.flatMap(({ n, card }): Item[] => [
    { command: 'access_groups/add_user', params: { acs_access_group_id: GROUP, acs_user_id: person(n) } },
    { command: 'credentials/create', params: { acs_credential_id: cardId(n), acs_user_id: person(n), access_method: 'card', card_number: card } }, // prettier-ignore
    { command: 'users/create', params: { acs_user_id: person(n), full_name: `Person ${n}` } },
  ]),
  { command: 'access_groups/create', params: { acs_access_group_id: GROUP, name: 'Staff', acs_entrance_ids: [STORE_ROOM] } }, // prettier-ignore
];

/** As "The digest" of docs/mqtt-api.md says, from that list alone. */
function digestOf(members: readonly Member[]): string {
  const lines = [
    `access_group|${GROUP}|`,
    `access_group_entrance|${GROUP}|${STORE_ROOM}`,
    ...members.flatMap(({ n }) => [
      `user|${person(n)}|||`,
      `credential|${cardId(n)}|${person(n)}|card|||*||`,
      `access_group_user|${GROUP}|${person(n)}||`,
    ]),
  ];
  const sum = lines.reduce((all, line) => all + BigInt(`0x${createHash('sha256').update(line).digest('hex')}`), 0n);
  return (sum % (1n << 256n)).toString(16).padStart(64, '0');
}

const cards = (house: House): (string | null)[] => [...house.device.held().values()].map(({ card }) => card).sort();

test('a gateway that was built anew becomes right by a snapshot, and by the next one touches only what differs', async () => {
  const house = new House({ slots: { count: 20 } });
  house.sync.start();
  await house.settle();
  const caller = new Caller({ ...house.room, sync: house.sync });
  const members = Array.from({ length: 12 }, (_, n) => ({ n, card: `H10301:1:${n}` }));
  const first = await sendSnapshot(caller, 'first', [listOf(members)], {
    base: house.store.revision(),
    expect_deleted: 1,
  });
  expect(first.error?.message ?? '').toBe('');
  await house.settle();
  expect(first.result?.['digest']).toBe(digestOf(members));
  expect(cards(house)).toEqual(members.map(({ card }) => card).sort());

  const changed = members.slice(1).map((member) => (member.n === 5 ? { n: 5, card: 'H10301:9:9' } : member));
  house.device.calls.length = 0;
  const second = await sendSnapshot(caller, 'second', [listOf(changed)], { base: house.store.revision() });
  expect(second.result).toMatchObject({ deleted: 2, updated: 1, created: 0, digest: digestOf(changed) });
  await house.settle();
  expect(cards(house)).toEqual(changed.map(({ card }) => card).sort());
  const touched = house.device.calls
    .filter(({ what }) => what !== 'read')
    .map(({ what, slots }) => `${what} ${slots.length}`);
  expect(touched).toEqual(['erase 1', 'write 1']);

  const full = Array.from({ length: 21 }, (_, n) => ({ n: n + 100, card: `H10301:2:${n}` }));
  const refused = await sendSnapshot(caller, 'third', [listOf(full)], {
    base: house.store.revision(),
    expect_deleted: 22,
  });
  expect(refused.error).toMatchObject({ type: 'no_space_for_access_code_on_device' });
  expect(cards(house)).toEqual(changed.map(({ card }) => card).sort());
});
