import type { Random } from '../../core/random.ts';
import { labelComponents } from '../volume/components.ts';
import type { Grid } from '../volume/volume.ts';
import { chamferDistance, eachInBox } from './fields.ts';

/** Values of a label map that images are synthesised from. */
export const LABELS = { outside: 0, CSF: 1, GM: 2, WM: 3, lesion: 4 } as const;

/** One lesion of a label map, to be pasted elsewhere. */
export interface BankedLesion {
  /** Offsets of its voxels from its centre, in voxels: x, y, z after one another. */
  readonly offsets: Int16Array;
  /** Where its centre lies in the box around the brain, 0 to 1 along each axis. */
  readonly place: readonly [number, number, number];
  /** Distance of its centre from the ventricles, in voxels. */
  readonly depth: number;
}

/** A brain without its lesions, and what they were. */
export interface Anatomy {
  readonly name: string;
  readonly grid: Grid;
  /** 0 to 3 of {@link LABELS}: lesions and what is unsure around them are white matter. */
  readonly tissue: Uint8Array;
  /** The lesions as drawn, 1 where there is one. */
  readonly lesions: Uint8Array;
  /** Distance from the ventricles, in voxels; large where there are none. */
  readonly depth: Float32Array;
  /** First and last voxel of the brain along each axis. */
  readonly box: readonly [readonly [number, number, number], readonly [number, number, number]];
  readonly bank: readonly BankedLesion[];
}

/** How far from the outside fluid counts as a ventricle, in mm. */
const DEEP_MM = 28;

/**
 * Takes a label map apart. A tissue segmentation that saw the lesions has grey matter in and around them; there white
 * matter is put: in the lesions, and in grey matter next to one that has more white matter than grey around it.
 */
export function dissect(name: string, grid: Grid, labels: Uint8Array): Anatomy {
  const [nx, ny, nz] = grid.shape;
  const lesions = labels.map((value) => (value === LABELS.lesion ? 1 : 0));
  const tissue = labels.map((value) => (value === LABELS.lesion ? LABELS.WM : value));
  const toLesion = chamferDistance(lesions, grid.shape);
  const filled = tissue.slice();
  for (let i = 0; i < tissue.length; i++) {
    if (tissue[i] !== LABELS.GM || toLesion[i]! > 2.5) continue;
    let white = 0;
    let grey = 0;
    eachInBox(grid.shape, i, 3, (j) => {
      if (tissue[j] === LABELS.WM) white++;
      else if (tissue[j] !== LABELS.outside) grey++;
    });
    if (white > grey) filled[i] = LABELS.WM;
  }
  const outside = labels.map((value) => (value === LABELS.outside ? 1 : 0));
  const toOutside = chamferDistance(outside, grid.shape);
  const step = Math.cbrt(grid.spacing[0] * grid.spacing[1] * grid.spacing[2]);
  const ventricles = tissue.map((value, i) =>
    value === LABELS.CSF && toOutside[i]! * step > DEEP_MM ? 1 : 0,
  );
  const depth = chamferDistance(ventricles, grid.shape);
  const low: [number, number, number] = [nx, ny, nz];
  const high: [number, number, number] = [0, 0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === LABELS.outside) continue;
    const at = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))] as const;
    for (const axis of [0, 1, 2] as const) {
      if (at[axis] < low[axis]) low[axis] = at[axis];
      if (at[axis] > high[axis]) high[axis] = at[axis];
    }
  }
  return {
    name,
    grid,
    tissue: filled,
    lesions,
    depth,
    box: [low, high],
    bank: bankOf(lesions, grid.shape, low, high, depth),
  };
}

function bankOf(
  lesions: Uint8Array,
  shape: Grid['shape'],
  low: readonly [number, number, number],
  high: readonly [number, number, number],
  depth: Float32Array,
): BankedLesion[] {
  const [nx, ny] = shape;
  const { labels, sizes } = labelComponents(lesions, shape, 26);
  const members = sizes.map((size) => new Int32Array(size));
  const filled = sizes.map(() => 0);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label > 0) members[label - 1]![filled[label - 1]!++] = i;
  }
  return members.map((voxels) => {
    const at = (i: number): [number, number, number] => [
      i % nx,
      Math.floor(i / nx) % ny,
      Math.floor(i / (nx * ny)),
    ];
    const centre: [number, number, number] = [0, 0, 0];
    for (const i of voxels)
      for (const axis of [0, 1, 2] as const) centre[axis] += at(i)[axis] / voxels.length;
    const middle = centre.map(Math.round) as [number, number, number];
    const offsets = new Int16Array(3 * voxels.length);
    voxels.forEach((i, v) => {
      const place = at(i);
      for (const axis of [0, 1, 2] as const) offsets[3 * v + axis] = place[axis] - middle[axis];
    });
    return {
      offsets,
      place: [0, 1, 2].map(
        (axis) => (middle[axis]! - low[axis]!) / Math.max(1, high[axis]! - low[axis]!),
      ) as unknown as BankedLesion['place'],
      depth: depth[(middle[2] * shape[1] + middle[1]) * nx + middle[0]]!,
    };
  });
}

/** A lesion of a given radius (voxels): an ellipsoid with an uneven rim. */
export function smallLesion(random: Random, radius: number): Int16Array {
  const radii = [0, 1, 2].map(() => radius * random.uniform(0.7, 1.4));
  const reach = Math.ceil(Math.max(...radii));
  const offsets: number[] = [];
  for (let z = -reach; z <= reach; z++)
    for (let y = -reach; y <= reach; y++)
      for (let x = -reach; x <= reach; x++) {
        const d = (x / radii[0]!) ** 2 + (y / radii[1]!) ** 2 + (z / radii[2]!) ** 2;
        if (d <= random.uniform(0.75, 1.15) || (x === 0 && y === 0 && z === 0)) offsets.push(x, y, z);
      }
  return Int16Array.from(offsets);
}
