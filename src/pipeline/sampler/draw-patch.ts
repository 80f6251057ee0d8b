import type { Random } from '../../core/random.ts';
import type { Extent3 } from './patch-cutter.ts';
import type { VoxelSet } from './voxel-set.ts';

/** How patches are drawn. */
export interface SamplerSettings {
  /** Share of the patches that hold a chosen voxel of a label; the others are centred uniformly in the brain. */
  readonly foregroundShare: number;
  /** Mirror each axis with probability 1/2. */
  readonly flips: boolean;
  /** Each image channel is multiplied by 1 ± this at most, and ± this is added; 0 for none. */
  readonly intensity: number;
  /** Each scan as often, or in proportion to its brain's voxels. */
  readonly scans: 'uniform' | 'proportional';
}

export const DEFAULT_SAMPLER: SamplerSettings = {
  foregroundShare: 1 / 3,
  flips: true,
  intensity: 0.1,
  scans: 'uniform',
};

/** What is drawn from. */
export interface DrawScan {
  /** [depth, height, width]; at least the patch along each axis. */
  readonly shape: Extent3;
  readonly brain: VoxelSet;
  /** The voxels of each label that patches are centred on; those without any are left out. */
  readonly foreground: readonly VoxelSet[];
}

/** One patch. */
export interface PatchDraw {
  /** Index of the scan. */
  readonly scan: number;
  /** First voxel; the patch lies inside the volume. */
  readonly corner: Extent3;
  readonly mirror: readonly [boolean, boolean, boolean];
  /** One factor and one summand an image channel. */
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

/**
 * Draws one patch. A chosen voxel of a label comes to lie anywhere in the middle half of the patch along each axis, so
 * that labels are not always central; a brain voxel in the middle. Then the window is moved into the volume. Each label
 * that a scan has is as likely as the others, however large it is; a scan without any gives a patch of the brain.
 * @param images channels that get an intensity of their own
 */
export function drawPatch(
  random: Random,
  scans: readonly DrawScan[],
  patch: Extent3,
  images: number,
  settings: SamplerSettings,
): PatchDraw {
  const scan = drawScan(random, scans, settings.scans);
  const { shape, brain, foreground } = scans[scan]!;
  const onLabel = random.uniform() < settings.foregroundShare && foreground.length > 0;
  const set = onLabel ? foreground[foreground.length > 1 ? random.integer(foreground.length) : 0]! : brain;
  const voxel = set.at(random.integer(set.count));
  const [, height, width] = shape;
  const centre = [Math.floor(voxel / (height * width)), Math.floor(voxel / width) % height, voxel % width];
  const corner = [0, 1, 2].map((a) => {
    const extent = patch[a]!;
    const quarter = Math.floor(extent / 4);
    const offset = onLabel ? quarter + random.integer(extent - 2 * quarter) : Math.floor(extent / 2);
    return Math.max(0, Math.min(shape[a]! - extent, centre[a]! - offset));
  });
  const mirror = [0, 1, 2].map(() => settings.flips && random.uniform() < 0.5);
  const { intensity } = settings;
  const scale = Array.from({ length: images }, () =>
    intensity > 0 ? random.uniform(1 - intensity, 1 + intensity) : 1,
  );
  const shift = Array.from({ length: images }, () =>
    intensity > 0 ? random.uniform(-intensity, intensity) : 0,
  );
  return {
    scan,
    corner: corner as [number, number, number],
    mirror: mirror as [boolean, boolean, boolean],
    scale,
    shift,
  };
}

function drawScan(random: Random, scans: readonly DrawScan[], how: SamplerSettings['scans']): number {
  if (how === 'uniform') return random.integer(scans.length);
  const total = scans.reduce((sum, { brain }) => sum + brain.count, 0);
  let left = random.integer(total);
  return scans.findIndex(({ brain }) => {
    left -= brain.count;
    return left < 0;
  });
}
