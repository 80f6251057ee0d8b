import { describe, expect, it } from 'vitest';
import {
  challengeScore,
  correlation,
  scoreRater,
  scoreScan,
} from '../../../src/imaging/evaluate/challenge.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { goldenCases, goldenChallenges, unpack } from './golden.ts';

/** Within 1e-9, or not defined on both sides. */
function expectSame(got: number, want: number | null, name: string): void {
  if (want === null) expect(got, name).toBeNaN();
  else expect(Math.abs(got - want), `${name}: ${got} is not ${want}`).toBeLessThan(1e-9);
}

const cases = new Map(goldenCases().map((golden) => [golden.name, golden]));

describe('scoreScan', () => {
  for (const golden of cases.values())
    it(`agrees with SciPy: ${golden.name}`, () => {
      const { prediction, truth, grid } = unpack(golden);
      const score = scoreScan(prediction, truth, grid);
      expectSame(score.hd95, golden.hd95, 'hd95');
      expectSame(score.assd, golden.assd, 'assd');
      expectSame(score.ltpr, golden.connectivity['26'].ltpr, 'ltpr');
      if (golden.normalizedDice !== null)
        expectSame(score.normalizedDice, golden.normalizedDice, 'normalizedDice');
    });
});

describe('scoreRater', () => {
  for (const golden of goldenChallenges())
    it(`agrees with SciPy: ${golden.name}`, () => {
      const scans = golden.cases.map((name) => {
        const { prediction, truth, grid } = unpack(cases.get(name)!);
        return scoreScan(prediction, truth, grid);
      });
      const rater = scoreRater(scans);
      expectSame(rater.volumeCorrelation, golden.volumeCorrelation, 'volume correlation');
      golden.scores.forEach((want, i) => {
        expectSame(rater.scans[i]!.score, want, golden.cases[i]!);
      });
      expectSame(rater.mean.score, golden.mean, 'mean');
    });

  it('is 1 for a rater who is copied', () => {
    const grid = axisAlignedGrid([4, 4, 1], [1, 1, 1]);
    const truths = [3, 5, 8].map((n) => new Uint8Array(16).fill(1, 0, n));
    const { mean, volumeCorrelation } = scoreRater(truths.map((truth) => scoreScan(truth, truth, grid)));
    expect(volumeCorrelation).toBe(1);
    expect(mean).toMatchObject({ score: 1, dice: 1, hd95: 0, assd: 0, normalizedDice: 1 });
  });
});

describe('challengeScore', () => {
  it('weighs Dice and PPV by an eighth, the lesion rates and the correlation by a quarter', () => {
    const terms = { dice: 0.6, ppv: 0.7, lfpr: 0.2, ltpr: 0.5 };
    expect(challengeScore(terms, 0.9)).toBeCloseTo(0.075 + 0.0875 + 0.2 + 0.125 + 0.225, 12);
    expect(challengeScore({ dice: 0, ppv: 0, lfpr: 1, ltpr: 0 }, 0)).toBe(0);
  });
});

describe('correlation', () => {
  it('is not defined for one pair, or where one side does not vary', () => {
    expect(correlation([1], [2])).toBeNaN();
    expect(correlation([0.1, 0.1, 0.1], [1, 2, 3])).toBeNaN();
    expect(correlation([0.3 * 3, 0.9, 0.3 + 0.6], [1, 2, 3])).toBeNaN();
  });

  it('does not mind the scale, and knows the sign', () => {
    expect(correlation([1, 2, 4], [1e-9, 2e-9, 4e-9])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
  });
});
