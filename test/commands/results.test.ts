import { expect, it } from 'vitest';
import { COMMANDS } from '../../src/commands/contract.ts';
import { resultCatalogue, resultText } from '../../src/commands/contract/results.ts';

it('each command of the contract says what it answers, with no member that has no meaning', () => {
  expect(Object.keys(resultCatalogue()).sort()).toEqual(Object.keys(COMMANDS).sort());
  for (const [name, { result }] of Object.entries(COMMANDS))
    for (const [, member = ''] of result.split(/: |, /)[0]?.matchAll(/`(\w+)`/g) ?? [])
      expect(Object.keys(resultCatalogue()[name as keyof typeof COMMANDS].shape), name).toContain(member);
});

it('a result that is not that of the contract is found by whatever test has the command carried out', () => {
  expect(resultText('users/delete', {})).toBe('{}');
  expect(() => resultText('users/delete', { was_there: true })).toThrow('the result of users/delete');
  expect(() => resultText('facility/reset_stream', { stream_id: 'tower-1' })).toThrow('last_seq');
});
