// How often a credential opens. Its row counts down to its last use, which is told by its instant, so that one that is
// used up and one that was never counted cannot be mistaken for each other.

/** `uses_left` 0: nobody counts. Else so many are left, and with `used_at` the last of them is gone. */
export type Uses = { uses_left: number; used_at: number | null };

export const MOST_USES = 10_000;

/** Null: any number. */
export const usesLeft = ({ uses_left: left, used_at: at }: Uses): number | null =>
  left === 0 ? null : at === null ? left : 0;

/** How a row counts that opens `most` times (null: any number) and has done so `made` times. */
export const countFrom = (most: number | null, made = 0): number => (most === null ? 0 : Math.max(1, most - made));

/** How often it was used, where that is counted. */
export const usesMade = (row: Uses & { max_uses: number | null }): number => (row.max_uses ?? 0) - (usesLeft(row) ?? 0);
