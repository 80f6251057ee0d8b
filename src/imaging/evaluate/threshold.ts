import { DatasetError, ShapeError } from '../../core/errors.ts';
import { diceOfCounts } from './metrics.ts';

/** The threshold chosen on some scans, and the mean Dice it reaches on them. */
export interface ThresholdChoice {
  /** A voxel is lesion where its score is at or above this. Exact in float32. */
  readonly threshold: number;
  readonly dice: number;
}

/**
 * The thresholds tried for probabilities: .001 to .999 in steps of .001, and beyond .9 and below .1 steps of .1 in
 * the logit down to 1e-7 from either end. A net trained with a TPR term pushes almost everything to 1, and its best
 * threshold is .999 or more. Ascending, exact in float32 so that a kernel compares with the same number.
 */
export const PROBABILITY_THRESHOLDS: Readonly<Float64Array> = probabilityThresholds();

/**
 * Finds the threshold that maximises the mean Dice over scans, exactly over its candidates, in one pass over each
 * scan: scans are added one at a time and need not be in memory together. Where several neighbouring candidates
 * are equally good, the one nearest the middle of their range is taken. A score that is not a number is never a lesion.
 */
export class ThresholdSearch {
  readonly #candidates: Readonly<Float64Array>;
  readonly #diceSums: Float64Array;
  #scans = 0;

  /** @param candidates ascending thresholds */
  constructor(candidates: Readonly<Float64Array> = PROBABILITY_THRESHOLDS) {
    this.#candidates = candidates;
    this.#diceSums = new Float64Array(candidates.length);
  }

  /**
   * Adds one scan.
   *
   * @param scores one a voxel: probabilities, or anything else that is larger where a lesion is likelier
   * @param truth one byte a voxel, not 0 = lesion
   * @param brain where given, voxels outside it are never predicted (true lesion there counts as missed)
   * @throws ShapeError where the three do not have one length
   */
  add(scores: Float32Array, truth: Uint8Array, brain?: Uint8Array): void {
    if (scores.length !== truth.length || (brain && brain.length !== truth.length)) {
      const sizes = `${scores.length} scores, ${truth.length} truth${brain ? `, ${brain.length} brain` : ''}`;
      throw new ShapeError('threshold search', 'scores, truth and brain mask need equal lengths', sizes);
    }
    const n = this.#candidates.length;
    // Bin b holds the voxels that pass exactly the first b candidates.
    const all = new Float64Array(n + 1);
    const hits = new Float64Array(n + 1);
    let actual = 0;
    for (let i = 0; i < truth.length; i++) {
      const lesion = truth[i]! !== 0;
      if (lesion) actual++;
      if (brain && brain[i]! === 0) continue;
      const bin = this.#passed(scores[i]!);
      if (bin === 0) continue;
      all[bin]!++;
      if (lesion) hits[bin]!++;
    }
    let predicted = 0;
    let both = 0;
    for (let i = n - 1; i >= 0; i--) {
      predicted += all[i + 1]!;
      both += hits[i + 1]!;
      this.#diceSums[i]! += diceOfCounts(both, predicted, actual);
    }
    this.#scans++;
  }

  /** @throws DatasetError where no scan was added */
  best(): ThresholdChoice {
    if (this.#scans === 0) {
      throw new DatasetError('choosing a threshold needs at least one scan with a lesion mask; got none', {
        hint: 'Name a training subject that has a lesion mask.',
      });
    }
    const sums = this.#diceSums;
    let first = 0;
    for (let i = 1; i < sums.length; i++) if (sums[i]! > sums[first]!) first = i;
    let last = first;
    while (last + 1 < sums.length && sums[last + 1] === sums[first]) last++;
    const plateau = this.#candidates.slice(first, last + 1);
    const middle = (plateau[0]! + plateau.at(-1)!) / 2;
    const threshold = plateau.reduce((a, b) => (Math.abs(b - middle) < Math.abs(a - middle) ? b : a));
    return { threshold, dice: sums[first]! / this.#scans };
  }

  /** How many candidates are at or below the score: a binary search. */
  #passed(score: number): number {
    let low = 0;
    let high = this.#candidates.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (score >= this.#candidates[middle]!) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The threshold that maximises the mean Dice of some scans. @see ThresholdSearch for scans that come one by one.
 *
 * @throws DatasetError where there is no scan; ShapeError where a scan's arrays differ in length
 */
export function bestThreshold(
  probabilities: readonly Float32Array[],
  truths: readonly Uint8Array[],
  brains?: readonly Uint8Array[],
): ThresholdChoice {
  if (truths.length !== probabilities.length || (brains && brains.length !== probabilities.length)) {
    const sizes = `${probabilities.length} maps, ${truths.length} truths${brains ? `, ${brains.length} brains` : ''}`;
    throw new ShapeError('bestThreshold', 'every scan needs its probabilities and its truth', sizes);
  }
  const search = new ThresholdSearch();
  probabilities.forEach((map, i) => {
    search.add(map, truths[i]!, brains?.[i]);
  });
  return search.best();
}

/** 1 where the score is at or above the threshold (and inside the brain, where that is given), else 0. */
export function thresholdMask(scores: Float32Array, threshold: number, brain?: Uint8Array): Uint8Array {
  const mask = new Uint8Array(scores.length);
  for (let i = 0; i < scores.length; i++)
    mask[i] = scores[i]! >= threshold && (!brain || brain[i]! !== 0) ? 1 : 0;
  return mask;
}

/** Ascending candidates from `low` to `high` in steps of `step`, exact in float32. */
export function evenThresholds(low: number, high: number, step: number): Float64Array {
  const n = Math.round((high - low) / step) + 1;
  return Float64Array.from({ length: n }, (_, i) => Math.fround(low + i * step));
}

function probabilityThresholds(): Float64Array {
  const values = new Set<number>(evenThresholds(0.001, 0.999, 0.001));
  for (let logit = 2.2; logit <= 16.05; logit += 0.1) {
    const tail = 1 / (1 + Math.exp(logit));
    values.add(Math.fround(tail));
    values.add(Math.fround(1 - tail));
  }
  return Float64Array.from(values).sort();
}
