import { DatasetError, ShapeError } from '../../core/errors.ts';
import { evenThresholds, ThresholdSearch, thresholdMask } from './threshold.ts';

/** One scan for the baseline; arrays hold one value a voxel. */
export interface BaselineScan {
  readonly flair: Float32Array;
  /** Not 0 = brain. */
  readonly brain: Uint8Array;
}

/** A training scan: the same with its true lesions (not 0 = lesion). */
export interface LabelledBaselineScan extends BaselineScan {
  readonly truth: Uint8Array;
}

/** "Lesion is where FLAIR is brighter than mean + k standard deviations of the brain." */
export interface FlairThreshold {
  readonly k: number;
  /** Mean Dice that this k reaches on the scans it was chosen on. */
  readonly dice: number;
}

/**
 * What a user without a network would do, done as well as it can be: the k of mean + k sd (over the scan's own
 * brain voxels) that maximises the mean Dice over the training scans, from -2 to 10 in steps of 0.01.
 *
 * @throws DatasetError where there is no scan or a brain mask is empty
 */
export function fitFlairThreshold(training: readonly LabelledBaselineScan[]): FlairThreshold {
  const search = new ThresholdSearch(evenThresholds(-2, 10, 0.01));
  for (const scan of training) search.add(brainZScore(scan), scan.truth, scan.brain);
  const { threshold, dice } = search.best();
  return { k: threshold, dice };
}

/** The baseline's mask of one scan: 1 inside the brain where FLAIR >= mean + k sd, else 0. */
export function applyFlairThreshold(scan: BaselineScan, k: number): Uint8Array {
  return thresholdMask(brainZScore(scan), k, scan.brain);
}

/** (FLAIR - mean) / sd with both taken inside the brain; 0 everywhere where the brain has one intensity only. */
function brainZScore({ flair, brain }: BaselineScan): Float32Array {
  if (flair.length !== brain.length) {
    throw new ShapeError(
      'FLAIR threshold',
      'FLAIR and brain mask need equal lengths',
      `${flair.length} and ${brain.length}`,
    );
  }
  let n = 0;
  let sum = 0;
  for (let i = 0; i < flair.length; i++)
    if (brain[i]! !== 0) {
      n++;
      sum += flair[i]!;
    }
  if (n === 0) {
    throw new DatasetError('FLAIR threshold: the brain mask is empty', {
      hint: 'Check that the brain mask belongs to this scan and is not all zero.',
    });
  }
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < flair.length; i++) if (brain[i]! !== 0) squares += (flair[i]! - mean) ** 2;
  const sd = Math.sqrt(squares / n);
  return sd === 0 ? new Float32Array(flair.length) : flair.map((v) => (v - mean) / sd);
}
