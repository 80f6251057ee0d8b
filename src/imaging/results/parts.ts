import { UsageError } from '../../core/errors.ts';
import { connectedComponents, requireMask, voxelMl } from '../evaluate/lesions.ts';
import type { Table } from '../evaluate/tables.ts';
import { type Grid, toWorld } from '../volume/volume.ts';
import { longestDiameter } from './diameter.ts';
import { CONNECTIVITY, partWords } from './part-words.ts';
import { type PartImage, surroundingContrasts } from './surroundings.ts';

/** One part of what a mask marks, such as a lesion: a 26-connected component. */
export interface Part {
  /** From 1, largest first. */
  readonly number: number;
  readonly voxels: number;
  readonly ml: number;
  /** Longest diameter in mm: see `longestDiameter`. */
  readonly diameter: number;
  /** The part's voxel nearest its centre of mass, so that a crosshair put there is inside: world mm, RAS+. */
  readonly place: readonly [number, number, number];
  /** `left` of the patient where x is below 0. */
  readonly side: 'left' | 'right';
  /** Of the part's voxels. */
  readonly meanProbability: number;
  readonly maxProbability: number;
  /** By image: see `surroundingContrasts`; missing where no images are given. */
  readonly contrast?: Readonly<Record<string, number>>;
  /** Where in the brain it is; missing where that is not known. */
  readonly region?: string;
  /** Whether it touches the truth; missing where there is none. */
  readonly found?: boolean;
}

/** What {@link listParts} measures beside size and place. Arrays have one value per voxel of the grid. */
export interface PartsOptions {
  /** Not 0 where the label truly is. */
  readonly truth?: Uint8Array | undefined;
  /** Images that contrasts to the surroundings are taken from, and the brain: not 0 inside. */
  readonly images?: { readonly list: readonly PartImage[]; readonly brain: Uint8Array } | undefined;
}

/**
 * The parts of a mask, largest first; of equals the one that comes first in memory.
 * @param probabilities one per voxel
 * @throws ShapeError where an array does not fit the grid.
 */
export function listParts(
  mask: Uint8Array,
  probabilities: Float32Array,
  grid: Grid,
  { truth, images }: PartsOptions = {},
): Part[] {
  requireMask('listParts, probabilities', probabilities, grid);
  if (truth) requireMask('listParts, truth', truth, grid);
  if (images) requireMask('listParts, brain', images.brain, grid);
  const members = partVoxels(mask, grid);
  const contrasts = images && surroundingContrasts(mask, members, grid, images.list, images.brain);
  const ml = voxelMl(grid);
  return members.map((voxels, i) => {
    const place = toWorld(grid, nearestToCentre(voxels, grid));
    let sum = 0;
    let max = 0;
    for (const voxel of voxels) {
      sum += probabilities[voxel]!;
      max = Math.max(max, probabilities[voxel]!);
    }
    return {
      number: i + 1,
      voxels: voxels.length,
      ml: voxels.length * ml,
      diameter: longestDiameter(voxels, grid),
      place,
      side: place[0] < 0 ? ('left' as const) : ('right' as const),
      meanProbability: sum / voxels.length,
      maxProbability: max,
      ...(contrasts ? { contrast: contrasts[i]! } : {}),
      ...(truth ? { found: voxels.some((voxel) => truth[voxel] !== 0) } : {}),
    };
  });
}

/**
 * A mask without one of its parts.
 * @param number of the part in {@link listParts}
 * @throws UsageError if there is no such part.
 */
export function withoutPart(mask: Uint8Array, grid: Grid, number: number): Uint8Array {
  const members = partVoxels(mask, grid);
  const voxels = members[number - 1];
  if (!voxels)
    throw new UsageError(`there is no part ${number}`, { hint: `The mask has ${members.length} parts.` });
  const rest = mask.slice();
  for (const voxel of voxels) rest[voxel] = 0;
  return rest;
}

/** The voxels of each part of a mask, in the order of {@link listParts}: largest first; of equals the one that comes first in memory. */
export function partVoxels(mask: Uint8Array, grid: Grid): Int32Array[] {
  const { labels, sizes } = connectedComponents(mask, grid, CONNECTIVITY);
  return groupVoxels(labels, sizes).sort((a, b) => b.length - a.length);
}

/**
 * Takes parts out of a mask whose longest diameter is below a limit.
 * @param mask is changed
 * @param diameter in mm
 * @returns how many were taken out, and their volume
 */
export function dropSmallParts(
  mask: Uint8Array,
  grid: Grid,
  diameter: number,
): { readonly parts: number; readonly ml: number } {
  const { labels, sizes } = connectedComponents(mask, grid, CONNECTIVITY);
  let parts = 0;
  let voxels = 0;
  for (const part of groupVoxels(labels, sizes)) {
    if (longestDiameter(part, grid) >= diameter) continue;
    for (const voxel of part) mask[voxel] = 0;
    parts++;
    voxels += part.length;
  }
  return { parts, ml: voxels * voxelMl(grid) };
}

/** The voxels of each component, in memory's order. */
export function groupVoxels(labels: Int32Array, sizes: readonly number[]): Int32Array[] {
  const members = sizes.map((size) => new Int32Array(size));
  const filled = new Int32Array(sizes.length);
  for (let i = 0; i < labels.length; i++) {
    const own = labels[i]! - 1;
    if (own >= 0) members[own]![filled[own]!++] = i;
  }
  return members;
}

/** Of equally near ones the first in memory. */
function nearestToCentre(voxels: Int32Array, { shape: [nx, ny] }: Grid): [number, number, number] {
  const indexOf = (i: number): [number, number, number] => [
    i % nx,
    Math.floor(i / nx) % ny,
    Math.floor(i / (nx * ny)),
  ];
  const centre = [0, 0, 0];
  for (const voxel of voxels) for (const [a, v] of indexOf(voxel).entries()) centre[a]! += v;
  let nearest: [number, number, number] = [0, 0, 0];
  let distance = Number.POSITIVE_INFINITY;
  for (const voxel of voxels) {
    const index = indexOf(voxel);
    const own = index.reduce((sum, v, a) => sum + (v - centre[a]! / voxels.length) ** 2, 0);
    if (own < distance) [nearest, distance] = [index, own];
  }
  return nearest;
}

/** The parts as a table for readers. @param corrected whether somebody corrected the mask */
export function partTable(parts: readonly Part[], label = 'lesion', corrected = false): Table {
  const truth = parts.some(({ found }) => found !== undefined);
  const regions = parts.some(({ region }) => region !== undefined);
  const { title, many } = partWords(label);
  return {
    caption: `${corrected ? 'Corrected' : 'Predicted'} ${many}, largest first; places in mm to the right, front and top (RAS+)`,
    columns: [
      { key: 'number', label: title, kind: 'text' },
      { key: 'ml', label: 'Volume', unit: 'ml', kind: 'number', digits: 3 },
      { key: 'diameter', label: 'Longest diameter', unit: 'mm', kind: 'number', digits: 1 },
      ...(regions ? [{ key: 'region', label: 'Region', kind: 'text' as const }] : []),
      { key: 'side', label: 'Side', kind: 'text' },
      { key: 'x', label: 'x', unit: 'mm', kind: 'number' },
      { key: 'y', label: 'y', unit: 'mm', kind: 'number' },
      { key: 'z', label: 'z', unit: 'mm', kind: 'number' },
      { key: 'meanProbability', label: 'Mean probability', kind: 'number', digits: 2 },
      ...(truth ? [{ key: 'found', label: 'In the truth', kind: 'text' as const }] : []),
    ],
    rows: parts.map(({ number, ml, diameter, region, side, place: [x, y, z], meanProbability, found }) => ({
      number: String(number),
      ml,
      diameter,
      region: region ?? null,
      side,
      x,
      y,
      z,
      meanProbability,
      found: found === undefined ? null : found ? 'yes' : 'no',
    })),
  };
}
