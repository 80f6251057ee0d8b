/**
 * voxelgrad, a WebGPU compute engine that trains and runs 3D U-Nets segmenting multiple-sclerosis lesions in brain
 * MRI. This entry runs in browsers and in Node; what needs Node is in `voxelgrad/node`.
 *
 * @module
 */

// Errors, files, random numbers, shapes.
export {
  CheckpointError,
  DatasetError,
  DeviceLostError,
  type ErrorOptionsWithHint,
  FileFormatError,
  GpuError,
  GridMismatchError,
  NonFiniteError,
  OutOfMemoryError,
  SchedulerError,
  ShapeError,
  StoppedError,
  StorageError,
  UsageError,
  VerificationError,
  VoxelgradError,
} from './core/errors.ts';
export {
  type FileContent,
  type FileEntry,
  type FileSink,
  type FileSource,
  type FileStore,
  MemoryFiles,
  type WrittenContent,
} from './core/files.ts';
export type { Json } from './core/json.ts';
export { Random } from './core/random.ts';
export { formatRecord } from './core/record.ts';
export { formatShape, type Shape, sizeOf } from './core/shape.ts';
export { type Setting, type SettingWords, setting, Wording, worded } from './core/wording.ts';
// Networks, the optimizer, checkpoints.
export { decodeModel, encodeModel, type Model, requireModel } from './engine/checkpoint/checkpoint.ts';
export type { ModelInfo, TrainedSpacing } from './engine/checkpoint/model-info.ts';
export {
  readSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  type TensorData,
  writeSafetensors,
} from './engine/checkpoint/safetensors.ts';
export {
  decodeTrainingState,
  encodeTrainingState,
  stateHash,
  type TrainingProgress,
  type TrainingState,
} from './engine/checkpoint/training-state.ts';
// The GPU.
export type { AdapterFamily, Capabilities, DriverOrigin } from './engine/gpu/capabilities.ts';
export { type BufferRequest, formatBytes, Gpu } from './engine/gpu/gpu.ts';
export type { Kernel } from './engine/gpu/kernel.ts';
export { measurePeak, type Peak } from './engine/gpu/peak.ts';
export { type Recovery, withRecovery } from './engine/gpu/recovery.ts';
// Tensors, the tape, ops and losses.
export { allLosses, findLoss, loss, registerLoss } from './engine/loss/index.ts';
export {
  type Activation,
  type BoundLoss,
  defineLoss,
  type Loss,
  type LossDefinition,
  type LossInputs,
} from './engine/loss/loss.ts';
export {
  DEFAULT_LOSS,
  type LabelWeights,
  type OverlapLoss,
  type SegmentationLossAttributes,
  type SegmentationLossSettings,
  segmentationLoss,
  type TprTerm,
} from './engine/loss/segmentation-loss.ts';
export { type Declaration, declare, type Forward } from './engine/nn/declare.ts';
export type { Initialisation } from './engine/nn/init.ts';
export type { DesignRequest, NetworkKind } from './engine/nn/kind.ts';
export type { Layer } from './engine/nn/layer.ts';
export {
  type Architecture,
  countParameters,
  declareNetwork,
  type Head,
  Network,
  type NetworkSpec,
} from './engine/nn/network.ts';
export {
  architectureOf,
  declarationOf,
  designNetwork,
  networkKinds,
  parseNetworkSpec,
  registerNetwork,
} from './engine/nn/networks/index.ts';
export { cicekConfig, type UNetConfig, unetConfig } from './engine/nn/networks/unet.ts';
export { type PredictionOptions, recordPrediction } from './engine/nn/prediction.ts';
export type { Mode, ParameterSpec, Scope } from './engine/nn/scope.ts';
export { StepSeed } from './engine/nn/step-seed.ts';
export {
  type HeadLoss,
  type Objective,
  recordTrainingStep,
  type StepRequest,
  type TargetLoss,
  type TrainingStep,
} from './engine/nn/training-step.ts';
export { variantConfig } from './engine/nn/variants.ts';
export { type AddAttributes, add } from './engine/ops/add.ts';
export { type AveragePool3dAttributes, averagePool3d } from './engine/ops/average-pool3d.ts';
export { type BatchNormAttributes, batchNorm } from './engine/ops/batch-norm.ts';
export { type ConcatAttributes, concat } from './engine/ops/concat.ts';
export { type ConvTranspose3dAttributes, convTranspose3d } from './engine/ops/conv-transpose3d.ts';
export { type Conv3dAttributes, conv3d } from './engine/ops/conv3d.ts';
export { crossStitch } from './engine/ops/cross-stitch.ts';
export { type DropoutAttributes, dropout } from './engine/ops/dropout.ts';
export { type EluAttributes, elu } from './engine/ops/elu.ts';
export { type GeluAttributes, gelu } from './engine/ops/gelu.ts';
export { type GlobalAveragePoolAttributes, globalAveragePool } from './engine/ops/global-average-pool.ts';
export { type GroupNormAttributes, type GroupNormSaved, groupNorm } from './engine/ops/group-norm.ts';
export { type LinearAttributes, linear } from './engine/ops/linear.ts';
export { type MaxPool3dAttributes, maxPool3d } from './engine/ops/max-pool3d.ts';
export { type ReluAttributes, relu } from './engine/ops/relu.ts';
export { type SigmoidAttributes, sigmoid } from './engine/ops/sigmoid.ts';
export { type SoftmaxAttributes, softmax } from './engine/ops/softmax.ts';
export { Adam, type AdamSettings, type AdamStatus, DEFAULT_ADAM } from './engine/optim/adam.ts';
export { LOSS_SCALING, type LossScale, type LossScaling, nextLossScale } from './engine/optim/loss-scale.ts';
export { adam, type Optimizer } from './engine/optim/optimizer.ts';
export {
  constantSchedule,
  cosineSchedule,
  polynomialSchedule,
  type Schedule,
  warmUp,
} from './engine/optim/schedule.ts';
export {
  expectActivation,
  expectInputs,
  expectRule,
  formatShapes,
} from './engine/tape/check.ts';
export {
  type Access,
  type Binding,
  type Command,
  type Param,
  read,
  readWrite,
  slice,
  uniform,
  write,
} from './engine/tape/command.ts';
export { firstNonFinite, type NonFinite } from './engine/tape/diagnose.ts';
export { type FlatPart, flatParts } from './engine/tape/flat-parts.ts';
export type { MemoryEstimate } from './engine/tape/memory.ts';
export type { Emitter, GradientThunk, Op } from './engine/tape/op.ts';
export { compilePlan, Plan, type PlanOptions, type PlanStatistics } from './engine/tape/plan.ts';
export { type TensorSpec, TensorStore } from './engine/tape/store.ts';
export { type Root, Tape, TapeError } from './engine/tape/tape.ts';
export { type Element, type Tensor, tensor } from './engine/tape/tensor.ts';
export { flatChunks, flatGroups } from './engine/tape/workgroups.ts';
export * as nn from './engine/trainer/nn.ts';
export type { PerHead, TrainerOptions } from './engine/trainer/trainer.ts';
// Data sets.
export {
  commonModalities,
  type Dataset,
  findScans,
  findSubject,
  type Scan,
  type Subject,
  scanName,
  type TissuePaths,
} from './imaging/dataset/dataset.ts';
export { FILE_ROLES, type FileRole, guessRole } from './imaging/dataset/file-role.ts';
export { type Fold, patientFolds } from './imaging/dataset/folds.ts';
export {
  type Channel,
  type LoadedScan,
  type LoadScanOptions,
  loadScan,
  loadStoredScan,
  withInputMaps,
} from './imaging/dataset/load-scan.ts';
export { type LooseScan, scanOfFiles } from './imaging/dataset/loose-files.ts';
export { openDataset } from './imaging/dataset/open-dataset.ts';
export { type PredictionKind, predictionPath } from './imaging/dataset/prediction-path.ts';
export {
  type ChannelStatistics,
  type PreparedScan,
  type PreprocessOptions,
  preprocess,
} from './imaging/dataset/preprocess.ts';
// Tasks and presets.
export type { RaterChoice } from './imaging/dataset/raters.ts';
export { type ResampledScan, resampleScan, type ScanVoxels } from './imaging/dataset/resample-scan.ts';
export type { TargetRequest, TargetSource } from './imaging/dataset/targets.ts';
export { withTissues } from './imaging/dataset/tissue-files.ts';
export type { TissueMaps } from './imaging/dataset/tissue-maps.ts';
export { TISSUES } from './imaging/dataset/tissue-maps.ts';
export { applyFlairThreshold, type FlairThreshold, fitFlairThreshold } from './imaging/evaluate/baseline.ts';
// Evaluation and reports.
export {
  type BootstrapOptions,
  bootstrapMean,
  type Estimate,
  type Observation,
  pairedDifference,
} from './imaging/evaluate/bootstrap.ts';
export {
  challengeScore,
  correlation,
  type RaterScore,
  type ScanScore,
  scoreRater,
  scoreScan,
  type WeightedScanScore,
} from './imaging/evaluate/challenge.ts';
export {
  type ChosenPredictions,
  choosePredictions,
  evaluatePredictions,
  type ScanEvaluation,
} from './imaging/evaluate/evaluate-predictions.ts';
export { type Lesion, lesionTable, listLesions } from './imaging/evaluate/lesion-list.ts';
export type { LesionSizeCount } from './imaging/evaluate/lesion-sizes.ts';
export { componentVolumes, connectedComponents, voxelMl } from './imaging/evaluate/lesions.ts';
export { evaluateScan, meanMetrics, normalizedDice, type ScanMetrics } from './imaging/evaluate/metrics.ts';
export {
  type ChallengeResult,
  type NamedRaterScore,
  type ScoreOptions,
  scorePredictions,
  scoreTable,
} from './imaging/evaluate/score-predictions.ts';
export { type SurfaceDistance, surfaceDistance } from './imaging/evaluate/surface.ts';
export { evaluationTable, formatTable, type Table } from './imaging/evaluate/tables.ts';
export {
  bestThreshold,
  type ThresholdChoice,
  ThresholdSearch,
  thresholdMask,
} from './imaging/evaluate/threshold.ts';
export { type TissueDice, tissueDice } from './imaging/evaluate/tissue-dice.ts';
// Volumes and NIfTI.
export type { NiftiSource } from './imaging/nifti/body.ts';
export type { NiftiDatatype, WritableDatatype } from './imaging/nifti/datatype.ts';
export {
  ESTIMATE_INTENT,
  encodeNifti,
  LABEL_INTENT,
  type NiftiIntent,
  type NiftiStorage,
} from './imaging/nifti/encode.ts';
export type { AffineSource, NiftiHeader } from './imaging/nifti/header.ts';
export {
  type NiftiImage,
  type ReadNiftiOptions,
  readMask,
  readNifti,
  readVoxels,
} from './imaging/nifti/read.ts';
export {
  type PlaneVolume,
  type WriteNiftiOptions,
  writeNifti,
  writeNiftiPlanes,
} from './imaging/nifti/write.ts';
export { type ScanReportData, scanReport } from './imaging/report/scan-report.ts';
export { tableCsv, tableMarkdown } from './imaging/report/table-files.ts';
// Tissue maps.
export { correctTissues } from './imaging/tissue/correct-tissues.ts';
export {
  type MakeTissuesRequest,
  makeTissues,
  readPrior,
  type TissueMethod,
  type TissuePriors,
} from './imaging/tissue/make-tissues.ts';
export { type SegmentTissuesOptions, segmentTissues } from './imaging/tissue/segment-tissues.ts';
export { type WrittenTissues, writeTissueDerivative, writeTissues } from './imaging/tissue/write-tissues.ts';
export {
  type Components,
  type Connectivity,
  fillHoles,
  labelComponents,
  largestComponent,
} from './imaging/volume/components.ts';
export { type Box, boundingBox, crop, cropGrid, uncrop } from './imaging/volume/crop.ts';
export { type AxisOrder, orientationOf, reorient, toCanonical } from './imaging/volume/orientation.ts';
export { type Interpolation, resample } from './imaging/volume/resample.ts';
export { resize, resizedGrid } from './imaging/volume/resize.ts';
export {
  axisAlignedGrid,
  describeGrid,
  type Grid,
  gridFromAffine,
  sameGrid,
  toWorld,
  type Volume,
  voxelCount,
  voxelVolume,
  worldToVoxel,
} from './imaging/volume/volume.ts';
// Training and prediction.
export { estimatePrediction } from './pipeline/predict/memory.ts';
export { encodeSegmentation, type PredictionFile } from './pipeline/predict/prediction-files.ts';
export { Predictor } from './pipeline/predict/predictor.ts';
export type { PredictedScan, PredictRequest } from './pipeline/predict/request.ts';
export { predict } from './pipeline/predict/run.ts';
export {
  loadPredictionInput,
  type MakeScanTissuesOptions,
  makeScanTissues,
  needsTissues,
  type PredictionInput,
  type TissueChoice,
} from './pipeline/predict/scan-tissues.ts';
export { type Segmentation, type SegmentOptions, segment } from './pipeline/predict/segment.ts';
export type { WindowSnapshot } from './pipeline/predict/sliding-window.ts';
export {
  describeChange,
  SPACING_TOLERANCE,
  type SpacingChange,
  spacingChange,
} from './pipeline/predict/voxel-size.ts';
export { findPreset, type Preset, registerPresets } from './pipeline/task/presets.ts';
export { parseTask, type Task, type TaskHead, type TaskMaps } from './pipeline/task/task.ts';
export { Checkpoints } from './pipeline/train/checkpoints.ts';
export { estimateMemory, requireMemory } from './pipeline/train/memory.ts';
export { chooseTraining, prepareTraining, type TrainingData } from './pipeline/train/prepare.ts';
export type { CheckpointPolicy, StepReport, TrainRequest, TrainResult } from './pipeline/train/request.ts';
export { train } from './pipeline/train/run.ts';
export {
  type RunFolderOptions,
  type RunFolderResult,
  type RunStatus,
  runStatus,
  trainInFolder,
} from './pipeline/train/run-folder.ts';
export {
  RUN_FILES,
  type RunConfig,
  type RunManifest,
  readManifest,
  readRunConfig,
} from './pipeline/train/run-record.ts';
export { dataFingerprint } from './pipeline/train/same-run.ts';
export { type StepResult, TrainingSession } from './pipeline/train/session.ts';
export {
  type ResolvedTrainSettings,
  type Schedule as ScheduleName,
  settingsHash,
  type TrainSettings,
  trainSettings,
} from './pipeline/train/settings.ts';
export { readStageOne, requireStageOne } from './pipeline/train/stage-one.ts';
export { parseLog } from './pipeline/train/step-log.ts';
export { type RunCheck, type RunVerification, verifyRun } from './pipeline/train/verify-run.ts';
export { type BrowserGpuOptions, openBrowserGpu } from './platform/browser.ts';
export { OriginFiles } from './platform/origin-files.ts';
// Experiments.
export { extendExperiment, extensionNote } from './study/experiment/extend-experiment.ts';
export { inspectScans } from './study/experiment/inspect.ts';
export { type NamedLoss, namedLoss } from './study/experiment/losses.ts';
export {
  type ExperimentOptions,
  experimentOptions,
  type Protocol,
  recordedOptions,
} from './study/experiment/options.ts';
export { paintFigures } from './study/experiment/paint-figures.ts';
export { planExperiment } from './study/experiment/plan.ts';
export { readExperiment } from './study/experiment/read-results.ts';
export { type ExperimentContext, runUnits, type UnitsDone } from './study/experiment/run-experiment.ts';
export { runUnit } from './study/experiment/run-unit.ts';
export { requireSubjects } from './study/experiment/same-experiment.ts';
export { ScanShelf } from './study/experiment/scan-shelf.ts';
export { type Shard, unitsOf } from './study/experiment/share.ts';
export { type ExperimentSummary, summarise, summaryText } from './study/experiment/summary.ts';
export type { UnitContext } from './study/experiment/unit-context.ts';
export { readUnitResult } from './study/experiment/unit-files.ts';
export { type SharedSettings, sharedSettings } from './study/experiment/unit-settings.ts';
export {
  makePhantom,
  type Phantom,
  type PhantomDatasetOptions,
  type PhantomOptions,
  type PhantomProgress,
  PhantomSubject,
  type WrittenScan,
  writePhantomDataset,
} from './study/phantom/index.ts';
export { PAPER_VARIANTS, PRESETS, VARIANTS, type Variant } from './study/presets/index.ts';
export { type DemoReportData, type DemoVariant, demoReport, demoTable } from './study/report/demo-report.ts';
export { type Answer, answerQuestion } from './study/report/experiment-answer.ts';
export { type Effect, effect, LEAST_PATIENTS } from './study/report/experiment-effects.ts';
export {
  type ExperimentFigures,
  experimentPage,
  type PaintedFigure,
} from './study/report/experiment-page.ts';
export {
  type CorrectionUnit,
  EXPERIMENT_FILES,
  type ExperimentRecord,
  type ExperimentUnit,
  type NetUnit,
  parseExperiment,
  parseUnitResult,
  type RecordedMetrics,
  type StageOneUnit,
  type TissueUnit,
  type UnitResult,
} from './study/report/experiment-record.ts';
export {
  type ExperimentNumbers,
  experimentMarkdown,
  experimentNumbers,
  type NamedTable,
  type TableGroup,
} from './study/report/experiment-report.ts';
export {
  contrast,
  type ExperimentResults,
  type JudgedScan,
  judgedScans,
  netUnits,
  type ScanValue,
  type Term,
} from './study/report/experiment-results.ts';
export {
  type DiceByVariant,
  PAPER_METHODS,
  type PaperMethod,
  tableOne,
  tableTwo,
} from './study/report/paper-tables.ts';
export { SubmissionSink, submissionName, submissionScans } from './study/submission.ts';
