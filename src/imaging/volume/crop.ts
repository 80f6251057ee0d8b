import { ShapeError } from '../../core/errors.ts';
import { formatShape } from '../../core/shape.ts';
import { type Grid, gridFromAffine, toWorld, type Volume, voxelCount } from './volume.ts';

/** A block of voxels, axes in the order [x, y, z]. */
export interface Box {
  readonly start: readonly [number, number, number];
  readonly shape: readonly [number, number, number];
}

/** The whole of a grid. */
export function fullBox(grid: Grid): Box {
  return { start: [0, 0, 0], shape: grid.shape };
}

/**
 * The smallest box around a mask's non-zero voxels, widened by `margin` voxels on each side and then to at
 * least `minimum` voxels along each axis, as far as the volume goes. `undefined` where the mask is empty.
 */
export function boundingBox(
  mask: Uint8Array,
  shape: readonly [number, number, number],
  margin = 0,
  minimum: readonly [number, number, number] = [1, 1, 1],
): Box | undefined {
  const [nx, ny, nz] = shape;
  const low: [number, number, number] = [nx, ny, nz];
  const high: [number, number, number] = [-1, -1, -1];
  for (let z = 0, i = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, i++) {
        if (mask[i] === 0) continue;
        if (x < low[0]) low[0] = x;
        if (x > high[0]) high[0] = x;
        if (y < low[1]) low[1] = y;
        if (y > high[1]) high[1] = y;
        if (z < low[2]) low[2] = z;
        high[2] = z;
      }
    }
  }
  if (high[0] < 0) return undefined;
  const start: [number, number, number] = [0, 0, 0];
  const extent: [number, number, number] = [0, 0, 0];
  for (const a of [0, 1, 2] as const) {
    let from = Math.max(0, low[a] - margin);
    let to = Math.min(shape[a], high[a] + 1 + margin);
    const missing = Math.min(minimum[a], shape[a]) - (to - from);
    if (missing > 0) {
      from = Math.max(0, Math.min(from - Math.floor(missing / 2), shape[a] - Math.min(minimum[a], shape[a])));
      to = Math.min(shape[a], from + Math.min(minimum[a], shape[a]));
    }
    start[a] = from;
    extent[a] = to - from;
  }
  return { start, shape: extent };
}

function checkBox(box: Box, shape: readonly [number, number, number], what: string): void {
  if (box.start.some((s, a) => s < 0 || box.shape[a]! < 1 || s + box.shape[a]! > shape[a]!)) {
    throw new ShapeError(
      what,
      'the box must lie inside the volume',
      `box ${formatShape(box.shape)} at (${box.start.join(', ')}) in ${formatShape(shape)}`,
    );
  }
}

/** The grid of a cropped volume: the same voxels at the same places in the world. */
export function cropGrid(grid: Grid, box: Box): Grid {
  checkBox(box, grid.shape, 'cropGrid');
  const affine = Float64Array.from(grid.affine);
  affine.set(toWorld(grid, box.start), 12);
  return gridFromAffine(box.shape, affine);
}

/**
 * Goes over the rows of a box along x, in memory's order.
 * @param shape of the volume that it lies in
 * @param visit gets the place of a row's first voxel in the volume, the row's length, and its place in the box
 */
export function eachRow(
  box: Box,
  shape: readonly [number, number, number],
  visit: (from: number, length: number, at: number) => void,
): void {
  const [bx, by, bz] = box.shape;
  for (let z = 0; z < bz; z++)
    for (let y = 0; y < by; y++)
      visit(
        ((z + box.start[2]) * shape[1] + y + box.start[1]) * shape[0] + box.start[0],
        bx,
        (z * by + y) * bx,
      );
}

/** The values of a box. @throws ShapeError where the box leaves the volume. */
export function cropData<T extends Float32Array | Uint8Array>(
  data: T,
  shape: readonly [number, number, number],
  box: Box,
): T {
  checkBox(box, shape, 'crop');
  const count = box.shape[0] * box.shape[1] * box.shape[2];
  const inner = (data instanceof Float32Array ? new Float32Array(count) : new Uint8Array(count)) as T;
  eachRow(box, shape, (from, length, at) => {
    inner.set(data.subarray(from, from + length), at);
  });
  return inner;
}

/** Cuts a box out of a volume. @throws ShapeError where the box leaves the volume. */
export function crop<T extends Float32Array | Uint8Array>(volume: Volume<T>, box: Box): Volume<T> {
  return { grid: cropGrid(volume.grid, box), data: cropData(volume.data, volume.grid.shape, box) };
}

/**
 * Puts a box's values back into a volume of `grid`, with `fill` everywhere else: the way back from `crop`.
 * @throws ShapeError where the box leaves the grid or the data does not fill the box.
 */
export function uncrop<T extends Float32Array | Uint8Array>(
  data: T,
  box: Box,
  grid: Grid,
  fill = 0,
): Volume<T> {
  checkBox(box, grid.shape, 'uncrop');
  if (data.length !== box.shape[0] * box.shape[1] * box.shape[2])
    throw new ShapeError(
      'uncrop',
      'data must fill the box',
      `${data.length} values, box ${formatShape(box.shape)}`,
    );
  const count = voxelCount(grid);
  const outer = (data instanceof Float32Array ? new Float32Array(count) : new Uint8Array(count)) as T;
  if (fill !== 0) outer.fill(fill);
  eachRow(box, grid.shape, (from, length, at) => {
    outer.set(data.subarray(at, at + length), from);
  });
  return { grid, data: outer };
}
