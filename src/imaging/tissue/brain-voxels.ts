import { DatasetError } from '../../core/errors.ts';

/** The voxels of a brain as a list, in memory order, with who is next to whom. */
export interface BrainVoxels {
  /** [nx, ny, nz] of the box that the positions lie in. */
  readonly shape: readonly [number, number, number];
  /** Number of voxels. */
  readonly count: number;
  /** Place of each voxel in the box's memory. */
  readonly index: Uint32Array;
  /** x, y and z of each voxel, in ten bits each from the lowest. */
  readonly position: Uint32Array;
  /** [6, count]: the voxels before and after along x, y and z; `count` where that is outside the brain. */
  readonly neighbours: Uint32Array;
  /** [ny * nz + 1]: first voxel of each row, and the count after the last. */
  readonly rowStart: Uint32Array;
}

/** Extents that ten bits hold. */
const LARGEST = 1024;

/**
 * Lists the voxels of a mask.
 * @param mask not 0 inside, laid out x fastest
 * @throws DatasetError for an empty mask and for extents above 1024.
 */
export function listVoxels(mask: Uint8Array, shape: readonly [number, number, number]): BrainVoxels {
  const [nx, ny, nz] = shape;
  const count = mask.reduce((sum, v) => sum + Number(v !== 0), 0);
  if (count === 0)
    throw new DatasetError('the brain mask is empty', { hint: 'Make the mask again; it needs 1 inside.' });
  if (Math.max(nx, ny, nz) > LARGEST)
    throw new DatasetError(
      `the brain spans ${shape.join('x')} voxels; at most ${LARGEST} along an axis can be segmented`,
      {
        hint: 'Resample the scan to larger voxels.',
      },
    );
  const index = new Uint32Array(count);
  const position = new Uint32Array(count);
  const rowStart = new Uint32Array(ny * nz + 1);
  const order = new Int32Array(mask.length).fill(count);
  let next = 0;
  for (let i = 0; i < mask.length; i++) {
    const x = i % nx;
    if (x === 0) rowStart[i / nx] = next;
    if (mask[i] === 0) continue;
    const y = Math.floor(i / nx) % ny;
    const z = Math.floor(i / (nx * ny));
    index[next] = i;
    position[next] = x | (y << 10) | (z << 20);
    order[i] = next++;
  }
  rowStart[ny * nz] = next;
  const neighbours = new Uint32Array(6 * count);
  for (let v = 0; v < count; v++) {
    const i = index[v]!;
    const at = position[v]!;
    const axes = [at & 1023, (at >> 10) & 1023, at >> 20] as const;
    for (const [axis, stride] of [1, nx, nx * ny].entries()) {
      neighbours[2 * axis * count + v] = axes[axis]! > 0 ? order[i - stride]! : count;
      neighbours[(2 * axis + 1) * count + v] = axes[axis]! < shape[axis]! - 1 ? order[i + stride]! : count;
    }
  }
  return { shape, count, index, position, neighbours, rowStart };
}
