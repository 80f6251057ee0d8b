import type { Connectivity } from '../volume/components.ts';
import type { Grid } from '../volume/volume.ts';
import { connectedComponents, requireMask, touchedComponents, voxelMl } from './lesions.ts';

/**
 * How well a predicted mask fits the true one. V is a number of voxels, p the prediction, t the truth.
 *
 * A ratio that has nothing to divide by follows one rule. Two empty masks agree perfectly (dice = tpr = ppv =
 * ltpr = 1, lfpr = volumeDifference = 0). An empty prediction of a lesion that is there earns nothing
 * (dice = tpr = ppv = ltpr = 0, lfpr = 0, volumeDifference = 1). Where only the truth is empty, dice = ppv = 0
 * and lfpr = 1, while tpr, ltpr and volumeDifference are not defined: NaN here, `null` once in JSON, and left
 * out of {@link meanMetrics}.
 */
export interface ScanMetrics {
  /** 2 V(p∩t) / (Vp + Vt): the paper's eq. 4. */
  readonly dice: number;
  /** Sensitivity, V(p∩t) / Vt. (The paper's eq. 2 without its stray factor 2.) */
  readonly tpr: number;
  /** Precision, V(p∩t) / Vp. */
  readonly ppv: number;
  /** Lesion-wise TPR: share of the true lesions (connected components) that the prediction touches. */
  readonly ltpr: number;
  /** Lesion-wise FPR: share of the predicted lesions that touch no true one. */
  readonly lfpr: number;
  /** |Vp - Vt| / Vt: relative, without unit. */
  readonly volumeDifference: number;
  /** Predicted minus true volume in ml: negative where the prediction is too small. */
  readonly volumeDifferenceMl: number;
  readonly truthMl: number;
  readonly predictionMl: number;
  readonly trueLesions: number;
  readonly predictedLesions: number;
}

/**
 * All overlap and lesion metrics of one scan. Masks are one byte a voxel, not 0 = lesion.
 *
 * @throws ShapeError where a mask does not fit the grid
 */
export function evaluateScan(
  prediction: Uint8Array,
  truth: Uint8Array,
  grid: Grid,
  connectivity: Connectivity = 26,
): ScanMetrics {
  const { both, predicted, actual } = overlap(prediction, truth, grid);
  const trueLesions = connectedComponents(truth, grid, connectivity);
  const predictedLesions = connectedComponents(prediction, grid, connectivity);
  const found = touchedComponents(trueLesions, prediction).filter(Boolean).length;
  const real = touchedComponents(predictedLesions, truth).filter(Boolean).length;
  const bothEmpty = predicted === 0 && actual === 0;
  const ml = voxelMl(grid);
  return {
    dice: diceOfCounts(both, predicted, actual),
    tpr: ratio(both, actual, bothEmpty ? 1 : Number.NaN),
    ppv: ratio(both, predicted, bothEmpty ? 1 : 0),
    ltpr: ratio(found, trueLesions.count, bothEmpty ? 1 : Number.NaN),
    lfpr: ratio(predictedLesions.count - real, predictedLesions.count, 0),
    volumeDifference: ratio(Math.abs(predicted - actual), actual, bothEmpty ? 0 : Number.NaN),
    volumeDifferenceMl: (predicted - actual) * ml,
    truthMl: actual * ml,
    predictionMl: predicted * ml,
    trueLesions: trueLesions.count,
    predictedLesions: predictedLesions.count,
  };
}

/** Every metric of a scan, in the order of tables. */
export const METRIC_KEYS: readonly (keyof ScanMetrics)[] = [
  'dice',
  'tpr',
  'ppv',
  'ltpr',
  'lfpr',
  'volumeDifference',
  'volumeDifferenceMl',
  'truthMl',
  'predictionMl',
  'trueLesions',
  'predictedLesions',
];

/** Each metric's mean over the scans where it is defined; NaN where it is defined in none. */
export function meanMetrics(scans: readonly ScanMetrics[]): ScanMetrics {
  return meanOf(scans, METRIC_KEYS);
}

/** Each field's mean over the rows where it is finite; NaN where it is so in none. */
export function meanOf<Key extends string>(
  rows: readonly Readonly<Record<Key, number>>[],
  keys: readonly Key[],
): Record<Key, number> {
  const mean = (key: Key): number => {
    const values = rows.map((row) => row[key]).filter(Number.isFinite);
    return values.length === 0 ? Number.NaN : values.reduce((sum, v) => sum + v, 0) / values.length;
  };
  return Object.fromEntries(keys.map((key) => [key, mean(key)])) as Record<Key, number>;
}

/** 2|P∩T| / (|P| + |T|) from voxel counts; 1 where both masks are empty. */
export function diceOfCounts(both: number, predicted: number, actual: number): number {
  return ratio(2 * both, predicted + actual, 1);
}

/**
 * Dice that does not depend on how much lesion a scan has (Raina et al. 2023, "Tackling bias in the Dice
 * similarity coefficient"): 2TP / (2TP + κ FP + FN) with κ = (1/r - 1) h and h = lesion / other voxels of the
 * truth, so that a scan with lesion share r keeps its plain Dice. κ = 1 for an empty truth, 1 for two empty masks.
 *
 * @param reference r, the lesion share to normalise to (0.001 in the source)
 * @param region voxels that count (the brain, or all of the volume as in the source's own code)
 */
export function normalizedDice(
  prediction: Uint8Array,
  truth: Uint8Array,
  grid: Grid,
  reference = 0.001,
  region?: Uint8Array,
): number {
  const { both, predicted, actual, total } = overlap(prediction, truth, grid, region);
  const kappa = actual === 0 ? 1 : ((1 / reference - 1) * actual) / (total - actual);
  const falsePositives = predicted - both;
  // A truth that fills the region leaves no room for false positives, and κ is infinite.
  const penalty = falsePositives === 0 ? 0 : kappa * falsePositives;
  return ratio(2 * both, 2 * both + penalty + (actual - both), 1);
}

interface Overlap {
  readonly both: number;
  readonly predicted: number;
  readonly actual: number;
  readonly total: number;
}

function overlap(prediction: Uint8Array, truth: Uint8Array, grid: Grid, region?: Uint8Array): Overlap {
  requireMask('evaluateScan, prediction', prediction, grid);
  requireMask('evaluateScan, truth', truth, grid);
  if (region) requireMask('evaluateScan, region', region, grid);
  let both = 0;
  let predicted = 0;
  let actual = 0;
  let total = 0;
  for (let i = 0; i < truth.length; i++) {
    if (region && region[i]! === 0) continue;
    total++;
    const p = prediction[i]! !== 0;
    const t = truth[i]! !== 0;
    if (p) predicted++;
    if (t) actual++;
    if (p && t) both++;
  }
  return { both, predicted, actual, total };
}

function ratio(numerator: number, denominator: number, empty: number): number {
  return denominator === 0 ? empty : numerator / denominator;
}
