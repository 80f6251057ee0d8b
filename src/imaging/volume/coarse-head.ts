import { canonicalOrder, reorient, reorientGrid } from './orientation.ts';
import { resize, resizedGrid } from './resize.ts';
import { type Grid, gridFromAffine, toWorld, type Volume, voxelCount } from './volume.ts';

/** An image on the coarse grid that networks of whole heads see. */
export interface CoarseHead {
  readonly grid: Grid;
  /** The means over the coarse voxels, 0 beyond the field of view. */
  readonly data: Float32Array;
  /** 1 in the field of view, 0 where the grid was made larger. */
  readonly seen: Uint8Array;
}

/**
 * The grid of {@link coarseHead}: axes in the order x to the right, y to the front, z up, along those of the image; equal
 * voxels over its field of view, and as many around it as `least` asks for.
 * @param spacing edge of a voxel in mm
 * @param least extents [nx, ny, nz] in voxels, at least
 */
export function coarseGrid(image: Grid, spacing: number, least: readonly [number, number, number]): Grid {
  return around(resizedGrid(reorientGrid(image, canonicalOrder(image)), [spacing, spacing, spacing]), least)
    .grid;
}

/** Brings an image, or a mask, to its coarse grid: no voxel is interpolated across axes. */
export function coarseHead(
  image: Volume<Float32Array | Uint8Array>,
  spacing: number,
  least: readonly [number, number, number],
): CoarseHead {
  const upright = reorient(image, canonicalOrder(image.grid));
  const inner = resizedGrid(upright.grid, [spacing, spacing, spacing]);
  const values = resize(upright.data, upright.grid, inner);
  const { grid, before } = around(inner, least);
  const data = new Float32Array(voxelCount(grid));
  const seen = new Uint8Array(data.length);
  const [nx, ny, nz] = inner.shape;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++) {
      const from = (z * ny + y) * nx;
      const to = ((z + before[2]) * grid.shape[1] + y + before[1]) * grid.shape[0] + before[0];
      data.set(values.subarray(from, from + nx), to);
      seen.fill(1, to, to + nx);
    }
  return { grid, data, seen };
}

/** A grid made larger on both sides, until it has so many voxels. */
function around(
  inner: Grid,
  least: readonly [number, number, number],
): { grid: Grid; before: readonly [number, number, number] } {
  const shape = [0, 1, 2].map((a) => Math.max(inner.shape[a]!, least[a]!)) as [number, number, number];
  const before = [0, 1, 2].map((a) => Math.floor((shape[a]! - inner.shape[a]!) / 2)) as [
    number,
    number,
    number,
  ];
  const affine = Float64Array.from(inner.affine);
  affine.set(toWorld(inner, [-before[0], -before[1], -before[2]]), 12);
  return { grid: gridFromAffine(shape, affine), before };
}
