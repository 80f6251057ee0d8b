import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { patientFolds } from '../../../src/imaging/dataset/folds.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { names } from './make.ts';

/** ISBI 2015's training set: five patients, training03 with five visits, the others with four. */
const isbi = openDataset(
  names(
    ...[1, 2, 3, 4, 5].flatMap((p) =>
      Array.from(
        { length: p === 3 ? 5 : 4 },
        (_, v) => `training/training0${p}/preprocessed/training0${p}_0${v + 1}_flair_pp.nii`,
      ),
    ),
  ),
);

describe('folds', () => {
  it('leave one patient out with all visits', async () => {
    const dataset = await isbi;
    const folds = patientFolds(dataset, 'patient');
    expect(folds.map((f) => f.name)).toEqual([
      'training01',
      'training02',
      'training03',
      'training04',
      'training05',
    ]);
    expect(folds[2]!.heldOut).toEqual(['training03']);
    expect(findScans(dataset, folds[2]!.heldOut)).toHaveLength(5);
    expect(findScans(dataset, folds[2]!.training)).toHaveLength(16);
  });

  it("never have a patient's visits on both sides, and hold each patient out once", async () => {
    const dataset = await isbi;
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.option(fc.nat()), (k, seed) => {
        const folds = patientFolds(dataset, k, seed === null ? {} : { random: new Random(seed) });
        expect(folds).toHaveLength(k);
        expect(folds.flatMap((f) => f.heldOut).sort()).toEqual(dataset.subjects.map((s) => s.id));
        for (const fold of folds) {
          expect(fold.heldOut.length).toBeGreaterThan(0);
          const left = new Set(findScans(dataset, fold.training).map((s) => s.subject));
          const out = new Set(findScans(dataset, fold.heldOut).map((s) => s.subject));
          expect([...left].filter((id) => out.has(id))).toEqual([]);
          expect(left.size + out.size).toBe(5);
        }
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  it('are the same for the same seed', async () => {
    const dataset = await isbi;
    const deal = (seed: number) => patientFolds(dataset, 3, { random: new Random(seed) });
    expect(deal(4)).toEqual(deal(4));
    expect([1, 2, 3, 4, 5].some((seed) => JSON.stringify(deal(seed)) !== JSON.stringify(deal(4)))).toBe(true);
  });

  it('can be of some patients only, each once', async () => {
    const folds = patientFolds(await isbi, 'patient', { subjects: ['02', 'training05', '02'] });
    expect(folds.map((f) => [f.training, f.heldOut])).toEqual([
      [['training05'], ['training02']],
      [['training02'], ['training05']],
    ]);
  });

  it('need at least two patients', async () => {
    const dataset = await isbi;
    expect(() => patientFolds(dataset, 'patient', { subjects: ['01'] })).toThrow(UsageError);
    expect(() => patientFolds(dataset, 'patient', { subjects: ['01'] })).toThrow(
      'cannot split 1 patient into one fold a patient',
    );
    for (const k of [0, 1, 1.5, 6, Number.NaN]) expect(() => patientFolds(dataset, k)).toThrow(UsageError);
  });
});
