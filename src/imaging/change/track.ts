import { connectedComponents, requireMask, voxelMl } from '../evaluate/lesions.ts';
import type { Grid } from '../volume/volume.ts';

/** What becomes of lesions between two visits, in the order of their values in label images, from 1. */
export const CHANGES = ['new', 'enlarging', 'stable', 'shrinking', 'vanished', 'split', 'merged'] as const;

/** One of {@link CHANGES}. */
export type Change = (typeof CHANGES)[number];

/** Lesions of two visits that meet one another, and what became of them. */
export interface TrackedLesion {
  /** From 1, in memory's order of their first voxels. */
  readonly number: number;
  readonly change: Change;
  /** Lesions of the first and of the second visit. */
  readonly lesions: readonly [number, number];
  readonly voxels: readonly [number, number];
  readonly ml: readonly [number, number];
}

/** From where on a change of volume counts: it must be at least both. */
export interface ChangeLimits {
  /** Of the first visit's volume (default 0.3). */
  readonly share?: number;
  /** Voxels (default 3). */
  readonly voxels?: number;
}

/** What {@link trackLesions} found. */
export interface Tracking {
  readonly lesions: readonly TrackedLesion[];
  /** 0 for none, else the place of the change in {@link CHANGES} from 1, where either visit has a lesion. */
  readonly image: Uint8Array;
  /** All lesions of the first and of the second visit. */
  readonly ml: readonly [number, number];
}

/**
 * Tracks lesions (26-connected) between two masks on one grid. Those that share a voxel belong together, directly or by
 * way of others: one alone is new or vanished; one and one are enlarging or shrinking if their volumes differ by the
 * limits, else stable; one that became several is split; several that became one, or several, are merged.
 * @throws ShapeError where a mask does not fit the grid.
 */
export function trackLesions(
  first: Uint8Array,
  second: Uint8Array,
  grid: Grid,
  limits: ChangeLimits = {},
): Tracking {
  requireMask('trackLesions, second', second, grid);
  const before = connectedComponents(first, grid);
  const after = connectedComponents(second, grid);
  // Components of the first visit, then those of the second, joined where they share a voxel.
  const parents = Int32Array.from({ length: before.count + after.count }, (_, k) => k);
  const rootOf = (k: number): number => {
    let at = k;
    while (parents[at] !== at) at = parents[at]!;
    parents[k] = at;
    return at;
  };
  const nodesAt = (i: number): readonly [number, number] => [
    before.labels[i]! - 1,
    after.labels[i]! === 0 ? -1 : before.count + after.labels[i]! - 1,
  ];
  for (let i = 0; i < first.length; i++) {
    const [a, b] = nodesAt(i);
    if (a < 0 || b < 0) continue;
    const [p, q] = [rootOf(a), rootOf(b)];
    parents[Math.max(p, q)] = Math.min(p, q);
  }
  const groups = new Map<number, { lesions: [number, number]; voxels: [number, number] }>();
  const image = new Uint8Array(first.length);
  // In memory's order.
  for (let i = 0; i < first.length; i++) {
    const [a, b] = nodesAt(i);
    if (a < 0 && b < 0) continue;
    const root = rootOf(a < 0 ? b : a);
    if (!groups.has(root)) groups.set(root, { lesions: [0, 0], voxels: [0, 0] });
  }
  for (let k = 0; k < parents.length; k++) {
    const group = groups.get(rootOf(k))!;
    const visit = k < before.count ? 0 : 1;
    group.lesions[visit]++;
    group.voxels[visit] += visit === 0 ? before.sizes[k]! : after.sizes[k - before.count]!;
  }
  const changes = new Map([...groups].map(([root, group]) => [root, changeOf(group, limits)]));
  for (let i = 0; i < first.length; i++) {
    const [a, b] = nodesAt(i);
    if (a >= 0 || b >= 0) image[i] = CHANGES.indexOf(changes.get(rootOf(a < 0 ? b : a))!) + 1;
  }
  const ml = voxelMl(grid);
  const total = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0) * ml;
  return {
    lesions: [...groups].map(([root, { lesions, voxels }], n) => ({
      number: n + 1,
      change: changes.get(root)!,
      lesions,
      voxels,
      ml: [voxels[0] * ml, voxels[1] * ml],
    })),
    image,
    ml: [total(before.sizes), total(after.sizes)],
  };
}

function changeOf(
  { lesions: [a, b], voxels: [from, to] }: Pick<TrackedLesion, 'lesions' | 'voxels'>,
  { share = 0.3, voxels = 3 }: ChangeLimits,
): Change {
  if (a === 0) return 'new';
  if (b === 0) return 'vanished';
  if (a > 1) return 'merged';
  if (b > 1) return 'split';
  const difference = to - from;
  if (Math.abs(difference) < Math.max(share * from, voxels) || difference === 0) return 'stable';
  return difference > 0 ? 'enlarging' : 'shrinking';
}
