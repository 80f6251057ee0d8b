import { BINS, SAMPLE_WEIGHT } from '../../src/imaging/register/mutual-information.ts';
import type { Grid, Volume } from '../../src/imaging/volume/volume.ts';

/**
 * Joint histogram of the fixed image's samples and the moving image under one transform, in float64: what
 * shaders/joint-histogram.wgsl counts.
 *
 * @param samples [count] of x, y, z and bin
 * @param rows 3x4 affine from a sample to a voxel of `moving`, row by row
 */
export function jointHistogram(samples: Float32Array, moving: Volume, rows: Float64Array): Float64Array {
  const counts = new Float64Array(BINS * BINS);
  const [nx, ny, nz] = moving.grid.shape;
  for (let i = 0; i < samples.length; i += 4) {
    const x = samples[i]!;
    const y = samples[i + 1]!;
    const z = samples[i + 2]!;
    const px = rows[0]! * x + rows[1]! * y + rows[2]! * z + rows[3]!;
    const py = rows[4]! * x + rows[5]! * y + rows[6]! * z + rows[7]!;
    const pz = rows[8]! * x + rows[9]! * y + rows[10]! * z + rows[11]!;
    if (px < -0.5 || py < -0.5 || pz < -0.5 || px > nx - 0.5 || py > ny - 0.5 || pz > nz - 0.5) continue;
    const value = interpolate(moving.data, moving.grid, px, py, pz);
    const bin = Math.min(Math.floor(value), BINS - 1);
    const share = Math.round((value - bin) * SAMPLE_WEIGHT);
    const cell = samples[i + 3]! * BINS + bin;
    counts[cell]! += SAMPLE_WEIGHT - share;
    if (share > 0) counts[cell + 1]! += share;
  }
  return counts;
}

function interpolate(data: Float32Array, grid: Grid, px: number, py: number, pz: number): number {
  const [nx, ny, nz] = grid.shape;
  const cx = Math.max(0, Math.min(px, nx - 1));
  const cy = Math.max(0, Math.min(py, ny - 1));
  const cz = Math.max(0, Math.min(pz, nz - 1));
  const x = Math.floor(cx);
  const y = Math.floor(cy);
  const z = Math.floor(cz);
  const fx = cx - x;
  const fy = cy - y;
  const fz = cz - z;
  const dx = x + 1 < nx ? 1 : 0;
  const dy = y + 1 < ny ? nx : 0;
  const dz = z + 1 < nz ? nx * ny : 0;
  const o = (z * ny + y) * nx + x;
  const p = o + dz;
  const a =
    (data[o]! * (1 - fx) + data[o + dx]! * fx) * (1 - fy) +
    (data[o + dy]! * (1 - fx) + data[o + dy + dx]! * fx) * fy;
  const b =
    (data[p]! * (1 - fx) + data[p + dx]! * fx) * (1 - fy) +
    (data[p + dy]! * (1 - fx) + data[p + dy + dx]! * fx) * fy;
  return a * (1 - fz) + b * fz;
}
