// How many windows are open together at the fullest moment.

/** Of windows by when each begins and when those end that do, in any order; sorts both. An end comes before a beginning of the same instant. */
export function mostAtOnce(begins: number[], ends: number[]): number {
  begins.sort((a, b) => a - b);
  ends.sort((a, b) => a - b);
  let most = 0;
  let finished = 0;
  for (const [begun, at] of begins.entries()) {
    while (finished < ends.length && (ends[finished] ?? Infinity) <= at) finished += 1;
    most = Math.max(most, begun + 1 - finished);
  }
  return most;
}
