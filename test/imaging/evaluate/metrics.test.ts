import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import type { ScanMetrics } from '../../../src/imaging/evaluate/metrics.ts';
import { evaluateScan, meanMetrics, normalizedDice } from '../../../src/imaging/evaluate/metrics.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { goldenCases, unpack } from './golden.ts';

function expectSame(got: number, want: number | null, name: string): void {
  if (want === null) expect(got, name).toBeNaN();
  else expect(Math.abs(got - want), `${name}: ${got} is not ${want}`).toBeLessThan(1e-9);
}

describe('evaluateScan', () => {
  for (const golden of goldenCases()) {
    it(`agrees with SciPy: ${golden.name}`, () => {
      const { prediction, truth, grid } = unpack(golden);
      for (const connectivity of [6, 18, 26] as const) {
        const got = evaluateScan(prediction, truth, grid, connectivity);
        const { trueSizes: _, labelSum: __, ...lesions } = golden.connectivity[`${connectivity}`];
        for (const [key, want] of Object.entries({ ...golden.metrics, ...lesions }))
          expectSame(got[key as keyof ScanMetrics], want, key);
      }
    });
  }

  const grid = axisAlignedGrid([5, 1, 1], [1, 1, 1]);
  const empty = new Uint8Array(5);
  const some = Uint8Array.from([0, 1, 1, 0, 1]);

  it('is perfect for two empty masks', () => {
    expect(evaluateScan(empty, empty, grid)).toMatchObject({
      ...{ dice: 1, tpr: 1, ppv: 1, ltpr: 1, lfpr: 0, volumeDifference: 0, trueLesions: 0 },
    });
  });

  it('leaves what an empty truth cannot define as NaN, null in JSON', () => {
    const metrics = evaluateScan(some, empty, grid);
    expect(metrics).toMatchObject({ dice: 0, ppv: 0, lfpr: 1 });
    expect([metrics.tpr, metrics.ltpr, metrics.volumeDifference]).toEqual([NaN, NaN, NaN]);
    expect(JSON.parse(JSON.stringify(metrics))).toMatchObject({ tpr: null, ltpr: null, dice: 0 });
  });

  it('gives an empty prediction nothing, not an undefined precision', () => {
    expect(evaluateScan(empty, some, grid)).toMatchObject({
      ...{ dice: 0, tpr: 0, ppv: 0, ltpr: 0, lfpr: 0, volumeDifference: 1, volumeDifferenceMl: -0.003 },
    });
  });

  it('names the mask that does not fit', () => {
    expect(() => evaluateScan(new Uint8Array(4), empty, grid)).toThrow(ShapeError);
    expect(() => evaluateScan(new Uint8Array(4), empty, grid)).toThrow('prediction');
    expect(() => evaluateScan(empty, new Uint8Array(6), grid)).toThrow('truth');
  });
});

describe('meanMetrics', () => {
  const grid = axisAlignedGrid([4, 1, 1], [1, 1, 1]);
  const scan = (prediction: number[], truth: number[]): ScanMetrics =>
    evaluateScan(Uint8Array.from(prediction), Uint8Array.from(truth), grid);

  it('averages each metric over the scans where it is defined', () => {
    const mean = meanMetrics([
      scan([1, 1, 0, 0], [1, 0, 0, 0]),
      scan([1, 0, 0, 0], [1, 0, 1, 0]),
      scan([1, 0, 0, 0], [0, 0, 0, 0]),
    ]);
    expect(mean.dice).toBeCloseTo((2 / 3 + 2 / 3 + 0) / 3, 12);
    expect(mean.tpr).toBeCloseTo((1 + 0.5) / 2, 12);
    expect(mean.lfpr).toBeCloseTo(1 / 3, 12);
  });

  it('is NaN where there is nothing to average', () => {
    expect(meanMetrics([]).dice).toBeNaN();
    expect(meanMetrics([scan([1, 0, 0, 0], [0, 0, 0, 0])]).tpr).toBeNaN();
  });
});

describe('normalizedDice', () => {
  for (const golden of goldenCases()) {
    if (golden.normalizedDice === null) continue;
    it(`agrees with its published code: ${golden.name}`, () => {
      const { prediction, truth, grid } = unpack(golden);
      expectSame(normalizedDice(prediction, truth, grid), golden.normalizedDice, 'normalizedDice');
    });
  }

  it('is plain Dice for a scan with the reference share of lesion', () => {
    const grid = axisAlignedGrid([10, 10, 10], [1, 1, 1]);
    const truth = new Uint8Array(1000).fill(1, 0, 1);
    const prediction = new Uint8Array(1000).fill(1, 0, 4);
    expect(normalizedDice(prediction, truth, grid)).toBeCloseTo(
      evaluateScan(prediction, truth, grid).dice,
      12,
    );
  });

  it('counts inside the region only, and stays finite where the truth fills it', () => {
    const grid = axisAlignedGrid([4, 1, 1], [1, 1, 1]);
    const truth = Uint8Array.from([1, 1, 0, 0]);
    const prediction = Uint8Array.from([1, 0, 1, 1]);
    expect(normalizedDice(prediction, truth, grid, 0.001, truth)).toBeCloseTo(2 / 3, 12);
  });
});
