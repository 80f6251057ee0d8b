/** How far two arrays of numbers are apart. */
export interface Difference {
  /** Largest distance over the largest magnitude of the second; infinite where the first holds something not finite. */
  readonly relative: number;
  /** Where. */
  readonly index: number;
}

/**
 * The largest distance between results that should be equal but for rounding, relative to the largest right value:
 * sums that cancel have no digits of their own to be held against.
 */
export function differenceOf(got: ArrayLike<number>, right: ArrayLike<number>): Difference {
  let largest = 0;
  let worst = 0;
  let index = 0;
  for (let i = 0; i < right.length; i++) {
    largest = Math.max(largest, Math.abs(right[i]!));
    const distance = Math.abs(got[i]! - right[i]!);
    // Not `distance > worst`: NaN must count.
    if (distance <= worst) continue;
    if (!Number.isFinite(distance)) return { relative: Number.POSITIVE_INFINITY, index: i };
    worst = distance;
    index = i;
  }
  return { relative: worst === 0 ? 0 : worst / largest, index };
}
