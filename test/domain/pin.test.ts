import { expect, it } from 'vitest';
import { brokenConstraint, CODE_CONSTRAINTS, type CodeConstraint } from '../../src/domain/code-constraints.ts';
import { randomPin, trivialityOf } from '../../src/domain/pin.ts';

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

it.each([
  ['no_all_same_digits', ['1111', '0000', '777777']],
  ['no_ascending_or_descending_sequence', ['1234', '4321', '123456', '987654', '7890', '3210', '0987']],
  ['at_least_three_unique_digits', ['1122', '1212', '1211', '474747']],
  ['no_repetition', ['123123', '147147', '90129012']],
  ['no_year', ['1990', '2024', '1900', '2099']],
  ['no_keypad_pattern', ['2580', '0852', '147258', '159753']],
  [null, ['4711', '0042', '824759', '9021', '2100', '1899', '199021', '135790', '2468']],
])('a code that people try first is told by the rule that it breaks: %s', (name, codes) => {
  for (const code of codes) expect([code, trivialityOf(code)?.name ?? null]).toEqual([code, name]);
});

it('a generated code is never one that people try first, whatever chance gives', () => {
  const given = ['1111', '1990', '2580', '7890', '1212', '4711'];
  const bytes = (): Buffer => Buffer.from(Array.from(given.shift() ?? '', Number));
  expect(randomPin({ bytes, uuid: () => '', fraction: () => 0 }, 4)).toBe('4711');
});
