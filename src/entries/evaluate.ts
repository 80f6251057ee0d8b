/**
 * Evaluation: what predictions and masks are judged by, per scan, per rater and over data sets.
 *
 * @module
 */

export {
  CHANGES,
  type Change,
  type ChangeLimits,
  type TrackedLesion,
  type Tracking,
  trackLesions,
} from '../imaging/change/track.ts';
export { applyFlairThreshold, type FlairThreshold, fitFlairThreshold } from '../imaging/evaluate/baseline.ts';
export {
  type BootstrapOptions,
  bootstrapMean,
  type Estimate,
  type Observation,
  pairedDifference,
} from '../imaging/evaluate/bootstrap.ts';
export {
  challengeScore,
  correlation,
  type RaterScore,
  type ScanScore,
  scoreRater,
  scoreScan,
  type WeightedScanScore,
} from '../imaging/evaluate/challenge.ts';
export {
  type ChosenPredictions,
  choosePredictions,
  evaluatePredictions,
  type ScanEvaluation,
} from '../imaging/evaluate/evaluate-predictions.ts';
export type { LesionSizeCount } from '../imaging/evaluate/lesion-sizes.ts';
export { componentVolumes, connectedComponents, voxelMl } from '../imaging/evaluate/lesions.ts';
export { evaluateScan, meanMetrics, normalizedDice, type ScanMetrics } from '../imaging/evaluate/metrics.ts';
export {
  type ChallengeResult,
  type NamedRaterScore,
  type ScoreOptions,
  scorePredictions,
  scoreTable,
} from '../imaging/evaluate/score-predictions.ts';
export { type SurfaceDistance, surfaceDistance } from '../imaging/evaluate/surface.ts';
export { evaluationTable, formatTable, type Table } from '../imaging/evaluate/tables.ts';
export {
  bestThreshold,
  type ThresholdChoice,
  ThresholdSearch,
  thresholdMask,
} from '../imaging/evaluate/threshold.ts';
export { type TissueDice, tissueDice } from '../imaging/evaluate/tissue-dice.ts';
export { atlasMaps, type OwnTissues, type RegionMaps } from '../imaging/regions/atlas-maps.ts';
export {
  classifyRegions,
  REGIONS,
  type Region,
  regionImage,
  regionTable,
} from '../imaging/regions/classify.ts';
export { listParts, type Part, type PartsOptions, partTable } from '../imaging/results/parts.ts';
