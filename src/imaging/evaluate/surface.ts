import { boundingBox, cropData } from '../volume/crop.ts';
import type { Grid } from '../volume/volume.ts';
import { percentile } from './bootstrap.ts';
import { requireMask } from './lesions.ts';

/** Distances between the surfaces of two masks, in mm. */
export interface SurfaceDistance {
  /** Larger of the two directed 95th percentiles (linear interpolation), as MONAI has it. */
  readonly hd95: number;
  /** Mean over the surface voxels of both masks of the distance to the other surface. */
  readonly assd: number;
}

/**
 * 95 % Hausdorff distance and average symmetric surface distance. A surface voxel is one with a face neighbour
 * outside the mask or outside the volume (the mask less its 6-connected erosion). Spacing may be anisotropic;
 * the grid's axes are taken as orthogonal. Two empty masks are 0 mm apart; one empty mask gives NaN.
 *
 * @throws ShapeError where a mask does not fit the grid
 */
export function surfaceDistance(prediction: Uint8Array, truth: Uint8Array, grid: Grid): SurfaceDistance {
  requireMask('surfaceDistance, prediction', prediction, grid);
  requireMask('surfaceDistance, truth', truth, grid);
  const union = prediction.map((p, i) => p | truth[i]!);
  const box = boundingBox(union, grid.shape);
  if (!box) return { hd95: 0, assd: 0 };
  const a = surface(cropData(prediction, grid.shape, box), box.shape);
  const b = surface(cropData(truth, grid.shape, box), box.shape);
  const there = directedDistances(a, b, box.shape, grid.spacing);
  const back = directedDistances(b, a, box.shape, grid.spacing);
  if (there.length === 0 || back.length === 0) return { hd95: Number.NaN, assd: Number.NaN };
  const sum = there.reduce((s, d) => s + d, 0) + back.reduce((s, d) => s + d, 0);
  return {
    hd95: Math.max(percentile(there.toSorted(), 0.95), percentile(back.toSorted(), 0.95)),
    assd: sum / (there.length + back.length),
  };
}

/**
 * Exact euclidean distance in mm from every voxel to the nearest voxel of `mask`, one pass of lower envelopes of
 * parabolas an axis (Felzenszwalb and Huttenlocher 2012): linear time. Infinite everywhere for an empty mask.
 */
export function distanceTransform(
  mask: Uint8Array,
  shape: readonly [number, number, number],
  spacing: readonly [number, number, number],
): Float64Array {
  const [nx, ny, nz] = shape;
  const squared = new Float64Array(mask.length);
  for (let i = 0; i < mask.length; i++) squared[i] = mask[i]! !== 0 ? 0 : Number.POSITIVE_INFINITY;
  const longest = Math.max(nx, ny, nz);
  const line = new Float64Array(longest);
  const apex = new Int32Array(longest);
  const bound = new Float64Array(longest + 1);
  const strides = [1, nx, nx * ny] as const;
  for (const axis of [0, 1, 2] as const) {
    const [n, stride, step] = [shape[axis], strides[axis], spacing[axis]];
    for (let start = 0; start < mask.length; start++) {
      // Lines begin where the axis' own index is 0.
      if (Math.floor(start / stride) % n !== 0) continue;
      for (let i = 0; i < n; i++) line[i] = squared[start + i * stride]!;
      lowerEnvelope(line, n, step, apex, bound, squared, start, stride);
    }
  }
  return squared.map(Math.sqrt);
}

/** out[q] = min over p of line[p] + (step (q - p))², for one line. */
function lowerEnvelope(
  line: Float64Array,
  n: number,
  step: number,
  apex: Int32Array,
  bound: Float64Array,
  out: Float64Array,
  start: number,
  stride: number,
): void {
  const square = step * step;
  let last = -1;
  for (let q = 0; q < n; q++) {
    const height = line[q]!;
    if (height === Number.POSITIVE_INFINITY) continue;
    let from = Number.NEGATIVE_INFINITY;
    while (last >= 0) {
      const p = apex[last]!;
      from = (height - line[p]! + square * (q * q - p * p)) / (2 * square * (q - p));
      if (from > bound[last]!) break;
      last--;
      from = Number.NEGATIVE_INFINITY;
    }
    last++;
    apex[last] = q;
    bound[last] = from;
  }
  if (last < 0) return;
  bound[last + 1] = Number.POSITIVE_INFINITY;
  let k = 0;
  for (let q = 0; q < n; q++) {
    while (bound[k + 1]! < q) k++;
    const p = apex[k]!;
    out[start + q * stride] = line[p]! + square * (q - p) * (q - p);
  }
}

/** The mask less its 6-connected erosion. */
function surface(mask: Uint8Array, [nx, ny, nz]: readonly [number, number, number]): Uint8Array {
  const inside = (x: number, y: number, z: number): boolean =>
    x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < nz && mask[(z * ny + y) * nx + x]! !== 0;
  return mask.map((value, i) => {
    if (value === 0) return 0;
    const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    const enclosed =
      inside(x - 1, y, z) &&
      inside(x + 1, y, z) &&
      inside(x, y - 1, z) &&
      inside(x, y + 1, z) &&
      inside(x, y, z - 1) &&
      inside(x, y, z + 1);
    return enclosed ? 0 : 1;
  });
}

/** For each voxel of `from`, in memory order, the distance to the nearest voxel of `to`. */
function directedDistances(
  from: Uint8Array,
  to: Uint8Array,
  shape: readonly [number, number, number],
  spacing: readonly [number, number, number],
): Float64Array {
  return distanceTransform(to, shape, spacing).filter((_, i) => from[i]! !== 0);
}
