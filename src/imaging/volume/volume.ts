import { mat4, vec3 } from 'gl-matrix';

/**
 * Where a volume's voxels lie. `affine` maps voxel indices (i, j, k, 1) to world millimetres in RAS+, as
 * gl-matrix stores it: column-major, 16 numbers. `spacing` is the length of its first three columns, in mm.
 */
export interface Grid {
  /** [nx, ny, nz]; x is the fastest axis in memory. */
  readonly shape: readonly [number, number, number];
  readonly spacing: readonly [number, number, number];
  readonly affine: Readonly<Float64Array>;
}

/** A 3D image: `data[(z * ny + y) * nx + x]`. As a tensor this is depth = z, height = y, width = x. */
export interface Volume<T extends Float32Array | Uint8Array = Float32Array> {
  readonly grid: Grid;
  readonly data: T;
}

/** Number of voxels of a grid. */
export function voxelCount(grid: Grid): number {
  return grid.shape[0] * grid.shape[1] * grid.shape[2];
}

/** A grid with axis-aligned voxels whose first voxel sits at `origin` (RAS+ mm). */
export function axisAlignedGrid(
  shape: readonly [number, number, number],
  spacing: readonly [number, number, number],
  origin: readonly [number, number, number] = [0, 0, 0],
): Grid {
  const affine = new Float64Array(16);
  affine[0] = spacing[0];
  affine[5] = spacing[1];
  affine[10] = spacing[2];
  affine.set(origin, 12);
  affine[15] = 1;
  return { shape, spacing, affine };
}

/**
 * A grid whose spacing is read off its affine.
 * @param affine voxel index to RAS+ mm, column-major; its last row must be 0 0 0 1.
 */
export function gridFromAffine(shape: readonly [number, number, number], affine: Float64Array): Grid {
  const column = (c: number): number =>
    Math.hypot(affine[c * 4] ?? 0, affine[c * 4 + 1] ?? 0, affine[c * 4 + 2] ?? 0);
  return { shape, spacing: [column(0), column(1), column(2)], affine };
}

/** The affine from RAS+ mm back to voxel indices, column-major. @throws RangeError where the affine is singular. */
export function worldToVoxel(grid: Grid): Float64Array {
  const out = new Float64Array(16);
  if (mat4.invert(out, grid.affine as Float64Array) === null)
    throw new RangeError(`the affine of ${describeGrid(grid)} is singular`);
  return out;
}

/** Volume of one voxel in mm³ (the determinant of the affine, so that sheared grids count right). */
export function voxelVolume(grid: Grid): number {
  return Math.abs(mat4.determinant(grid.affine as Float64Array));
}

/** World position (RAS+ mm) of a voxel index. */
export function toWorld(grid: Grid, index: readonly [number, number, number]): [number, number, number] {
  const out: [number, number, number] = [0, 0, 0];
  vec3.transformMat4(out, [...index], grid.affine as Float64Array);
  return out;
}

/** `91x109x91 at 2x2x2 mm, origin (-90, -126, -72)`: what messages say of a grid. */
export function describeGrid(grid: Grid): string {
  const round = (v: number): number => Math.round(v * 1000) / 1000;
  const origin = [12, 13, 14].map((i) => round(grid.affine[i] ?? 0)).join(', ');
  return `${grid.shape.join('x')} at ${grid.spacing.map(round).join('x')} mm, origin (${origin})`;
}

/** Whether two grids hold the same voxels: equal shape, and affines that agree to `tolerance` mm at every corner. */
export function sameGrid(a: Grid, b: Grid, tolerance = 0.01): boolean {
  if (a.shape.some((n, i) => n !== b.shape[i])) return false;
  for (let corner = 0; corner < 8; corner++) {
    const index = a.shape.map((n, i) => ((corner >> i) & 1) * (n - 1)) as [number, number, number];
    const p = toWorld(a, index);
    const q = toWorld(b, index);
    if (p.some((v, i) => Math.abs(v - q[i]!) > tolerance)) return false;
  }
  return true;
}
