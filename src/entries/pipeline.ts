/**
 * Where networks meet images: training in memory and in folders, prediction over whole scans, memory estimates.
 *
 * @module
 */

export {
  type Augmentation,
  type AugmentContext,
  type BoundAugmentation,
  type BoundIntensity,
  type BoundSpatial,
  defineIntensity,
  defineSpatial,
  type IntensityAugmentation,
  type IntensityDefinition,
  type Matrix3,
  type PassInput,
  type PatchKernel,
  type Shifts,
  type SpatialChange,
  type SpatialDefinition,
} from '../pipeline/augment/augmentation.ts';
export { allAugmentations, bindAugmentations, registerAugmentation } from '../pipeline/augment/index.ts';
export { numberSetting, probability } from '../pipeline/augment/setting-fields.ts';
export { importBrainchop } from '../pipeline/exchange/brainchop/import.ts';
export type { ExportFormat, ExportRequest } from '../pipeline/exchange/export-format.ts';
export { EXPORT_FORMATS, findFormat } from '../pipeline/exchange/index.ts';
export { type ModelFacts, modelFacts } from '../pipeline/models/facts.ts';
export { type FoundModel, findModels } from '../pipeline/models/find-models.ts';
export {
  decodeModel,
  decodeTrainingState,
  encodeModel,
  type HeadDecision,
  type Model,
  type ModelInfo,
  mainThreshold,
  type TrainedSpacing,
  type TrainingState,
} from '../pipeline/models/model.ts';
export { brainByModel } from '../pipeline/predict/brain-by-model.ts';
export {
  type EvaluateTaskRequest,
  evaluateTask,
  type LabelEvaluation,
  type TaskEvaluation,
  type ValueEvaluation,
} from '../pipeline/predict/evaluate-task.ts';
export { decidedLabels, type HeadMaps, type HeadResult, maskOf } from '../pipeline/predict/head-result.ts';
export {
  loadPredictionInput,
  type MapProvider,
  needsMaps,
  type PredictionInput,
} from '../pipeline/predict/input-maps.ts';
export { estimatePrediction } from '../pipeline/predict/memory.ts';
export { encodeSegmentation, type PredictionFile } from '../pipeline/predict/prediction-files.ts';
export { Predictor } from '../pipeline/predict/predictor.ts';
export type { PredictedScan, PredictRequest } from '../pipeline/predict/request.ts';
export { predict } from '../pipeline/predict/run.ts';
export { type Segmentation, type SegmentOptions, segment } from '../pipeline/predict/segment.ts';
export type { WindowSnapshot } from '../pipeline/predict/sliding-window.ts';
export {
  describeChange,
  SPACING_TOLERANCE,
  type SpacingChange,
  spacingChange,
} from '../pipeline/predict/voxel-size.ts';
export { findRecipe, recipeNames, registerRecipe } from '../pipeline/recipes/index.ts';
export type { Recipe } from '../pipeline/recipes/recipe.ts';
export { findPreset, type Preset, presetNames, registerPresets } from '../pipeline/task/presets.ts';
export { parseTask, type Task, type TaskHead, type TaskMaps } from '../pipeline/task/task.ts';
export { Checkpoints } from '../pipeline/train/checkpoints.ts';
export { estimateMemory, requireMemory } from '../pipeline/train/memory.ts';
export { chooseTraining, prepareTraining, type TrainingData } from '../pipeline/train/prepare.ts';
export type { CheckpointPolicy, StepReport, TrainRequest, TrainResult } from '../pipeline/train/request.ts';
export { train } from '../pipeline/train/run.ts';
export {
  type RunFolderOptions,
  type RunFolderResult,
  type RunStatus,
  runStatus,
  trainInFolder,
} from '../pipeline/train/run-folder.ts';
export {
  RUN_FILES,
  type RunConfig,
  type RunManifest,
  readManifest,
  readRunConfig,
} from '../pipeline/train/run-record.ts';
export { dataFingerprint } from '../pipeline/train/same-run.ts';
export { type StepResult, TrainingSession } from '../pipeline/train/session.ts';
export {
  type ResolvedTrainSettings,
  type Schedule as ScheduleName,
  settingsHash,
  type TrainSettings,
  trainSettings,
} from '../pipeline/train/settings.ts';
export { readStageOne, requireStageOne } from '../pipeline/train/stage-one.ts';
export { parseLog } from '../pipeline/train/step-log.ts';
export { type RunCheck, type RunVerification, verifyRun } from '../pipeline/train/verify-run.ts';
export { OriginFiles } from '../platform/origin-files.ts';
