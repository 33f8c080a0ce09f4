import { expect, it } from 'vitest';
import { storedJson, storedObject } from '../../src/store/stored-json.ts';

it('what was stored comes back, and what somebody spoilt is nothing', () => {
  expect(storedJson('{"a":[1,null]}')).toEqual({ a: [1, null] });
  expect(storedJson('"text"')).toBe('text');
  for (const nothing of [null, 'null', '', '{"a":', 'x']) expect(storedJson(nothing)).toBeNull();
});

it('an object comes back as one, and anything else as one without members', () => {
  expect(storedObject('{"a":1}')).toEqual({ a: 1 });
  for (const none of [null, 'null', '[1]', '"text"', '7', '{"a":']) expect(storedObject(none)).toEqual({});
});
