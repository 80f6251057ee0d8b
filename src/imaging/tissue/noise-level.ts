import type { BrainSlab } from './brain-slabs.ts';

/** Probability from which a voxel counts as white matter. */
const SURE = 0.9;
/** Fewer residuals than this tell nothing. */
const FEWEST = 100;
/** Median absolute deviation of a normal distribution to its standard deviation. */
const DEVIATION = 1.4826;

/**
 * Residuals of white-matter voxels amid white matter: what remains of a voxel after the mean of its six neighbours,
 * scaled so that white noise keeps its deviation.
 *
 * @param image the slab's intensities, planes around it included
 * @param white probability of white matter of the same voxels
 */
export function whiteResiduals(
  { voxels, first, end }: BrainSlab,
  image: Float32Array,
  white: Float32Array,
): number[] {
  const { count, neighbours } = voxels;
  const residuals: number[] = [];
  for (let v = first; v < end; v++) {
    if (!(white[v]! > SURE)) continue;
    let around = 0;
    let inside = true;
    for (let side = 0; side < 6 && inside; side++) {
      const other = neighbours[side * count + v]!;
      inside = other < count && white[other]! > SURE;
      if (inside) around += image[other]!;
    }
    if (inside) residuals.push((image[v]! - around / 6) * Math.sqrt(6 / 7));
  }
  return residuals;
}

/** The noise's standard deviation, robust against structure; undefined where there are too few residuals. */
export function noiseDeviation(residuals: readonly number[]): number | undefined {
  if (residuals.length < FEWEST) return undefined;
  const middle = medianOf(Float64Array.from(residuals));
  return DEVIATION * medianOf(Float64Array.from(residuals, (e) => Math.abs(e - middle)));
}

function medianOf(values: Float64Array): number {
  return values.sort()[values.length >> 1]!;
}
