import { describe, expect, it } from 'vitest';
import { DatasetError, ShapeError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { diceOfCounts } from '../../../src/imaging/evaluate/metrics.ts';
import {
  bestThreshold,
  PROBABILITY_THRESHOLDS,
  ThresholdSearch,
  thresholdMask,
} from '../../../src/imaging/evaluate/threshold.ts';

interface Scan {
  probabilities: Float32Array;
  truth: Uint8Array;
  brain: Uint8Array;
}

/** A net that is sure of itself: logits around -6 outside lesions and +6 inside, with overlap. */
function scan(seed: number, shift = 0): Scan {
  const random = new Random(seed);
  const truth = new Uint8Array(3000).map(() => (random.uniform() < 0.05 ? 1 : 0));
  const probabilities = Float32Array.from(
    truth,
    (t) => 1 / (1 + Math.exp(-(shift + random.normal(t ? 2 : -2, 2)))),
  );
  return { probabilities, truth, brain: new Uint8Array(3000).map(() => (random.uniform() < 0.8 ? 1 : 0)) };
}

function dice({ probabilities, truth, brain }: Scan, threshold: number): number {
  const mask = thresholdMask(probabilities, threshold, brain);
  const count = (test: (i: number) => boolean): number => truth.filter((_, i) => test(i)).length;
  return diceOfCounts(
    count((i) => mask[i] === 1 && truth[i] === 1),
    count((i) => mask[i] === 1),
    count((i) => truth[i] === 1),
  );
}

describe('bestThreshold', () => {
  it('finds what trying every candidate finds', () => {
    const scans = [scan(1), scan(2), scan(3)];
    const best = bestThreshold(
      scans.map((s) => s.probabilities),
      scans.map((s) => s.truth),
      scans.map((s) => s.brain),
    );
    const all = [...PROBABILITY_THRESHOLDS].map((t) => scans.reduce((sum, s) => sum + dice(s, t), 0) / 3);
    expect(best.dice).toBeCloseTo(Math.max(...all), 12);
    expect(scans.reduce((sum, s) => sum + dice(s, best.threshold), 0) / 3).toBeCloseTo(best.dice, 12);
  });

  it('finds thresholds beyond .999, which a TPR-weighted net needs', () => {
    const s = scan(4, 9);
    const best = bestThreshold([s.probabilities], [s.truth], [s.brain]);
    expect(best.threshold).toBeGreaterThan(0.9995);
    expect(best.dice).toBeGreaterThan(dice(s, 0.999) + 0.05);
  });

  it('takes the middle of a plateau: .5 for probabilities that are 0 or 1', () => {
    const truth = Uint8Array.from([0, 0, 1, 1]);
    expect(bestThreshold([Float32Array.from([0, 0, 1, 1])], [truth])).toEqual({ threshold: 0.5, dice: 1 });
  });

  it('counts lesions outside the brain as missed, and an empty scan as right when nothing passes', () => {
    const low = Float32Array.from([0.2, 0.9]);
    const outside = bestThreshold([low], [Uint8Array.from([1, 1])], [Uint8Array.from([0, 1])]);
    expect(outside.dice).toBeCloseTo(2 / 3, 12);
    const empty = bestThreshold([low], [new Uint8Array(2)]);
    expect(empty.dice).toBe(1);
    expect([...thresholdMask(low, empty.threshold)]).toEqual([0, 0]);
  });

  it('never takes NaN for a lesion', () => {
    const probabilities = Float32Array.from([NaN, 0.9, 0.1]);
    expect(bestThreshold([probabilities], [Uint8Array.from([0, 1, 0])]).dice).toBe(1);
    expect([...thresholdMask(probabilities, 0.5)]).toEqual([0, 1, 0]);
  });

  it('refuses no scans and scans that do not fit', () => {
    expect(() => bestThreshold([], [])).toThrow(DatasetError);
    expect(() => bestThreshold([new Float32Array(2)], [])).toThrow(ShapeError);
    expect(() => new ThresholdSearch().add(new Float32Array(2), new Uint8Array(3))).toThrow(
      '2 scores, 3 truth',
    );
  });
});

describe('PROBABILITY_THRESHOLDS', () => {
  it('ascend, are exact in float32, and reach within 2e-7 of 0 and 1', () => {
    const all = [...PROBABILITY_THRESHOLDS];
    expect(all.every((t, i) => t === Math.fround(t) && (i === 0 || t > all[i - 1]!))).toBe(true);
    expect(all.length).toBeGreaterThan(1000);
    expect(all[0]).toBeLessThan(2e-7);
    expect(1 - all.at(-1)!).toBeLessThan(2e-7);
    expect(1 - all.at(-1)!).toBeGreaterThan(0);
  });
});
