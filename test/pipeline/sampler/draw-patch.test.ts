import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { bindAugmentations } from '../../../src/pipeline/augment/index.ts';
import { mirroring } from '../../../src/pipeline/augment/transform.ts';
import {
  DEFAULT_SAMPLER,
  type DrawScan,
  drawPatch,
  type PatchDraw,
} from '../../../src/pipeline/sampler/draw-patch.ts';
import { VoxelSet } from '../../../src/pipeline/sampler/voxel-set.ts';

type Extent3 = readonly [number, number, number];

const indexOf = ([, h, w]: Extent3, [z, y, x]: Extent3): number => (z * h + y) * w + x;

function scan(shape: Extent3, marked: readonly Extent3[], brainShare = 1): DrawScan {
  const size = shape[0] * shape[1] * shape[2];
  const mask = new Uint8Array(size);
  for (const voxel of marked) mask[indexOf(shape, voxel)] = 1;
  const brain = new Uint8Array(size).fill(1, 0, Math.round(size * brainShare));
  return {
    shape,
    brain: new VoxelSet(brain, shape[2]),
    foreground: [new VoxelSet(mask, shape[2])].filter(({ count }) => count > 0),
  };
}

function draw(
  count: number,
  scans: readonly DrawScan[],
  patch: Extent3,
  changes: Partial<typeof DEFAULT_SAMPLER>,
  seed = 1,
): PatchDraw[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () =>
    drawPatch(random, scans, patch, 2, { ...DEFAULT_SAMPLER, ...changes }),
  );
}

describe('drawing a patch', () => {
  const patch: Extent3 = [8, 6, 5];

  it('keeps every window inside the volume, also where the volume is the patch', () => {
    const shapes: Extent3[] = [
      [9, 17, 23],
      [8, 6, 5],
    ];
    for (const shape of shapes) {
      for (const { corner } of draw(300, [scan(shape, [[0, 0, 0]])], patch, { foregroundShare: 0.5 }))
        corner.forEach((c, a) => {
          expect(c).toBeGreaterThanOrEqual(0);
          expect(c + patch[a]!).toBeLessThanOrEqual(shape[a]!);
        });
    }
  });

  it('holds the lesion in its middle half, at every place there', () => {
    const voxel: Extent3 = [20, 15, 16];
    const draws = draw(2000, [scan([40, 31, 33], [voxel])], patch, { foregroundShare: 1 });
    for (const [a, places] of [
      [2, 3, 4, 5],
      [1, 2, 3, 4],
      [1, 2, 3],
    ].entries()) {
      const seen = new Set(draws.map(({ corner }) => voxel[a]! - corner[a]!));
      expect([...seen].sort()).toEqual(places);
    }
  });

  it('is centred on labels as often as asked, and on every brain voxel alike', () => {
    const shape: Extent3 = [40, 40, 40];
    const voxel: Extent3 = [5, 35, 20];
    const brain = scan(shape, [voxel], 0.5);
    const near = (d: PatchDraw): boolean =>
      d.corner.every((c, a) => voxel[a]! - c >= 1 && voxel[a]! - c < patch[a]!);
    const share = draw(3000, [brain], patch, { foregroundShare: 1 / 3 }).filter(near).length / 3000;
    expect(share).toBeGreaterThan(0.31);
    expect(share).toBeLessThan(0.37);
    const centres = draw(3000, [brain], patch, { foregroundShare: 0 }).map(({ corner }) => corner[0] + 4);
    // The brain is the half of the volume with z below 20.
    expect(Math.max(...centres)).toBe(19);
    const low = centres.filter((z) => z < 10).length / 3000;
    expect(low).toBeGreaterThan(0.46);
    expect(low).toBeLessThan(0.54);
  });

  it('draws from the brain if a scan has no label', () => {
    const draws = draw(50, [scan([20, 20, 20], [])], patch, { foregroundShare: 1 });
    expect(new Set(draws.map(({ corner }) => corner.join())).size).toBeGreaterThan(20);
  });

  it('takes scans alike, or in proportion to their brains', () => {
    const scans = [scan([20, 20, 20], []), scan([20, 20, 20], [], 0.25)];
    const second = (how: 'uniform' | 'proportional'): number =>
      draw(4000, scans, patch, { scans: how }).filter((d) => d.scan === 1).length / 4000;
    expect(second('uniform')).toBeCloseTo(0.5, 1);
    expect(second('proportional')).toBeCloseTo(0.2, 1);
  });

  it('mirrors each axis half the time and changes intensities within bounds, or not at all', () => {
    const scans = [scan([20, 20, 20], [])];
    const augmentations = bindAugmentations(['intensity', 'mirror'], { intensity: 0.2 });
    const draws = draw(2000, scans, patch, { augmentations });
    for (const a of [0, 1, 2])
      expect(draws.filter(({ transform }) => mirroring(transform)![a]).length / 2000).toBeCloseTo(0.5, 1);
    const given = draws.flatMap(({ intensities }) =>
      intensities.get('intensity')!.map((passes) => passes![0]!.params as Record<string, { f32: number }>),
    );
    const scales = given.map(({ scale }) => scale!.f32);
    const shifts = given.map(({ shift }) => shift!.f32);
    expect(scales.length).toBe(4000);
    expect(Math.min(...scales)).toBeGreaterThanOrEqual(0.8);
    expect(Math.max(...scales)).toBeLessThanOrEqual(1.2);
    expect(Math.min(...shifts)).toBeLessThan(-0.19);
    expect(Math.max(...shifts)).toBeGreaterThan(0.19);
    const none = bindAugmentations(['mirror', 'intensity'], { flips: false, intensity: 0 });
    for (const { transform, intensities } of draw(20, scans, patch, { augmentations: none })) {
      expect(mirroring(transform)).toEqual([false, false, false]);
      expect(intensities.get('intensity')).toEqual([]);
    }
  });

  it('repeats with the seed', () => {
    const scans = [scan([20, 20, 20], [[3, 3, 3]]), scan([9, 9, 9], [])];
    expect(draw(30, scans, patch, {}, 7)).toEqual(draw(30, scans, patch, {}, 7));
    expect(draw(30, scans, patch, {}, 7)).not.toEqual(draw(30, scans, patch, {}, 8));
  });
});
