import { ShapeError } from '../core/errors.ts';
import { formatShape } from '../core/shape.ts';
import type { Grid } from '../volume/volume.ts';
import { voxelCount } from '../volume/volume.ts';

/** Which voxels touch: 6 share a face, 18 a face or an edge, 26 a face, an edge or a corner. */
export type Connectivity = 6 | 18 | 26;

/** The connected components ("lesions") of a binary mask. */
export interface Components {
  /** One label a voxel: 0 outside, 1..count inside, numbered by each component's first voxel in memory. */
  readonly labels: Int32Array;
  readonly count: number;
  /** Voxels of component `i + 1`. */
  readonly sizes: readonly number[];
}

/**
 * Labels the 3D connected components of a mask by flood fill, in time linear in the number of voxels.
 * Labels do not depend on anything but the mask: they are those of `scipy.ndimage.label`.
 *
 * @param mask one byte a voxel, not 0 = inside, laid out as {@link Grid} says
 * @param connectivity 26 unless told; the ISBI 2015 challenge does not say which it uses
 * @throws ShapeError where the mask is not one byte a voxel of the grid
 */
export function connectedComponents(
  mask: Uint8Array,
  grid: Grid,
  connectivity: Connectivity = 26,
): Components {
  requireMask('connectedComponents', mask, grid);
  const [nx, ny, nz] = grid.shape;
  const neighbours = neighbourSteps(connectivity);
  const labels = new Int32Array(mask.length);
  let inside = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i]! !== 0) inside++;
  const stack = new Int32Array(inside);
  const sizes: number[] = [];

  for (let seed = 0; seed < mask.length; seed++) {
    if (mask[seed]! === 0 || labels[seed]! !== 0) continue;
    const label = sizes.length + 1;
    let size = 0;
    let top = 0;
    stack[top++] = seed;
    labels[seed] = label;
    while (top > 0) {
      const voxel = stack[--top]!;
      size++;
      const x = voxel % nx;
      const y = Math.floor(voxel / nx) % ny;
      const z = Math.floor(voxel / (nx * ny));
      for (const [dx, dy, dz] of neighbours) {
        const [u, v, w] = [x + dx, y + dy, z + dz];
        if (u < 0 || v < 0 || w < 0 || u >= nx || v >= ny || w >= nz) continue;
        const next = (w * ny + v) * nx + u;
        if (mask[next]! === 0 || labels[next]! !== 0) continue;
        labels[next] = label;
        stack[top++] = next;
      }
    }
    sizes.push(size);
  }
  return { labels, count: sizes.length, sizes };
}

/** Volume of each component in ml (1 ml = 1000 mm³), in label order. */
export function componentVolumes(components: Components, grid: Grid): number[] {
  const voxel = voxelMl(grid);
  return components.sizes.map((size) => size * voxel);
}

/** For each component, in label order, whether the mask has a voxel in it. */
export function touchedComponents(components: Components, mask: Uint8Array): boolean[] {
  const touched = new Array<boolean>(components.count).fill(false);
  for (let i = 0; i < mask.length; i++) {
    const label = components.labels[i]!;
    if (label !== 0 && mask[i]! !== 0) touched[label - 1] = true;
  }
  return touched;
}

/** Volume of one voxel in ml: |det| of the affine's 3x3 part, which is right for oblique grids too. */
export function voxelMl(grid: Grid): number {
  const a = grid.affine;
  const det =
    a[0]! * (a[5]! * a[10]! - a[6]! * a[9]!) -
    a[4]! * (a[1]! * a[10]! - a[2]! * a[9]!) +
    a[8]! * (a[1]! * a[6]! - a[2]! * a[5]!);
  return Math.abs(det) / 1000;
}

/** @throws ShapeError naming `op` where `data` does not hold one value a voxel. */
export function requireMask(op: string, data: ArrayLike<number>, grid: Grid): void {
  if (data.length === voxelCount(grid)) return;
  throw new ShapeError(
    op,
    'needs one value a voxel of the grid',
    `${data.length} values for ${formatShape(grid.shape)} = ${voxelCount(grid)} voxels`,
    { hint: 'Pass the mask together with the grid it was made on.' },
  );
}

function neighbourSteps(connectivity: Connectivity): [number, number, number][] {
  const farthest = connectivity === 6 ? 1 : connectivity === 18 ? 2 : 3;
  const steps: [number, number, number][] = [];
  for (let dz = -1; dz <= 1; dz++)
    for (let dy = -1; dy <= 1; dy++)
      for (let dx = -1; dx <= 1; dx++) {
        const distance = Math.abs(dx) + Math.abs(dy) + Math.abs(dz);
        if (distance > 0 && distance <= farthest) steps.push([dx, dy, dz]);
      }
  return steps;
}
