import { expect, it } from 'vitest';
import { brokenConstraint, CODE_CONSTRAINTS, type CodeConstraint } from '../../src/domain/code-constraints.ts';
import { isWeakPin } from '../../src/domain/pin.ts';

const CASES: Record<CodeConstraint, { broken: string[]; kept: string[] }> = {
  no_zeros: { broken: ['0471', '4710'], kept: ['4711'] },
  cannot_start_with_12: { broken: ['1247', '12'], kept: ['2147', '4712'] },
  no_triple_consecutive_ints: { broken: ['1234', '9123', '4321', '71987'], kept: ['1243', '1357', '9021'] },
  no_ascending_or_descending_sequence: { broken: ['1234', '6543', '012345'], kept: ['1235', '1233', '9012'] },
  at_least_three_unique_digits: { broken: ['4747', '4444'], kept: ['4741'] },
  no_all_same_digits: { broken: ['4444', '00000'], kept: ['4445'] },
  cannot_contain_089: { broken: ['4701', '4781', '4791'], kept: ['4711'] },
  cannot_contain_0789: { broken: ['4011', '4711', '4811', '4911'], kept: ['4611'] },
};

it.each(Object.entries(CASES))(
  'the rule %s tells codes that break it from codes that keep it',
  (name, { broken, kept }) => {
    const rule = Object.keys(CODE_CONSTRAINTS).filter((one): one is CodeConstraint => one === name);
    expect(rule).toHaveLength(1);
    for (const code of broken) expect([code, brokenConstraint(code, rule)]).toEqual([code, name]);
    for (const code of kept) expect([code, brokenConstraint(code, rule)]).toEqual([code, null]);
  },
);

it('codes that people try first are weak', () => {
  expect(['1111', '1234', '987654', '4711'].map(isWeakPin)).toEqual([true, true, true, false]);
});
