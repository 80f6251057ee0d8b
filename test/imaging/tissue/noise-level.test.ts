import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { type BrainSlab, cutSlabs } from '../../../src/imaging/tissue/brain-slabs.ts';
import { listVoxels } from '../../../src/imaging/tissue/brain-voxels.ts';
import { noiseDeviation, whiteResiduals } from '../../../src/imaging/tissue/noise-level.ts';

const LIMITS = { maxBindingBytes: 2 ** 27, maxBufferBytes: 2 ** 28 };
const voxels = listVoxels(new Uint8Array(24_000).fill(1), [30, 40, 20]);
const x = (v: number): number => voxels.position[v]! & 1023;

/** A slope of white matter up to x = 20, grey matter beyond, with noise of deviation 0.05. */
function image(): Float32Array {
  const random = new Random(4);
  return Float32Array.from(
    { length: voxels.count },
    (_, v) => (x(v) < 20 ? 1.2 + 0.004 * x(v) : 0.7) + random.normal(0, 0.05),
  );
}

describe('noise from white matter', () => {
  const white = Float32Array.from({ length: voxels.count }, (_, v) => (x(v) < 20 ? 1 : 0));
  const residuals = (most: number): number[] =>
    cutSlabs(voxels, most, LIMITS).flatMap((slab: BrainSlab) => {
      const stop = slab.start + slab.voxels.count;
      return whiteResiduals(slab, image().subarray(slab.start, stop), white.subarray(slab.start, stop));
    });

  it('is found beside a slope and an edge, within 3 %', () => {
    const found = noiseDeviation(residuals(voxels.count))!;
    expect(Math.abs(found / 0.05 - 1)).toBeLessThan(0.03);
  });

  it('looks at the same voxels in slabs', () => {
    expect(residuals(6_000)).toEqual(residuals(voxels.count));
    expect(residuals(6_000).length).toBe(18 * 38 * 18);
  });

  it('is not told where there is hardly any', () => {
    expect(noiseDeviation(new Array<number>(99).fill(0.1))).toBeUndefined();
  });
});
