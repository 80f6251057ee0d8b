import { type Grid, gridFromAffine, sameGrid, toWorld, type Volume } from './volume.ts';

/** An axis of a volume: 0 = x (fastest in memory), 1 = y, 2 = z. */
export type Axis = 0 | 1 | 2;

/**
 * A re-ordering of voxels that keeps every value: axis `a` of the result runs along axis `axes[a]` of the
 * source, backwards where `flips[a]`.
 */
export interface AxisOrder {
  readonly axes: readonly [Axis, Axis, Axis];
  readonly flips: readonly [boolean, boolean, boolean];
}

const PERMUTATIONS: readonly (readonly [Axis, Axis, Axis])[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** The order that brings a grid closest to RAS+: x to the right, y to the front, z up. */
export function canonicalOrder(grid: Grid): AxisOrder {
  const cosine = (world: number, axis: Axis): number =>
    grid.affine[axis * 4 + world]! / (grid.spacing[axis] || 1);
  let best = PERMUTATIONS[0]!;
  let bestSum = -1;
  for (const axes of PERMUTATIONS) {
    const sum = axes.reduce<number>((total, axis, world) => total + Math.abs(cosine(world, axis)), 0);
    // A tie (an oblique grid at exactly 45 degrees) keeps the earlier permutation.
    if (sum > bestSum + 1e-9) [best, bestSum] = [axes, sum];
  }
  return { axes: best, flips: [cosine(0, best[0]) < 0, cosine(1, best[1]) < 0, cosine(2, best[2]) < 0] };
}

/** The three letters that name where a grid's axes point, as nibabel's `aff2axcodes` does: `RAS`, `LAS`, ... */
export function orientationOf(grid: Grid): string {
  const { axes, flips } = canonicalOrder(grid);
  const letters = ['', '', ''];
  axes.forEach((axis, world) => {
    letters[axis] = (flips[world] ? 'LPI' : 'RAS')[world]!;
  });
  return letters.join('');
}

/** The order that undoes another. */
export function inverseOrder(order: AxisOrder): AxisOrder {
  const axes: [Axis, Axis, Axis] = [0, 1, 2];
  const flips: [boolean, boolean, boolean] = [false, false, false];
  order.axes.forEach((axis, a) => {
    axes[axis] = a as Axis;
    flips[axis] = order.flips[a]!;
  });
  return { axes, flips };
}

/** The grid that results from re-ordering: the same voxels at the same places in the world. */
export function reorientGrid(grid: Grid, order: AxisOrder): Grid {
  const shape: [number, number, number] = [0, 0, 0];
  const first: [number, number, number] = [0, 0, 0];
  const affine = new Float64Array(16);
  order.axes.forEach((axis, a) => {
    const sign = order.flips[a] ? -1 : 1;
    shape[a] = grid.shape[axis];
    first[axis] = order.flips[a] ? grid.shape[axis] - 1 : 0;
    for (let world = 0; world < 3; world++) affine[a * 4 + world] = sign * grid.affine[axis * 4 + world]!;
  });
  affine.set(toWorld(grid, first), 12);
  affine[15] = 1;
  return gridFromAffine(shape, affine);
}

/** Re-orders a volume's voxels. Values are copied, never interpolated. */
export function reorient<T extends Float32Array | Uint8Array>(
  volume: Volume<T>,
  order: AxisOrder,
): Volume<T> {
  const { shape } = volume.grid;
  const strides = [1, shape[0], shape[0] * shape[1]] as const;
  const step: number[] = [];
  let start = 0;
  order.axes.forEach((axis, a) => {
    step[a] = order.flips[a] ? -strides[axis] : strides[axis];
    if (order.flips[a]) start += strides[axis] * (shape[axis] - 1);
  });
  const grid = reorientGrid(volume.grid, order);
  const [nx, ny, nz] = grid.shape;
  const [sx, sy, sz] = step as [number, number, number];
  const data = (
    volume.data instanceof Float32Array
      ? new Float32Array(volume.data.length)
      : new Uint8Array(volume.data.length)
  ) as T;
  let to = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      let from = start + z * sz + y * sy;
      for (let x = 0; x < nx; x++, from += sx) data[to++] = volume.data[from]!;
    }
  }
  return { grid, data };
}

/** A volume in RAS+ voxel order, and the order that brings it (or a prediction on it) back exactly. */
export function toCanonical<T extends Float32Array | Uint8Array>(
  volume: Volume<T>,
): { readonly volume: Volume<T>; readonly back: AxisOrder } {
  const order = canonicalOrder(volume.grid);
  return { volume: reorient(volume, order), back: inverseOrder(order) };
}

/**
 * The re-ordering that turns `source` into `target` exactly (to `tolerance` mm at every corner), or `undefined`
 * where no permutation and flip of axes does: then the volume must be resampled instead.
 */
export function orderBetween(source: Grid, target: Grid, tolerance = 0.01): AxisOrder | undefined {
  for (const axes of PERMUTATIONS) {
    if (axes.some((axis, a) => source.shape[axis] !== target.shape[a])) continue;
    for (let bits = 0; bits < 8; bits++) {
      const flips = [(bits & 1) > 0, (bits & 2) > 0, (bits & 4) > 0] as const;
      const order: AxisOrder = { axes, flips };
      if (sameGrid(reorientGrid(source, order), target, tolerance)) return order;
    }
  }
  return undefined;
}
