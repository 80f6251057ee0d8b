import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { distanceTransform, surfaceDistance } from '../../../src/imaging/evaluate/surface.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { goldenCases, unpack } from './golden.ts';

describe('surfaceDistance', () => {
  for (const golden of goldenCases()) {
    it(`agrees with SciPy and MONAI's formulae: ${golden.name}`, () => {
      const { prediction, truth, grid } = unpack(golden);
      const { hd95, assd } = surfaceDistance(prediction, truth, grid);
      for (const [got, want] of [
        [hd95, golden.hd95],
        [assd, golden.assd],
      ] as const) {
        if (want === null) expect(got).toBeNaN();
        else expect(Math.abs(got - want)).toBeLessThan(1e-9);
      }
    });
  }

  it('measures in mm along each axis', () => {
    const grid = axisAlignedGrid([4, 4, 4], [1, 2, 5]);
    const at = (x: number, y: number, z: number): Uint8Array => {
      const mask = new Uint8Array(64);
      mask[(z * 4 + y) * 4 + x] = 1;
      return mask;
    };
    expect(surfaceDistance(at(0, 0, 0), at(3, 0, 0), grid)).toEqual({ hd95: 3, assd: 3 });
    expect(surfaceDistance(at(0, 0, 0), at(0, 3, 0), grid)).toEqual({ hd95: 6, assd: 6 });
    expect(surfaceDistance(at(0, 0, 0), at(0, 0, 3), grid)).toEqual({ hd95: 15, assd: 15 });
  });
});

describe('distanceTransform', () => {
  for (const golden of goldenCases()) {
    if (golden.distanceSum === null) continue;
    it(`sums to SciPy's: ${golden.name}`, () => {
      const { truth } = unpack(golden);
      const sum = distanceTransform(truth, golden.shape, golden.spacing).reduce((s, d) => s + d, 0);
      expect(sum).toBeCloseTo(golden.distanceSum!, 6);
    });
  }

  it('is the brute-force nearest distance at every voxel', () => {
    const random = new Random(11);
    const shape = [7, 5, 6] as const;
    const spacing = [0.7, 1.3, 2.9] as const;
    const mask = new Uint8Array(210).map(() => (random.uniform() < 0.04 ? 1 : 0));
    const got = distanceTransform(mask, shape, spacing);
    const position = (i: number): number[] => [i % 7, Math.floor(i / 7) % 5, Math.floor(i / 35)];
    got.forEach((distance, i) => {
      let want = Number.POSITIVE_INFINITY;
      mask.forEach((inside, j) => {
        if (!inside) return;
        const [p, q] = [position(i), position(j)];
        want = Math.min(want, Math.hypot(...p.map((v, axis) => (v - q[axis]!) * spacing[axis]!)));
      });
      expect(distance).toBeCloseTo(want, 9);
    });
  });

  it('is infinite without a target', () => {
    expect([...distanceTransform(new Uint8Array(2), [2, 1, 1], [1, 1, 1])]).toEqual([Infinity, Infinity]);
  });
});
