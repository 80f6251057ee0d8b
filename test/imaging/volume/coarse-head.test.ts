import { describe, expect, it } from 'vitest';
import { coarseGrid, coarseHead } from '../../../src/imaging/volume/coarse-head.ts';
import { orientationOf } from '../../../src/imaging/volume/orientation.ts';
import { resample } from '../../../src/imaging/volume/resample.ts';
import { gridFromAffine, toWorld, voxelCount } from '../../../src/imaging/volume/volume.ts';

/** Thick slices, the first axis to the left, the second to the feet, the third to the front: none where it is wanted. */
const grid = gridFromAffine(
  [40, 30, 10],
  Float64Array.of(-1, 0, 0, 0, 0, 0, -1, 0, 0, 4, 0, 0, 20, -18, 15, 1),
);
const ball = Uint8Array.from({ length: voxelCount(grid) }, (_, i) => {
  const place = [i % 40, Math.floor(i / 40) % 30, Math.floor(i / 1200)] as const;
  const [x, y, z] = toWorld(grid, place);
  return Math.hypot(x - 3, y - 1, z + 2) < 11 ? 1 : 0;
});

describe('coarseHead', () => {
  it('has axes to the right, front and up, equal voxels, and room around the field of view', () => {
    const { grid: coarse, data, seen } = coarseHead({ grid, data: ball }, 2, [24, 24, 24]);
    expect(orientationOf(coarse)).toBe('RAS');
    expect(coarse.shape).toEqual([24, 24, 24]);
    expect(coarse).toEqual(coarseGrid(grid, 2, [24, 24, 24]));
    for (const mm of coarse.spacing) expect(mm).toBeCloseTo(2, 6);
    // 40 x 40 x 30 mm are 20 x 20 x 15 voxels.
    expect(seen.reduce((sum, v) => sum + v, 0)).toBe(20 * 20 * 15);
    expect(data.some((v, i) => v !== 0 && seen[i] === 0)).toBe(false);
  });

  it('keeps what lies where in the world, and a mask comes back', () => {
    const { grid: coarse, data } = coarseHead({ grid, data: ball }, 2, [24, 24, 24]);
    const back = resample({ grid: coarse, data }, grid).data;
    let [both, sum] = [0, 0];
    back.forEach((v, i) => {
      const inside = v >= 0.5 ? 1 : 0;
      both += 2 * inside * ball[i]!;
      sum += inside + ball[i]!;
    });
    expect(both / sum).toBeGreaterThan(0.93);
  });
});
