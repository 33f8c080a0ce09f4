// Whether a wrong code is a slip of a right one: one digit wrong, one missing, one too many, or two beside each other
// swapped. Whoever knows the right code learns next to nothing by trying its slips, for there are but a few dozen of
// them; so slips may be forgiven, and nothing else.

export function isSlip(wrong: string, right: string): boolean {
  if (wrong === right) return false;
  if (wrong.length === right.length) return differsByOne(wrong, right) || isSwapped(wrong, right);
  const [short, long] = wrong.length < right.length ? [wrong, right] : [right, wrong];
  if (long.length - short.length !== 1) return false;
  return Array.from(long).some((_, i) => long.slice(0, i) + long.slice(i + 1) === short);
}

const differences = (a: string, b: string): number[] =>
  Array.from(a).flatMap((digit, i) => (digit === b[i] ? [] : [i]));

const differsByOne = (a: string, b: string): boolean => differences(a, b).length === 1;

function isSwapped(a: string, b: string): boolean {
  const [first, second, ...more] = differences(a, b);
  if (first === undefined || second === undefined || more.length > 0) return false;
  return second === first + 1 && a[first] === b[second] && a[second] === b[first];
}
