import { mat4 } from 'gl-matrix';
import { type Grid, type Volume, voxelCount, worldToVoxel } from './volume.ts';

/** How values between voxels are found: `linear` (trilinear) for images, `nearest` for labels. */
export type Interpolation = 'linear' | 'nearest';

/**
 * Samples a volume on another grid, through world coordinates. A position up to half a voxel outside the
 * outermost voxel centres takes the edge's value (that is still inside the voxel); beyond it is `outside`.
 * @param grid where to sample; its voxels may be of another size, number and orientation.
 */
export function resample(
  volume: Volume<Float32Array | Uint8Array>,
  grid: Grid,
  interpolation: Interpolation = 'linear',
  outside = 0,
): Volume {
  const map = new Float64Array(16);
  mat4.multiply(map, worldToVoxel(volume.grid), grid.affine as Float64Array);
  const [sx, sy, sz] = volume.grid.shape;
  const [nx, ny, nz] = grid.shape;
  const source = volume.data;
  const data = new Float32Array(voxelCount(grid));
  const sample = interpolation === 'linear' ? trilinear : nearest;
  let to = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const x0 = map[4]! * y + map[8]! * z + map[12]!;
      const y0 = map[5]! * y + map[9]! * z + map[13]!;
      const z0 = map[6]! * y + map[10]! * z + map[14]!;
      for (let x = 0; x < nx; x++, to++) {
        const px = x0 + map[0]! * x;
        const py = y0 + map[1]! * x;
        const pz = z0 + map[2]! * x;
        const inside =
          px >= -0.5 && py >= -0.5 && pz >= -0.5 && px <= sx - 0.5 && py <= sy - 0.5 && pz <= sz - 0.5;
        data[to] = inside ? sample(source, sx, sy, sz, px, py, pz) : outside;
      }
    }
  }
  return { grid, data };
}

function clamp(value: number, high: number): number {
  return Math.max(0, Math.min(value, high));
}

function nearest(
  source: Float32Array | Uint8Array,
  sx: number,
  sy: number,
  sz: number,
  px: number,
  py: number,
  pz: number,
): number {
  const x = clamp(Math.round(px), sx - 1);
  const y = clamp(Math.round(py), sy - 1);
  const z = clamp(Math.round(pz), sz - 1);
  return source[(z * sy + y) * sx + x]!;
}

function trilinear(
  source: Float32Array | Uint8Array,
  sx: number,
  sy: number,
  sz: number,
  px: number,
  py: number,
  pz: number,
): number {
  const cx = clamp(px, sx - 1);
  const cy = clamp(py, sy - 1);
  const cz = clamp(pz, sz - 1);
  const x = Math.floor(cx);
  const y = Math.floor(cy);
  const z = Math.floor(cz);
  const fx = cx - x;
  const fy = cy - y;
  const fz = cz - z;
  // At the last voxel the weight of the neighbour is 0, so any valid neighbour will do.
  const dx = x + 1 < sx ? 1 : 0;
  const dy = y + 1 < sy ? sx : 0;
  const dz = z + 1 < sz ? sx * sy : 0;
  const i = (z * sy + y) * sx + x;
  const at = (k: number): number => source[k]!;
  const a = at(i) * (1 - fx) + at(i + dx) * fx;
  const b = at(i + dy) * (1 - fx) + at(i + dy + dx) * fx;
  const c = at(i + dz) * (1 - fx) + at(i + dz + dx) * fx;
  const d = at(i + dz + dy) * (1 - fx) + at(i + dz + dy + dx) * fx;
  return (a * (1 - fy) + b * fy) * (1 - fz) + (c * (1 - fy) + d * fy) * fz;
}
