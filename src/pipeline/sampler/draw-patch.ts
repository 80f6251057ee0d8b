import type { Random } from '../../core/random.ts';
import type { AugmentContext, BoundAugmentation, PassInput, SpatialChange } from '../augment/augmentation.ts';
import { bindAugmentations } from '../augment/index.ts';
import { composeChanges, type SpatialTransform } from '../augment/transform.ts';
import type { Extent3 } from './patch-cutter.ts';
import type { VoxelSet } from './voxel-set.ts';

/** How patches are drawn. */
export interface SamplerSettings {
  /** Share of the patches that hold a chosen voxel of a label; the others are centred uniformly in the brain. */
  readonly foregroundShare: number;
  /** What is changed at random, in the order in which it is applied. */
  readonly augmentations: readonly BoundAugmentation[];
  /** Each scan as often, or in proportion to its brain's voxels. */
  readonly scans: 'uniform' | 'proportional';
}

export const DEFAULT_SAMPLER: SamplerSettings = {
  foregroundShare: 1 / 3,
  augmentations: bindAugmentations(['mirror', 'intensity']),
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
  /** Where its voxels are read from. */
  readonly transform: SpatialTransform;
  /** By the name of the augmentation, for each image channel what each kernel is given, or undefined. */
  readonly intensities: ReadonlyMap<string, readonly (readonly PassInput[] | undefined)[]>;
}

/**
 * Draws one patch. A chosen voxel of a label comes to lie anywhere in the middle half of the patch along each axis, so
 * that labels are not always central; a brain voxel in the middle. Then the window is moved into the volume. Each label
 * that a scan has is as likely as the others, however large it is; a scan without any gives a patch of the brain.
 * @param images channels whose intensities are changed
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
  const context: AugmentContext = { patch, images };
  const changes: (SpatialChange | undefined)[] = [];
  const intensities = new Map<string, readonly (readonly PassInput[] | undefined)[]>();
  for (const each of settings.augmentations)
    if (each.kind === 'spatial') changes.push(each.draw(random, context));
    else intensities.set(each.name, each.draw(random, context));
  return {
    scan,
    corner: corner as [number, number, number],
    transform: composeChanges(changes),
    intensities,
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
