import { formatBytes } from '../../core/bytes.ts';
import { OutOfMemoryError } from '../../core/errors.ts';
import type { Capabilities } from '../../engine/gpu/capabilities.ts';
import type { BrainVoxels } from './brain-voxels.ts';
import { DOUBLE_DEGREE, PLANE_SUMS, ROW_SUMS } from './cosine-field.ts';
import { GAUSSIANS, modelLayout } from './mixture.ts';

/** Lanes that share the sums over all voxels of a slab. */
export const MOMENT_LANES = 1024;

/** Whole planes of a brain with the plane before and after them, as a list of voxels of its own. */
export interface BrainSlab {
  /**
   * The slab's voxels and those of the two planes around it, positions and shape as in the whole brain; rows outside the
   * slab hold no voxels.
   */
  readonly voxels: BrainVoxels;
  /** Place in the whole list of the first voxel of {@link voxels}. */
  readonly start: number;
  /** First voxel of the slab proper in {@link voxels}, and the number after its last. */
  readonly first: number;
  readonly end: number;
}

/** Capabilities that bound a slab. */
export type SlabLimits = Pick<Capabilities, 'maxBindingBytes' | 'maxBufferBytes'>;

/** Voxels of the longest list, planes around it included, that a device binds and allocates with this many channels. */
export function largestSlab(
  shape: readonly [number, number, number],
  channels: number,
  limits: SlabLimits,
): number {
  const [nx, ny, nz] = shape;
  // Six neighbours are the widest table but for many channels.
  const bound = Math.floor(limits.maxBindingBytes / (4 * Math.max(6, channels)));
  // The larger of the two buffers: images, responsibilities and two posteriors, or positions, neighbours and priors.
  const perVoxel = 4 * (channels + GAUSSIANS + 6);
  const tables = DOUBLE_DEGREE * (nx + ny + nz) + ny * nz + channels * (ROW_SUMS * ny * nz + PLANE_SUMS * nz);
  const sums = GAUSSIANS * (modelLayout(channels).moments * MOMENT_LANES + 64);
  const padding = 4096;
  const rest = 4 * (tables + sums + padding);
  return Math.max(0, Math.min(bound, Math.floor((limits.maxBufferBytes - rest) / perVoxel)));
}

/**
 * Cuts a brain along z into as few slabs as hold at most `most` voxels each with their neighbouring planes.
 * @throws OutOfMemoryError where one plane and its two neighbours are more.
 */
export function cutSlabs(voxels: BrainVoxels, most: number, limits: SlabLimits): BrainSlab[] {
  const { shape, rowStart } = voxels;
  const [, ny, nz] = shape;
  /** Voxels before plane z. */
  const before = (z: number): number => rowStart[Math.min(Math.max(z, 0), nz) * ny]!;
  const length = (low: number, high: number): number => before(high + 1) - before(low - 1);
  const slabs: BrainSlab[] = [];
  for (let low = 0; low < nz; ) {
    if (length(low, low + 1) > most) throw refusal(length(low, low + 1), most, limits);
    let high = low + 1;
    while (high < nz && length(low, high + 1) <= most) high++;
    slabs.push(cutSlab(voxels, low, high));
    low = high;
  }
  return slabs;
}

/** Planes low to high - 1. */
function cutSlab(voxels: BrainVoxels, low: number, high: number): BrainSlab {
  const { shape, rowStart, neighbours, count } = voxels;
  const [, ny, nz] = shape;
  const start = rowStart[Math.max(low - 1, 0) * ny]!;
  const stop = rowStart[Math.min(high + 1, nz) * ny]!;
  const first = rowStart[low * ny]! - start;
  const end = rowStart[high * ny]! - start;
  if (start === 0 && stop === count && end - first === count) return { voxels, start, first, end };
  const own = stop - start;
  const near = new Uint32Array(6 * own);
  for (let side = 0; side < 6; side++)
    for (let v = 0; v < own; v++) {
      const other = neighbours[side * count + start + v]!;
      near[side * own + v] = other >= start && other < stop ? other - start : own;
    }
  const rows = rowStart.map((v) => Math.min(Math.max(v - start, first), end));
  return {
    voxels: {
      shape,
      count: own,
      index: voxels.index.subarray(start, stop),
      position: voxels.position.subarray(start, stop),
      neighbours: near,
      rowStart: rows,
    },
    start,
    first,
    end,
  };
}

function refusal(voxels: number, most: number, limits: SlabLimits): OutOfMemoryError {
  const { maxBindingBytes, maxBufferBytes } = limits;
  return new OutOfMemoryError(
    `three planes of the brain hold ${voxels} voxels; this adapter, which binds ${formatBytes(maxBindingBytes)} and ` +
      `allocates ${formatBytes(maxBufferBytes)} at once, segments at most ${most} together`,
  );
}
