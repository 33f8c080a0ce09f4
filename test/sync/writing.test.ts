import { expect, test } from 'vitest';
import { House } from '../support/sync-house.ts';

test('a credential is written, read back, and only then called set and issued', async () => {
  const house = new House();
  house.sync.start();
  const id = house.create({ code: '4711' });
  await house.settle();
  expect(house.state(id)).toBe('set');
  expect(house.pins()).toEqual(['4711']);
  expect(house.eventTypes(id)).toEqual(['access_code.set_on_device', 'acs_credential.issued']);
});
