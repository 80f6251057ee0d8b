import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import {
  bootstrapMean,
  type Observation,
  pairedDifference,
  percentile,
} from '../../../src/imaging/evaluate/bootstrap.ts';

/** One scan a patient. */
function patients(values: readonly number[]): Observation[] {
  return values.map((value, i) => ({ patient: `p${i}`, session: null, value }));
}

/** The exact interval: every one of n^n resamples. */
function enumerated(values: readonly number[], level: number): [number, number] {
  const n = values.length;
  const means = Float64Array.from({ length: n ** n }, (_, code) => {
    let sum = 0;
    for (let i = 0, rest = code; i < n; i++, rest = Math.floor(rest / n)) sum += values[rest % n]!;
    return sum / n;
  }).sort();
  return [percentile(means, (1 - level) / 2), percentile(means, (1 + level) / 2)];
}

describe('percentile', () => {
  it('is linear between ranks, as NumPy has it', () => {
    expect(percentile([1, 2, 4, 8], 0)).toBe(1);
    expect(percentile([1, 2, 4, 8], 1)).toBe(8);
    expect(percentile([1, 2, 4, 8], 0.5)).toBe(3);
    expect(percentile([1, 2, 4, 8], 0.9)).toBeCloseTo(6.8, 12);
  });
});

describe('bootstrapMean', () => {
  const values = [0.42, 0.61, 0.55, 0.78, 0.69];

  it('agrees with all resamples of five patients, enumerated', () => {
    for (const level of [0.5, 0.9, 0.95]) {
      const [low, high] = enumerated(values, level);
      const estimate = bootstrapMean(patients(values), { level, resamples: 100_000 });
      expect(estimate.mean).toBeCloseTo(0.61, 12);
      expect(Math.abs(estimate.low - low)).toBeLessThan(0.004);
      expect(Math.abs(estimate.high - high)).toBeLessThan(0.004);
      expect(estimate.patients).toBe(5);
    }
  });

  it('has the width that the normal distribution gives many patients', () => {
    const random = new Random(3);
    const many = Array.from({ length: 400 }, () => random.normal(0.6, 0.1));
    const { mean, low, high } = bootstrapMean(patients(many));
    expect((high - low) / 2).toBeCloseTo((1.96 * 0.1) / 20, 3);
    expect(Math.abs((low + high) / 2 - mean)).toBeLessThan(5e-4);
  });

  it('is the same for a seed whatever the order, another for another seed', () => {
    const some = patients(values);
    const first = bootstrapMean(some, { resamples: 500 });
    expect(bootstrapMean(some.toReversed(), { resamples: 500 })).toEqual(first);
    expect(bootstrapMean(some, { resamples: 500, seed: 2 }).low).not.toBe(first.low);
  });

  it('counts a patient once, however many visits there are, and leaves out what is not defined', () => {
    const visits: Observation[] = [
      { patient: 'a', session: '1', value: 0.2 },
      { patient: 'a', session: '2', value: 0.4 },
      { patient: 'a', session: '3', value: Number.NaN },
      { patient: 'b', session: '1', value: 0.9 },
      { patient: 'c', session: '1', value: Number.NaN },
    ];
    const { mean, low, high, patients: n } = bootstrapMean(visits);
    expect(mean).toBeCloseTo(0.6, 12);
    expect(n).toBe(2);
    // Of two patients the resampled mean is one's, the other's, or between them.
    expect(low).toBeCloseTo(0.3, 12);
    expect(high).toBeCloseTo(0.9, 12);
  });

  it('has no interval for one patient and no mean for none', () => {
    expect(bootstrapMean(patients([0.5]))).toEqual({ mean: 0.5, low: NaN, high: NaN, patients: 1 });
    expect(bootstrapMean([])).toEqual({ mean: NaN, low: NaN, high: NaN, patients: 0 });
  });

  it('refuses settings that make no interval', () => {
    expect(() => bootstrapMean(patients(values), { level: 1 })).toThrow(UsageError);
    expect(() => bootstrapMean(patients(values), { resamples: 0 })).toThrow('at least 1, not 0');
  });
});

describe('pairedDifference', () => {
  it('is sure of a small difference that every patient shows, where two means are not', () => {
    const base = [0.3, 0.5, 0.6, 0.7, 0.9];
    const better = patients(base.map((v, i) => v + 0.03 + 0.002 * i));
    const difference = pairedDifference(better, patients(base));
    expect(difference.mean).toBeCloseTo(0.034, 12);
    expect(difference.low).toBeGreaterThan(0.029);
    expect(difference.high).toBeLessThan(0.039);
    const [ours, theirs] = [bootstrapMean(better), bootstrapMean(patients(base))];
    expect(ours.low).toBeLessThan(theirs.high);
  });

  it('is minus itself the other way round', () => {
    const [a, b] = [patients([0.3, 0.6, 0.4]), patients([0.5, 0.5, 0.1])];
    const [there, back] = [pairedDifference(a, b), pairedDifference(b, a)];
    expect(back.mean).toBeCloseTo(-there.mean, 12);
    expect(back.low).toBeCloseTo(-there.high, 12);
  });

  it('pairs by patient and visit, and leaves out scans of one side alone', () => {
    const a: Observation[] = [
      { patient: 'a', session: '1', value: 0.5 },
      { patient: 'a', session: '2', value: 0.9 },
      { patient: 'b', session: '1', value: 0.4 },
      { patient: 'c', session: '1', value: 0.8 },
    ];
    const b: Observation[] = [
      { patient: 'b', session: '1', value: 0.1 },
      { patient: 'a', session: '1', value: 0.4 },
      { patient: 'c', session: '1', value: Number.NaN },
    ];
    const { mean, patients: n } = pairedDifference(a, b);
    expect(mean).toBeCloseTo(0.2, 12);
    expect(n).toBe(2);
  });

  it('refuses a scan that is there twice', () => {
    const twice = [...patients([0.5]), ...patients([0.6])];
    expect(() => pairedDifference(twice, patients([0.5]))).toThrow('the first side has one twice');
    expect(() => pairedDifference(patients([0.5]), twice)).toThrow('the second side has one twice');
  });
});
