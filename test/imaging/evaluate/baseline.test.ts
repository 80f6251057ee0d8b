import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import type { LabelledBaselineScan } from '../../../src/imaging/evaluate/baseline.ts';
import { applyFlairThreshold, fitFlairThreshold } from '../../../src/imaging/evaluate/baseline.ts';
import { evaluateScan } from '../../../src/imaging/evaluate/metrics.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

/** Brain N(100, 10) with lesions N(150, 10), on any scanner's scale; bright fat outside the brain. */
function scan(seed: number, gain = 1, offset = 0): LabelledBaselineScan {
  const random = new Random(seed);
  const n = 8000;
  const brain = new Uint8Array(n).fill(1, 0, 7000);
  const truth = new Uint8Array(n).map((_, i) => (i < 7000 && random.uniform() < 0.02 ? 1 : 0));
  const flair = Float32Array.from(truth, (t, i) => {
    const level = i >= 7000 ? 400 : t ? 150 : 100;
    return offset + gain * random.normal(level, 10);
  });
  return { flair, brain, truth };
}

describe('FLAIR threshold', () => {
  it('finds a threshold that separates, and applies it to another scanner’s scale', () => {
    const { k, dice } = fitFlairThreshold([scan(1), scan(2, 3, 50)]);
    expect(dice).toBeGreaterThan(0.8);
    expect(k).toBeGreaterThan(1);
    expect(k).toBeLessThan(4);
    const heldOut = scan(3, 0.2, -7);
    const grid = axisAlignedGrid([20, 20, 20], [1, 1, 1]);
    const mask = applyFlairThreshold(heldOut, k);
    expect(evaluateScan(mask, heldOut.truth, grid).dice).toBeGreaterThan(0.75);
    expect(mask.subarray(7000).every((v) => v === 0)).toBe(true);
  });

  it('reaches on its own scan exactly the Dice it promised', () => {
    const s = scan(5);
    const { k, dice } = fitFlairThreshold([s]);
    const grid = axisAlignedGrid([20, 20, 20], [1, 1, 1]);
    expect(evaluateScan(applyFlairThreshold(s, k), s.truth, grid).dice).toBeCloseTo(dice, 12);
  });

  it('refuses an empty brain and no scans', () => {
    const s = scan(6);
    expect(() => applyFlairThreshold({ ...s, brain: new Uint8Array(8000) }, 2)).toThrow(DatasetError);
    expect(() => applyFlairThreshold({ ...s, brain: new Uint8Array(8) }, 2)).toThrow('8000 and 8');
    expect(() => fitFlairThreshold([])).toThrow(DatasetError);
  });

  it('marks nothing in a scan of one intensity for a positive k', () => {
    const flat = { flair: new Float32Array(10).fill(7), brain: new Uint8Array(10).fill(1) };
    expect(applyFlairThreshold(flat, 1).some((v) => v !== 0)).toBe(false);
  });
});
