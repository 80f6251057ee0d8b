import { type Grid, toWorld } from '../volume/volume.ts';
import { connectedComponents, requireMask, voxelMl } from './lesions.ts';
import type { Table } from './tables.ts';

/** One predicted lesion: a 26-connected component of the mask. */
export interface Lesion {
  /** From 1, largest first. */
  readonly number: number;
  readonly voxels: number;
  readonly ml: number;
  /** The lesion's voxel nearest its centre of mass, so that a crosshair put there is inside: world mm, RAS+. */
  readonly place: readonly [number, number, number];
  /** `left` of the patient where x is below 0. */
  readonly side: 'left' | 'right';
  /** Of the lesion's voxels. */
  readonly meanProbability: number;
  readonly maxProbability: number;
  /** Whether it touches a true lesion; missing where there is no truth. */
  readonly found?: boolean;
}

/**
 * The lesions of a mask, largest first; of equals the one that comes first in memory.
 * @param probabilities one a voxel
 * @param truth where given, one byte a voxel, not 0 = lesion
 * @throws ShapeError where an array does not fit the grid.
 */
export function listLesions(
  mask: Uint8Array,
  probabilities: Float32Array,
  grid: Grid,
  truth?: Uint8Array,
): Lesion[] {
  requireMask('listLesions, probabilities', probabilities, grid);
  if (truth) requireMask('listLesions, truth', truth, grid);
  const { labels, sizes } = connectedComponents(mask, grid);
  const [nx, ny] = grid.shape;
  const sums = sizes.map(() => ({ x: 0, y: 0, z: 0, p: 0, max: 0, found: false }));
  const eachVoxel = (visit: (label: number, x: number, y: number, z: number, i: number) => void): void => {
    for (let i = 0; i < labels.length; i++)
      if (labels[i] !== 0)
        visit(labels[i]! - 1, i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny)), i);
  };
  eachVoxel((label, x, y, z, i) => {
    const sum = sums[label]!;
    sum.x += x;
    sum.y += y;
    sum.z += z;
    sum.p += probabilities[i]!;
    sum.max = Math.max(sum.max, probabilities[i]!);
    if (truth && truth[i] !== 0) sum.found = true;
  });
  const nearest = sizes.map((): { distance: number; voxel: [number, number, number] } => ({
    distance: Number.POSITIVE_INFINITY,
    voxel: [0, 0, 0],
  }));
  eachVoxel((label, x, y, z) => {
    const sum = sums[label]!;
    const n = sizes[label]!;
    const distance = (x - sum.x / n) ** 2 + (y - sum.y / n) ** 2 + (z - sum.z / n) ** 2;
    if (distance < nearest[label]!.distance) nearest[label] = { distance, voxel: [x, y, z] };
  });
  const ml = voxelMl(grid);
  return sizes
    .map((voxels, i) => {
      const place = toWorld(grid, nearest[i]!.voxel);
      const sum = sums[i]!;
      return {
        voxels,
        ml: voxels * ml,
        place,
        side: place[0] < 0 ? ('left' as const) : ('right' as const),
        meanProbability: sum.p / voxels,
        maxProbability: sum.max,
        ...(truth ? { found: sum.found } : {}),
      };
    })
    .sort((a, b) => b.voxels - a.voxels)
    .map((lesion, i) => ({ number: i + 1, ...lesion }));
}

/** The lesions as a table. */
export function lesionTable(lesions: readonly Lesion[]): Table {
  const truth = lesions.some(({ found }) => found !== undefined);
  return {
    caption: 'Predicted lesions, largest first; places in mm to the right, front and top (RAS+)',
    columns: [
      { key: 'number', label: 'Lesion', kind: 'text' },
      { key: 'ml', label: 'Volume', unit: 'ml', kind: 'number', digits: 3 },
      { key: 'side', label: 'Side', kind: 'text' },
      { key: 'x', label: 'x', unit: 'mm', kind: 'number' },
      { key: 'y', label: 'y', unit: 'mm', kind: 'number' },
      { key: 'z', label: 'z', unit: 'mm', kind: 'number' },
      { key: 'meanProbability', label: 'Mean probability', kind: 'number', digits: 2 },
      ...(truth ? [{ key: 'found', label: 'In the truth', kind: 'text' as const }] : []),
    ],
    rows: lesions.map(({ number, ml, side, place: [x, y, z], meanProbability, found }) => ({
      number: String(number),
      ml,
      side,
      x,
      y,
      z,
      meanProbability,
      found: found === undefined ? null : found ? 'yes' : 'no',
    })),
  };
}
