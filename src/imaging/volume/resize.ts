import { mat4 } from 'gl-matrix';
import { ShapeError } from '../../core/errors.ts';
import { describeGrid, type Grid, gridFromAffine, toWorld, voxelCount, worldToVoxel } from './volume.ts';

/**
 * A grid with voxels of another size over the same field of view: the same axes and centre, as many voxels as cover
 * it. An axis whose size stays keeps its voxels exactly.
 * @param spacing edges of the new voxels in mm, along the axes as they are stored
 */
export function resizedGrid(grid: Grid, spacing: readonly [number, number, number]): Grid {
  const affine = Float64Array.from(grid.affine);
  const shape: [number, number, number] = [...grid.shape];
  const first: [number, number, number] = [0, 0, 0];
  for (const axis of [0, 1, 2] as const) {
    const scale = spacing[axis] / grid.spacing[axis];
    if (scale === 1) continue;
    // Rounding errors must not add a voxel to a field of view that is a whole number of voxels.
    shape[axis] = Math.max(1, Math.ceil(grid.shape[axis] / scale - 1e-6));
    first[axis] = (grid.shape[axis] - 1 - (shape[axis] - 1) * scale) / 2;
    for (let world = 0; world < 3; world++) affine[axis * 4 + world]! *= scale;
  }
  affine.set(toWorld(grid, first), 12);
  return gridFromAffine(shape, affine);
}

/**
 * Samples a volume on a grid whose axes run along the volume's own, axis after axis: by linear interpolation where voxels
 * become smaller; where they become larger by the mean over the new voxel's extent, which is what a scanner measures
 * in it, and which does not alias. Beyond the outermost voxels their values go on. Equal input gives equal bits.
 *
 * @param data one value a voxel of `from`, x fastest
 * @returns one value a voxel of `to`
 * @throws ShapeError where the axes of the grids are not parallel; then `resample` is the way.
 */
export function resize(data: Float32Array | Uint8Array, from: Grid, to: Grid): Float32Array {
  const map = new Float64Array(16);
  mat4.multiply(map, worldToVoxel(from), to.affine as Float64Array);
  const turned = [1, 2, 4, 6, 8, 9].some((i) => Math.abs(map[i]!) > 1e-4);
  if (turned || data.length !== voxelCount(from))
    throw new ShapeError(
      'resize',
      'the axes of both grids are parallel, and the data fills the first',
      `${data.length} values, ${describeGrid(from)} to ${describeGrid(to)}`,
    );
  const axes = ([0, 1, 2] as const).map((axis) => ({ axis, scale: map[axis * 5]!, offset: map[12 + axis]! }));
  // Axes that shrink come first: the others have less to do then.
  axes.sort((a, b) => b.scale - a.scale);
  const shape: [number, number, number] = [...from.shape];
  let values = data;
  for (const { axis, scale, offset } of axes) {
    const count = to.shape[axis];
    if (count === shape[axis] && Math.abs(scale - 1) < 1e-6 && Math.abs(offset) < 1e-4) continue;
    values = resizeAxis(values, shape, axis, mixtures(shape[axis], count, scale, offset));
    shape[axis] = count;
  }
  // Never the caller's own array.
  return values === data ? Float32Array.from(data) : (values as Float32Array);
}

/** What one new voxel is made of: neighbouring old ones from `start` on, with weights that sum to 1. */
interface Mixture {
  readonly start: number;
  readonly weights: readonly number[];
}

/** @param scale old voxels from one new voxel to the next @param offset old position of the first new voxel */
function mixtures(before: number, after: number, scale: number, offset: number): Mixture[] {
  const width = Math.abs(scale);
  // The weight of an old voxel: what it shares with a larger new one, or how near it is to a smaller one's centre.
  const share = (at: number, centre: number): number =>
    width > 1
      ? Math.min(at + 0.5, centre + width / 2) - Math.max(at - 0.5, centre - width / 2)
      : 1 - Math.abs(at - centre);
  const reach = width > 1 ? (width + 1) / 2 : 1;
  // Beyond the outermost centres, or for a mean beyond the border, there is nothing more to take.
  const low = width > 1 ? -0.5 : 0;
  return Array.from({ length: after }, (_, i) => {
    const centre = Math.min(before - 1 - low, Math.max(low, offset + i * scale));
    const start = Math.max(0, Math.ceil(centre - reach));
    const end = Math.min(before - 1, Math.floor(centre + reach));
    const weights: number[] = [];
    for (let at = start; at <= end; at++) weights.push(Math.max(0, share(at, centre)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((weight) => weight / sum) };
  });
}

function resizeAxis(
  data: Float32Array | Uint8Array,
  shape: readonly [number, number, number],
  axis: 0 | 1 | 2,
  made: readonly Mixture[],
): Float32Array<ArrayBuffer> {
  const inner = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const outer = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const out = new Float32Array(inner * made.length * outer);
  const sums = new Float64Array(inner);
  for (let o = 0; o < outer; o++) {
    for (const [i, { start, weights }] of made.entries()) {
      sums.fill(0);
      for (const [t, weight] of weights.entries()) {
        const at = (o * shape[axis] + start + t) * inner;
        for (let k = 0; k < inner; k++) sums[k]! += weight * data[at + k]!;
      }
      out.set(sums, (o * made.length + i) * inner);
    }
  }
  return out;
}
