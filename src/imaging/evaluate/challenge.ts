import type { Connectivity } from '../volume/components.ts';
import type { Grid } from '../volume/volume.ts';
import { evaluateScan, METRIC_KEYS, meanOf, normalizedDice, type ScanMetrics } from './metrics.ts';
import { surfaceDistance } from './surface.ts';

/**
 * Everything that `voxelgrad score` says of one scan against one rater. The rule for ratios without a denominator
 * is that of {@link ScanMetrics}; distances follow `surfaceDistance`. What is not defined is NaN.
 */
export interface ScanScore extends ScanMetrics {
  /** 95 % Hausdorff distance in mm. */
  readonly hd95: number;
  /** Average symmetric surface distance in mm. */
  readonly assd: number;
  /** Dice at a lesion share of 0.001 (see `normalizedDice`), counted over the whole volume as its source does. */
  readonly normalizedDice: number;
}

/** One scan's {@link ScanScore} with the challenge's weighted sum. */
export interface WeightedScanScore extends ScanScore {
  /** See {@link challengeScore}; NaN where one of its terms is not defined. */
  readonly score: number;
}

/** A rater's part of the challenge's result. */
export interface RaterScore {
  /** In the order of the scans that were given. */
  readonly scans: readonly WeightedScanScore[];
  /** Pearson's correlation of predicted and true volumes over these scans; NaN where it is not defined. */
  readonly volumeCorrelation: number;
  /** Each metric's mean over the scans where it is defined. */
  readonly mean: WeightedScanScore;
}

/** Metrics of one scan against one rater. @throws ShapeError where a mask does not fit the grid */
export function scoreScan(
  prediction: Uint8Array,
  truth: Uint8Array,
  grid: Grid,
  connectivity: Connectivity = 26,
): ScanScore {
  return {
    ...evaluateScan(prediction, truth, grid, connectivity),
    ...surfaceDistance(prediction, truth, grid),
    normalizedDice: normalizedDice(prediction, truth, grid),
  };
}

/**
 * The weighted score of the ISBI 2015 challenge, of one scan against one rater (Carass et al. 2017, "Longitudinal
 * multiple sclerosis lesion segmentation: Resource and challenge"): Dice/8 + PPV/8 + (1 - LFPR)/4 + LTPR/4 + VC/4.
 * It is the raw score, 1 at best. The challenge's site rescales the mean so that 90 is the level of a second rater;
 * its constants are not public.
 *
 * @param volumeCorrelation VC: one number for all scans of a rater
 */
export function challengeScore(
  { dice, ppv, lfpr, ltpr }: Pick<ScanMetrics, 'dice' | 'ppv' | 'lfpr' | 'ltpr'>,
  volumeCorrelation: number,
): number {
  return dice / 8 + ppv / 8 + (1 - lfpr) / 4 + ltpr / 4 + volumeCorrelation / 4;
}

/** Combines the scans of one rater: volume correlation over all of them, weighted scores and means. */
export function scoreRater(scans: readonly ScanScore[]): RaterScore {
  const volumeCorrelation = correlation(
    scans.map((scan) => scan.predictionMl),
    scans.map((scan) => scan.truthMl),
  );
  const weighted = scans.map((scan) => ({ ...scan, score: challengeScore(scan, volumeCorrelation) }));
  return { scans: weighted, volumeCorrelation, mean: meanOf(weighted, SCORE_KEYS) };
}

const SCORE_KEYS: readonly (keyof WeightedScanScore)[] = [
  ...METRIC_KEYS,
  'hd95',
  'assd',
  'normalizedDice',
  'score',
];

/** Pearson's correlation; NaN for fewer than two pairs and where one side does not vary. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const n = Math.min(a.length, b.length);
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / n;
  const [meanA, meanB] = [mean(a), mean(b)];
  let both = 0;
  let squareA = 0;
  let squareB = 0;
  for (let i = 0; i < n; i++) {
    const [da, db] = [a[i]! - meanA, b[i]! - meanB];
    both += da * db;
    squareA += da * da;
    squareB += db * db;
  }
  // Rounding leaves a constant side with a sum of squares near, not at, zero.
  const flat = (squares: number, m: number): boolean => squares <= n * (1e-12 * m) ** 2;
  if (n < 2 || flat(squareA, meanA) || flat(squareB, meanB)) return Number.NaN;
  return Math.min(1, Math.max(-1, both / Math.sqrt(squareA * squareB)));
}
