import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import {
  fitGaussians,
  GAUSSIANS,
  initialGaussians,
  packModel,
  tissueOf,
} from '../../../src/imaging/tissue/mixture.ts';

describe('initialGaussians', () => {
  it('takes dark for fluid, bright for white matter, whatever the noise', () => {
    const random = new Random(8);
    const levels = [1, 1.4, 0.3];
    const truth = Uint8Array.from({ length: 3000 }, () => random.integer(3));
    const t1 = Float32Array.from(truth, (t) => random.normal(levels[t]!, 0.06));
    const found = initialGaussians(t1);
    const right = found.reduce((sum, g, i) => sum + Number(tissueOf(g) === truth[i]), 0);
    expect(right / 3000).toBeGreaterThan(0.99);
    // Both Gaussians of grey matter and of fluid get their half, the darker one first.
    for (const [dark, bright] of [
      [0, 1],
      [3, 4],
    ]) {
      const of = (g: number): number[] => [...t1].filter((_, i) => found[i] === g);
      expect(Math.max(...of(dark!))).toBeLessThanOrEqual(Math.min(...of(bright!)) + 1e-3);
      expect(of(dark!).length).toBeGreaterThan(300);
      expect(of(bright!).length).toBeGreaterThan(300);
    }
  });

  it('does not fail where all values are the same', () => {
    expect(new Set(initialGaussians(new Float32Array(10).fill(2))).size).toBe(1);
  });
});

describe('fitGaussians and packModel', () => {
  it('give finite numbers where a Gaussian has lost all its voxels', () => {
    const moments = 1 + 2 + 4;
    const sums = new Float32Array(GAUSSIANS * moments);
    // One Gaussian alone: weight 2, mean offsets (1, 2), second moments of one point.
    sums.set([2, 2, 4, 2, 4, 4, 8], 2 * moments);
    const centres = Array.from({ length: GAUSSIANS }, () => Float64Array.of(10, 20));
    const gaussians = fitGaussians(sums, centres, 2);
    expect(gaussians[2]!.mix).toBeCloseTo(1, 6);
    expect([...gaussians[2]!.mean].map((v) => Math.round(v * 1e6) / 1e6)).toEqual([11, 22]);
    // A single point has no spread; the least variance keeps it apart from a spike.
    expect([...gaussians[2]!.covariance].map((v) => Math.round(v * 1e6) / 1e6)).toEqual([1e-4, 0, 0, 1e-4]);
    expect([...gaussians[0]!.mean]).toEqual([10, 20]);
    expect(packModel(gaussians, 2).every(Number.isFinite)).toBe(true);
  });
});
