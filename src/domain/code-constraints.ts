// Rules that devices have for their codes beside the length, by the names of Seam's `code_constraints`, each with what
// it says to people.

const stepsOf = (code: string): number[] => {
  const digits = Array.from(code, Number);
  return digits.slice(1).map((digit, i) => digit - (digits[i] ?? 0));
};

/** Up or down by one from digit to digit. */
export function isRun(code: string): boolean {
  const steps = stepsOf(code);
  return steps.length > 0 && (steps.every((step) => step === 1) || steps.every((step) => step === -1));
}

type Constraint = { isKept: (code: string) => boolean; says: string };

export const CODE_CONSTRAINTS = {
  no_zeros: { isKept: (code) => !code.includes('0'), says: 'without the digit 0' },
  cannot_start_with_12: { isKept: (code) => !code.startsWith('12'), says: 'that do not begin with 12' },
  no_triple_consecutive_ints: {
    isKept: (code) => !stepsOf(code).some((step, i, all) => step === all[i + 1] && Math.abs(step) === 1),
    says: 'without three digits in a row such as 123 or 321',
  },
  no_ascending_or_descending_sequence: {
    isKept: (code) => !isRun(code),
    says: 'that are no run such as 1234 or 4321',
  },
  at_least_three_unique_digits: {
    isKept: (code) => new Set(code).size >= 3,
    says: 'with three different digits at least',
  },
  no_all_same_digits: { isKept: (code) => new Set(code).size > 1, says: 'whose digits are not all the same' },
  cannot_contain_089: { isKept: (code) => !/[089]/.test(code), says: 'without the digits 0, 8 and 9' },
  cannot_contain_0789: { isKept: (code) => !/[0789]/.test(code), says: 'without the digits 0, 7, 8 and 9' },
} as const satisfies Readonly<Record<string, Constraint>>;

export type CodeConstraint = keyof typeof CODE_CONSTRAINTS;

/** The first of these rules that the code breaks; null when it keeps them all. */
export const brokenConstraint = (code: string, constraints: readonly CodeConstraint[]): CodeConstraint | null =>
  constraints.find((name) => !CODE_CONSTRAINTS[name].isKept(code)) ?? null;
