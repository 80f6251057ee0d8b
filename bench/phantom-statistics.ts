import { distanceTransform } from '../src/imaging/evaluate/surface.ts';
import { labelComponents } from '../src/imaging/volume/components.ts';
import type { Grid } from '../src/imaging/volume/volume.ts';

/** What a lesion mask looks like in numbers. Components are 26-connected. */
export interface LesionStatistics {
  readonly ml: number;
  readonly components: number;
  /** Volume of the median component (mm3). */
  readonly medianMm3: number;
  /** Share of the volume in the largest component, and in the ten largest. */
  readonly largestShare: number;
  readonly topTenShare: number;
  /** Share of components, and of the volume in components, that come within 3 mm of the ventricles. */
  readonly periventricularCount: number;
  readonly periventricularVolume: number;
  /** Median distance of lesion voxels to the ventricles (mm). */
  readonly medianDistance: number;
  /** Volumes of all components (mm3). */
  readonly sizes: readonly number[];
}

/** Distance (mm) of every voxel to the ventricles of a mask. */
export function ventricleDistance(ventricles: Uint8Array, grid: Grid): ArrayLike<number> {
  return distanceTransform(ventricles, grid.shape, grid.spacing);
}

/** Measures a lesion mask; `distance` is {@link ventricleDistance} on the same grid. */
export function lesionStatistics(
  mask: Uint8Array,
  grid: Grid,
  distance: ArrayLike<number>,
): LesionStatistics {
  const { labels, sizes, count } = labelComponents(mask, grid.shape);
  const voxel = grid.spacing[0] * grid.spacing[1] * grid.spacing[2];
  const nearest = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const distances: number[] = [];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label === 0) continue;
    nearest[label - 1] = Math.min(nearest[label - 1]!, distance[i]!);
    distances.push(distance[i]!);
  }
  const volumes = sizes.map((size) => size * voxel);
  const total = volumes.reduce((sum, v) => sum + v, 0);
  const sorted = [...volumes].sort((a, b) => b - a);
  const near = volumes.filter((_, i) => nearest[i]! <= 3);
  return {
    ml: total / 1000,
    components: count,
    medianMm3: median(volumes),
    largestShare: (sorted[0] ?? 0) / total,
    topTenShare: sorted.slice(0, 10).reduce((sum, v) => sum + v, 0) / total,
    periventricularCount: near.length / count,
    periventricularVolume: near.reduce((sum, v) => sum + v, 0) / total,
    medianDistance: median(distances),
    sizes: volumes,
  };
}

/** The best Dice that any single threshold of an image reaches in the brain, chosen knowing the truth. */
export function oracleThresholdDice(image: Float32Array, truth: Uint8Array, brain: Uint8Array): number {
  const inside: number[] = [];
  let lesions = 0;
  for (let i = 0; i < image.length; i++) {
    if (brain[i] === 1) inside.push(i);
    lesions += truth[i]!;
  }
  inside.sort((a, b) => image[b]! - image[a]!);
  let hits = 0;
  let best = 0;
  inside.forEach((index, n) => {
    hits += truth[index]!;
    // Voxels of equal intensity are in or out together.
    const next = inside[n + 1];
    if (next !== undefined && image[next] === image[index]) return;
    best = Math.max(best, (2 * hits) / (n + 1 + lesions));
  });
  return best;
}

/** Dice overlap of two masks. */
export function maskDice(a: Uint8Array, b: Uint8Array): number {
  let both = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    both += a[i]! & b[i]!;
    sum += a[i]! + b[i]!;
  }
  return sum === 0 ? 1 : (2 * both) / sum;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
