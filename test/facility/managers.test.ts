// Whose signatures a facility file accepts.

import { expect, it } from 'vitest';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf } from './files.ts';

const POINT =
  '0434bd8d46db07f62b568cd5924ae009da6df9f437a666dc14dbc4fd35d0d330c0a84431bf887a74d9d5972c68673e21405ce8ea24a5845b2cda5cf07f461dfca0';
const EDWARDS = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
const SYSTEM = '99999999-9999-9999-9999-999999999999';

function managers(text: string) {
  const { facility, problems } = loadFacilityText(
    fileOf({ policy: `credential_managers:\n${text}` }),
    '/etc/lintel/riverside.yaml',
    [fakeDriver],
  );
  const found = problems.filter(({ key }) => key.startsWith('credential_managers'));
  return { known: facility?.credentialManagers, problems: found.map(({ key, message }) => `${key}: ${message}`) };
}
const tower = (
  more = '',
  keys = `[{key_id: C0FFEE01, public_key: ${POINT}}]`,
  system = SYSTEM,
  name = 'tower',
): string => `  ${name}: {acs_system_id: ${system}, keys: ${keys}${more}}\n`;

it('is named with its keys and what it may do, and none is without the section', () => {
  const { known, problems } = managers(tower(', max_lifetime: 12h, entrances: [lobby], unknown_credentials: take'));
  expect(problems).toEqual([]);
  expect(known).toEqual([
    {
      name: 'tower',
      acsSystemId: SYSTEM,
      displayName: 'tower',
      keys: [{ keyId: 'c0ffee01', publicKey: POINT }],
      maxLifetimeMs: 12 * 3_600_000,
      unknownCredentials: 'take',
      entranceIds: ['55555555-5555-5555-5555-555555555555'],
    },
  ]);
  expect(managers(tower('', `[{key_id: '01', public_key: ${EDWARDS}}]`)).problems).toEqual([]);
  expect(loadFacilityText(fileOf({}), '/f.yaml', [fakeDriver]).facility?.credentialManagers).toEqual([]);
});

it('is told what is wrong: keys off the curve, ids that another has, entrances that are not there or cannot', () => {
  const off = `${POINT.slice(0, -1)}1`;
  expect(managers(tower('', `[{key_id: '01', public_key: '${off}'}]`)).problems.join()).toMatch(
    /public_key: .*no point/,
  );
  expect(managers(tower('', '[]')).problems.length).toBe(1);
  const twice = managers(tower() + tower('', undefined, SYSTEM, 'other')).problems;
  expect(twice).toEqual([
    'credential_managers.other.acs_system_id: tower has this id already',
    'credential_managers.other.keys[0].key_id: a key of tower has this id already',
  ]);
  expect(managers(tower('', undefined, '88888888-8888-8888-8888-888888888888')).problems.join()).toMatch(
    /this facility/,
  );
  expect(managers(tower(', entrances: [lobbi]')).problems).toEqual([
    'credential_managers.tower.entrances[0]: there is no such entrance',
  ]);
  expect(managers(tower(', entrances: [store-room]')).problems.join()).toMatch(/decided by its controller/);
});
