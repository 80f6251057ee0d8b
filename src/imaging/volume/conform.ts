import { mat4 } from 'gl-matrix';
import { type Grid, gridFromAffine, toWorld, type Volume, voxelCount, worldToVoxel } from './volume.ts';

/** How an image is conformed. */
export interface ConformOptions {
  /** Voxels along each axis (default 256). */
  readonly extent?: number;
  /** Edge of a voxel in mm (default 1). */
  readonly spacing?: number;
  /** Whether the image holds whole numbers of 8 bits: these stay as they are (default false). */
  readonly bytes?: boolean;
}

/** The share of the voxels that are not 0 that may lie above 255. */
const ABOVE = 1 - 0.999;
const BINS = 1000;

/**
 * The cube that an image is conformed to: the same centre, axes to the front (x), down (y) and to the left (z).
 * FreeSurfer's own order of these axes is left, down, front; a network that reads its arrays as [left][down][front] finds
 * them so in this grid's memory.
 */
export function conformedGrid(grid: Grid, { extent = 256, spacing = 1 }: ConformOptions = {}): Grid {
  const affine = new Float64Array(16);
  // Columns: where x, y and z go in the world (right, front, up).
  affine[1] = spacing;
  affine[6] = -spacing;
  affine[8] = -spacing;
  affine[15] = 1;
  const centre = toWorld(grid, [grid.shape[0] / 2, grid.shape[1] / 2, grid.shape[2] / 2]);
  for (const world of [0, 1, 2])
    affine[12 + world] =
      centre[world]! - (extent / 2) * (affine[world]! + affine[4 + world]! + affine[8 + world]!);
  return gridFromAffine([extent, extent, extent], affine);
}

/**
 * Conforms an image as FreeSurfer and FastSurfer's conform.py do, the way NiiVue has it for Brainchop: linear interpolation
 * onto a cube of 1 mm voxels (0 outside the image), and values of 0 to 255, where 0.1 % of the voxels that are not 0 are
 * cut off at the top.
 */
export function conform(image: Volume, options: ConformOptions = {}): Volume<Uint8Array> {
  const grid = conformedGrid(image.grid, options);
  const [bottom, scale] = options.bytes ? [least(image.data), 1] : scaleOf(image.data);
  const map = new Float64Array(16);
  mat4.multiply(map, worldToVoxel(image.grid), grid.affine as Float64Array);
  const [nx, ny, nz] = image.grid.shape;
  const [extent] = grid.shape;
  const out = new Uint8Array(voxelCount(grid));
  const { data } = image;
  for (let z = 0, to = 0; z < extent; z++)
    for (let y = 0; y < extent; y++)
      for (let x = 0; x < extent; x++, to++) {
        const px = tidy(map[0]! * x + map[4]! * y + map[8]! * z + map[12]!);
        const py = tidy(map[1]! * x + map[5]! * y + map[9]! * z + map[13]!);
        const pz = tidy(map[2]! * x + map[6]! * y + map[10]! * z + map[14]!);
        const fx = Math.floor(px);
        const fy = Math.floor(py);
        const fz = Math.floor(pz);
        const dx = px - fx;
        const dy = py - fy;
        const dz = pz - fz;
        // The next voxel along each axis, which must be there if it has a share.
        const right = dx > 0 ? 1 : 0;
        const front = dy > 0 ? 1 : 0;
        const up = dz > 0 ? 1 : 0;
        let value = 0;
        if (fx >= 0 && fy >= 0 && fz >= 0 && fx + right < nx && fy + front < ny && fz + up < nz) {
          const i = (fz * ny + fy) * nx + fx;
          const j = i + up * nx * ny;
          const row = front * nx;
          const low = mix(
            mix(data[i]!, data[i + right]!, dx),
            mix(data[i + row]!, data[i + row + right]!, dx),
            dy,
          );
          const high = mix(
            mix(data[j]!, data[j + right]!, dx),
            mix(data[j + row]!, data[j + row + right]!, dx),
            dy,
          );
          value = mix(low, high, dz);
        }
        out[to] = Math.floor(Math.min(255, Math.max(0, scale * (value - bottom))));
      }
  return { grid, data: out };
}

/** Whole positions that were computed with rounding errors are whole. */
function tidy(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-5 ? whole : value;
}

function mix(a: number, b: number, share: number): number {
  return a * (1 - share) + b * share;
}

function least(data: Float32Array): number {
  let low = Number.POSITIVE_INFINITY;
  for (const value of data) low = Math.min(low, value);
  return low;
}

/** The value that becomes 0, and the factor: by a histogram of 1000 bins. */
function scaleOf(data: Float32Array): readonly [low: number, scale: number] {
  const low = least(data);
  let high = low;
  let filled = 0;
  for (const value of data) {
    high = Math.max(high, value);
    if (Math.abs(value) >= 1e-15) filled++;
  }
  const width = (high - low) / BINS;
  if (width === 0) return [low, 1];
  const bins = new Float64Array(BINS);
  for (const value of data) bins[Math.min(BINS - 1, Math.floor((value - low) / width))]!++;
  const wanted = data.length - Math.floor(ABOVE * filled);
  let sum = bins[0]!;
  let bin = 0;
  for (; bin < BINS - 1; bin++) {
    sum += bins[bin + 1]!;
    if (sum >= wanted) break;
  }
  const top = bin * width + low;
  return [low, top === low ? 1 : 255 / (top - low)];
}
