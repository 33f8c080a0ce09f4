// What somebody wrote into the database of a stopped Lintel reaches no controller.

import { describe, expect, it } from 'vitest';
import { House, HOUR, NOON, without } from '../support/sync-house.ts';
import { behindItsBack } from '../support/store.ts';

const A = '99999999-9999-9999-9999-00000000000a';

async function opened(options: ConstructorParameters<typeof House>[0] = {}): Promise<House> {
  const house = new House(options);
  house.sync.start();
  await house.settle();
  return house;
}

const touched = `UPDATE targets SET due_at = 0, written_hash = NULL`;

describe('a credential that was changed behind the back of Lintel', () => {
  it.each([
    ['its end', `UPDATE credentials SET ends_at = NULL`],
    ['its code', `UPDATE credentials SET code_hash = randomblob(16)`],
    ['the code that is written', `UPDATE credentials SET code_sealed = (SELECT code_sealed FROM kept)`],
    ['its user', `UPDATE users SET starts_at = 1`],
  ])('is taken from its controller, and said to be failed: %s', async (_what, statement) => {
    const house = await opened();
    const id = house.create({ code: '4711', ends_at: NOON + HOUR });
    await house.settle();
    expect(house.state(id)).toBe('set');
    await house.powerCycle(() => behindItsBack(house.folder, 'CREATE TABLE kept AS SELECT * FROM credentials'));
    house.update(id, { code: '4712' });
    await house.settle();
    await house.powerCycle(() => behindItsBack(house.folder, statement, touched, 'DROP TABLE kept'));
    await house.settle();
    expect([...house.device.held().values()].map(({ pin }) => pin)).not.toContain('4711');
    expect(house.state(id)).toBe('failed');
    expect(house.store.seals.tampered().rows).toHaveLength(1);
  });

  it('comes not to a controller whose door was put on its list', async () => {
    const house = await opened();
    const id = house.create({ code: '4711', allowed_acs_entrance_ids: [] });
    await house.settle();
    await house.powerCycle(() =>
      behindItsBack(
        house.folder,
        `INSERT INTO credential_entrances (credential_key, entrance_key) SELECT credential_key, entrance_key FROM credentials, entrances`,
        `INSERT INTO targets (controller, credential_key, acs_credential_id, state, due_at)
           SELECT '${house.device.name}', credential_key, acs_credential_id, 'scheduled', 0 FROM credentials`,
      ),
    );
    await house.settle();
    expect(house.device.held().size).toBe(0);
    expect(house.state(id)).toBe('failed');
  });

  it('leaves a controller with a schedule that opens at no time where that was widened', async () => {
    const schedules = { firstZone: 2, lastZone: 4, holidays: 5, timeZone: 'Europe/Oslo' };
    const house = await opened({ slots: without({ cardAndPin: true, schedules }) });
    house.schedule(A, 'mon 08:00-12:00');
    house.create({ card_number: 'H10301:1:1', schedule_id: A });
    await house.settle();
    expect(house.device.zones.get(2)?.days[0]).not.toBeNull();
    await house.powerCycle(() => behindItsBack(house.folder, `UPDATE schedules SET content = 'always'`));
    await house.pass(HOUR);
    expect(house.device.zones.get(2)?.days.every((day) => day === null)).toBe(true);
  });
});
