/** Bins of either image's intensities. */
export const BINS = 32;
/** What one sample adds to a joint histogram: its weight is split between two bins in steps of 1 / 64. */
export const SAMPLE_WEIGHT = 64;

/**
 * Normalised mutual information of two images, (H(A) + H(B)) / H(A, B) (Studholme, Hill and Hawkes 1999): 1 where they tell nothing
 * of each other, 2 where one follows from the other.
 *
 * @param histogram [{@link BINS}, {@link BINS}] counts, the moving image's bin fastest; an empty one gives 0
 */
export function normalisedMutualInformation(histogram: ArrayLike<number>): number {
  const fixed = new Float64Array(BINS);
  const moving = new Float64Array(BINS);
  let total = 0;
  let joint = 0;
  for (let f = 0; f < BINS; f++)
    for (let m = 0; m < BINS; m++) {
      const count = histogram[f * BINS + m]!;
      fixed[f]! += count;
      moving[m]! += count;
      total += count;
      joint += xLogX(count);
    }
  if (total === 0) return 0;
  const entropy = (sum: number): number => Math.log(total) - sum / total;
  const [a, b] = [fixed, moving].map((counts) =>
    entropy(counts.reduce((sum, count) => sum + xLogX(count), 0)),
  );
  const both = entropy(joint);
  // Both images have one value each: nothing can be told from them.
  return both > 1e-12 ? (a! + b!) / both : 1;
}

function xLogX(count: number): number {
  return count > 0 ? count * Math.log(count) : 0;
}
