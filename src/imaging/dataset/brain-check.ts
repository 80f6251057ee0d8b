import type { Grid } from '../volume/volume.ts';
import { voxelVolume } from '../volume/volume.ts';
import type { Voxels } from '../volume/voxels.ts';
import { copyVoxels } from '../volume/voxels.ts';

/**
 * A region above this is more than a brain. Measured: 25 skull-stripped scans of 1.1 to 1.35 l, a template that is
 * larger than life of 2.06 l; 17 raw heads of 2.6 to 3.5 l. The largest skulls hold about 2 l.
 */
export const LARGEST_BRAIN_ML = 2200;
/** A brain below this is a child's, a part of one, or has a wrong voxel size in its header. */
export const SMALLEST_BRAIN_ML = 500;

/** Depths below the surface in mm: the shell that scalp, skull and air lie in, and what is brain in any case. */
const SHELL = [3, 6] as const;
const DEEP = 15;
/** The shell of a head holds air: its median is 0.04 to 0.3 of the deep one, that of brains 0.54 and more. */
const AIR = 0.35;
/** Fat is bright in T1w and FLAIR: the 90th percentile is 1.6 to 3.1 of the deep median, in brains up to 1.3. */
const FAT = 1.6;
const FAT_IN: readonly string[] = ['T1w', 'FLAIR'];
/** Voxels that either region must have: images of a few voxels are not judged by their shell. */
const ENOUGH = 200;
/** Edge in mm of the voxels that depths are measured on. */
const COARSE = 2;

/** What a brain region looks like. */
export interface BrainFinding {
  readonly ml: number;
  /** Why it looks like a whole head, in a clause; null if it does not. */
  readonly head: string | null;
  /** What else is odd about it, in a clause; null if nothing is. */
  readonly odd: string | null;
}

/**
 * Judges whether a region is a brain, by its volume; where it was derived from the images themselves, also by what
 * lies in a shell 3 to 6 mm below its surface. The borders of the image count as no surface, so that slabs are judged.
 *
 * @param images whose non-zero voxels made the region; empty for a brain mask that came as a file
 * @param brain 1 inside
 */
export function judgeBrain(
  images: readonly { readonly name: string; readonly data: Voxels }[],
  brain: Uint8Array,
  grid: Grid,
): BrainFinding {
  let count = 0;
  for (let i = 0; i < brain.length; i++) if (brain[i] !== 0) count++;
  const ml = (count * voxelVolume(grid)) / 1000;
  if (ml > LARGEST_BRAIN_ML)
    return { ml, head: `it holds ${liters(ml)} l, and brains have 1 to 2 l`, odd: null };
  const head = images.length > 0 ? shellOfHead(images, brain, grid) : null;
  const small = ml < SMALLEST_BRAIN_ML && Math.min(...fieldOfView(grid)) >= 100;
  return { ml, head, odd: small ? `it holds ${ml.toFixed(0)} ml only, and brains have 1 to 2 l` : null };
}

function liters(ml: number): string {
  return (ml / 1000).toFixed(2);
}

function fieldOfView({ shape, spacing }: Grid): number[] {
  return shape.map((n, axis) => n * spacing[axis]!);
}

function shellOfHead(
  images: readonly { readonly name: string; readonly data: Voxels }[],
  brain: Uint8Array,
  grid: Grid,
): string | null {
  const { depth, index } = depths(brain, grid);
  for (const { name, data } of images) {
    const shell: number[] = [];
    const deep: number[] = [];
    const value = new Float32Array(1);
    for (let i = 0; i < depth.length; i++) {
      const mm = depth[i]!;
      const inShell = mm > SHELL[0] && mm <= SHELL[1];
      if (!inShell && mm <= DEEP) continue;
      copyVoxels(data, index[i]!, 1, value);
      (inShell ? shell : deep).push(value[0]!);
    }
    if (shell.length < ENOUGH || deep.length < ENOUGH) continue;
    const inside = quantile(deep, 0.5);
    if (!(inside > 0)) continue;
    const middle = quantile(shell, 0.5) / inside;
    if (middle < AIR)
      return `${name} is dark just below the surface of what is not 0 (${middle.toFixed(2)} of its inside), as air and skull are`;
    const bright = quantile(shell, 0.9) / inside;
    if (FAT_IN.includes(name) && bright > FAT)
      return `${name} is bright just below the surface of what is not 0 (${bright.toFixed(2)} times its inside), as the scalp is`;
  }
  return null;
}

function quantile(values: number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(share * (sorted.length - 1))]!;
}

/**
 * Depth below the mask's surface in mm, 0 outside, up to a little more than DEEP, on every second or so voxel: a
 * Euclidean distance transform, one axis after the other (Felzenszwalb and Huttenlocher 2012), with a short reach.
 * @returns `index`: the voxel of the whole grid that each depth belongs to
 */
function depths(
  mask: Uint8Array,
  { shape, spacing }: Grid,
): { readonly depth: Float32Array; readonly index: Uint32Array } {
  const step = spacing.map((mm) => Math.max(1, Math.round(COARSE / mm)));
  const size = shape.map((n, axis) => Math.ceil(n / step[axis]!));
  const [nx, ny, nz] = size as [number, number, number];
  const edges = spacing.map((mm, axis) => mm * step[axis]!);
  const index = new Uint32Array(nx * ny * nz);
  const far = (DEEP + 2 * Math.max(COARSE, ...edges)) ** 2;
  let squares = new Float32Array(index.length);
  for (let z = 0, i = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) {
        index[i] = (z * step[2]! * shape[1] + y * step[1]!) * shape[0] + x * step[0]!;
        squares[i] = mask[index[i]!] === 0 ? 0 : far;
      }
  for (const [axis, stride] of [1, nx, nx * ny].entries()) {
    const mm = edges[axis]!;
    const reach = Math.floor(Math.sqrt(far) / mm);
    const length = size[axis]!;
    const next = new Float32Array(squares.length);
    for (let i = 0; i < squares.length; i++) {
      let least = squares[i]!;
      if (least > 0) {
        const at = Math.floor(i / stride) % length;
        const from = Math.max(-at, -reach);
        const to = Math.min(length - 1 - at, reach);
        for (let k = from; k <= to; k++) {
          const sum = squares[i + k * stride]! + (k * mm) ** 2;
          if (sum < least) least = sum;
        }
      }
      next[i] = least;
    }
    squares = next;
  }
  return { depth: squares.map(Math.sqrt), index };
}
