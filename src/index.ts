/**
 * voxelgrad, a WebGPU compute engine that trains and runs 3D U-Nets segmenting multiple-sclerosis lesions in brain
 * MRI. This entry runs in browsers and in Node; what needs Node is in `voxelgrad/node`.
 *
 * @module
 */

// Networks, the optimizer, checkpoints.
export { decodeModel, encodeModel, type Model, requireModel } from './checkpoint/checkpoint.ts';
export type { ModelInfo, TrainedSpacing } from './checkpoint/model-info.ts';
export {
  readSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  type TensorData,
  writeSafetensors,
} from './checkpoint/safetensors.ts';
export {
  decodeTrainingState,
  encodeTrainingState,
  stateHash,
  type TrainingProgress,
  type TrainingState,
} from './checkpoint/training-state.ts';
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
} from './dataset/dataset.ts';
export { FILE_ROLES, type FileRole, guessRole } from './dataset/file-role.ts';
export { type Fold, patientFolds } from './dataset/folds.ts';
export {
  type Channel,
  type LoadedScan,
  type LoadScanOptions,
  loadScan,
  loadStoredScan,
  type RaterChoice,
  withTissueMaps,
} from './dataset/load-scan.ts';
export { type LooseScan, scanOfFiles } from './dataset/loose-files.ts';
export { openDataset } from './dataset/open-dataset.ts';
export {
  makePhantom,
  type Phantom,
  type PhantomDatasetOptions,
  type PhantomOptions,
  type PhantomProgress,
  PhantomSubject,
  type WrittenScan,
  writePhantomDataset,
} from './dataset/phantom/index.ts';
export { type PredictionKind, predictionPath } from './dataset/prediction-path.ts';
export {
  type ChannelStatistics,
  type PreparedScan,
  type PreprocessOptions,
  preprocess,
} from './dataset/preprocess.ts';
export { type ResampledScan, resampleScan, type ScanVoxels } from './dataset/resample-scan.ts';
export { withTissues } from './dataset/tissue-files.ts';
export type { TissueMaps } from './dataset/tissue-maps.ts';
// Experiments.
export { extendExperiment, extensionNote } from './experiment/extend-experiment.ts';
export { inspectScans } from './experiment/inspect.ts';
export { type NamedLoss, namedLoss } from './experiment/losses.ts';
export {
  type ExperimentOptions,
  experimentOptions,
  type Protocol,
  recordedOptions,
} from './experiment/options.ts';
export { paintFigures } from './experiment/paint-figures.ts';
export { planExperiment } from './experiment/plan.ts';
export { readExperiment } from './experiment/read-results.ts';
export { type ExperimentContext, runUnits, type UnitsDone } from './experiment/run-experiment.ts';
export { runUnit } from './experiment/run-unit.ts';
export { requireSubjects } from './experiment/same-experiment.ts';
export { ScanShelf } from './experiment/scan-shelf.ts';
export { type Shard, unitsOf } from './experiment/share.ts';
export { type ExperimentSummary, summarise, summaryText } from './experiment/summary.ts';
export type { UnitContext } from './experiment/unit-context.ts';
export { readUnitResult } from './experiment/unit-files.ts';
export { type SharedSettings, sharedSettings } from './experiment/unit-settings.ts';
// The GPU.
export type { AdapterFamily, Capabilities, DriverOrigin } from './gpu/capabilities.ts';
export { type BufferRequest, formatBytes, Gpu } from './gpu/gpu.ts';
export type { Kernel } from './gpu/kernel.ts';
export { measurePeak, type Peak } from './gpu/peak.ts';
export { type Recovery, withRecovery } from './gpu/recovery.ts';
// Training and prediction.
export { estimatePrediction } from './infer/memory.ts';
export { encodeSegmentation, type PredictionFile } from './infer/prediction-files.ts';
export { Predictor } from './infer/predictor.ts';
export type { PredictedScan, PredictRequest } from './infer/request.ts';
export { predict } from './infer/run.ts';
export {
  loadPredictionInput,
  type MakeScanTissuesOptions,
  makeScanTissues,
  needsTissues,
  type PredictionInput,
  type TissueChoice,
} from './infer/scan-tissues.ts';
export { type Segmentation, type SegmentOptions, segment } from './infer/segment.ts';
export type { WindowSnapshot } from './infer/sliding-window.ts';
export { SubmissionSink, submissionName, submissionScans } from './infer/submission.ts';
export { describeChange, SPACING_TOLERANCE, type SpacingChange, spacingChange } from './infer/voxel-size.ts';
// Tensors, the tape, ops and losses.
export {
  DEFAULT_LOSS,
  type LabelWeights,
  type OverlapLoss,
  type SegmentationLossAttributes,
  type SegmentationLossSettings,
  segmentationLoss,
  type TprTerm,
} from './loss/segmentation-loss.ts';
// Volumes and NIfTI.
export type { NiftiSource } from './nifti/body.ts';
export type { NiftiDatatype, WritableDatatype } from './nifti/datatype.ts';
export {
  ESTIMATE_INTENT,
  encodeNifti,
  LABEL_INTENT,
  type NiftiIntent,
  type NiftiStorage,
} from './nifti/encode.ts';
export type { AffineSource, NiftiHeader } from './nifti/header.ts';
export {
  type NiftiImage,
  type ReadNiftiOptions,
  readMask,
  readNifti,
  readVoxels,
} from './nifti/read.ts';
export { type PlaneVolume, type WriteNiftiOptions, writeNifti, writeNiftiPlanes } from './nifti/write.ts';
export {
  cicekConfig,
  countParameters,
  type HeadConfig,
  type ParameterCount,
  type ParameterSpec,
  parameterSpecs,
  patchMultiple,
  stateSpecs,
  type UNetConfig,
  unetConfig,
} from './nn/unet-config.ts';
export { UNet3d } from './nn/unet3d.ts';
export {
  inputChannels,
  PAPER_VARIANTS,
  TISSUES,
  VARIANTS,
  type Variant,
  variantConfig,
} from './nn/variants.ts';
export { type BatchNormAttributes, batchNorm } from './ops/batch-norm.ts';
export { type ConvTranspose3dAttributes, convTranspose3d } from './ops/conv-transpose3d.ts';
export { type Conv3dAttributes, conv3d } from './ops/conv3d.ts';
export { crossStitch } from './ops/cross-stitch.ts';
export { type MaxPool3dAttributes, maxPool3d } from './ops/max-pool3d.ts';
export { type ReluAttributes, relu } from './ops/relu.ts';
export { type SigmoidAttributes, sigmoid } from './ops/sigmoid.ts';
export { type SoftmaxAttributes, softmax } from './ops/softmax.ts';
export { Adam, type AdamSettings, type AdamStatus, DEFAULT_ADAM } from './optim/adam.ts';
export { LOSS_SCALING, type LossScale, type LossScaling, nextLossScale } from './optim/loss-scale.ts';
export {
  constantSchedule,
  cosineSchedule,
  polynomialSchedule,
  type Schedule,
  warmUp,
} from './optim/schedule.ts';
export { type BrowserGpuOptions, openBrowserGpu } from './platform/browser.ts';
export { OriginFiles } from './platform/origin-files.ts';
export { applyFlairThreshold, type FlairThreshold, fitFlairThreshold } from './report/baseline.ts';
// Evaluation and reports.
export {
  type BootstrapOptions,
  bootstrapMean,
  type Estimate,
  type Observation,
  pairedDifference,
} from './report/bootstrap.ts';
export {
  challengeScore,
  correlation,
  type RaterScore,
  type ScanScore,
  scoreRater,
  scoreScan,
  type WeightedScanScore,
} from './report/challenge.ts';
export { type DemoReportData, type DemoVariant, demoReport, demoTable } from './report/demo-report.ts';
export {
  type ChosenPredictions,
  choosePredictions,
  evaluatePredictions,
  type ScanEvaluation,
} from './report/evaluate-predictions.ts';
export { type Answer, answerQuestion } from './report/experiment-answer.ts';
export { type Effect, effect, LEAST_PATIENTS } from './report/experiment-effects.ts';
export { type ExperimentFigures, experimentPage, type PaintedFigure } from './report/experiment-page.ts';
export {
  type CorrectionUnit,
  EXPERIMENT_FILES,
  type ExperimentRecord,
  type ExperimentUnit,
  type LesionSizeCount,
  type NetUnit,
  parseExperiment,
  parseUnitResult,
  type RecordedMetrics,
  type StageOneUnit,
  type TissueUnit,
  type UnitResult,
} from './report/experiment-record.ts';
export {
  type ExperimentNumbers,
  experimentMarkdown,
  experimentNumbers,
  type NamedTable,
  type TableGroup,
} from './report/experiment-report.ts';
export {
  contrast,
  type ExperimentResults,
  type JudgedScan,
  judgedScans,
  netUnits,
  type ScanValue,
  type Term,
} from './report/experiment-results.ts';
export { type Lesion, lesionTable, listLesions } from './report/lesion-list.ts';
export { componentVolumes, connectedComponents, voxelMl } from './report/lesions.ts';
export { evaluateScan, meanMetrics, normalizedDice, type ScanMetrics } from './report/metrics.ts';
export {
  type DiceByVariant,
  PAPER_METHODS,
  type PaperMethod,
  tableOne,
  tableTwo,
} from './report/paper-tables.ts';
export { type ScanReportData, scanReport } from './report/scan-report.ts';
export {
  type ChallengeResult,
  type NamedRaterScore,
  type ScoreOptions,
  scorePredictions,
  scoreTable,
} from './report/score-predictions.ts';
export { type SurfaceDistance, surfaceDistance } from './report/surface.ts';
export { tableCsv, tableMarkdown } from './report/table-files.ts';
export { evaluationTable, formatTable, type Table } from './report/tables.ts';
export { bestThreshold, type ThresholdChoice, ThresholdSearch, thresholdMask } from './report/threshold.ts';
export { type TissueDice, tissueDice } from './report/tissue-dice.ts';
export type { Command } from './tape/command.ts';
export { firstNonFinite, type NonFinite } from './tape/diagnose.ts';
export type { MemoryEstimate } from './tape/memory.ts';
export type { Emitter, GradientThunk, Op } from './tape/op.ts';
export { compilePlan, Plan, type PlanOptions, type PlanStatistics } from './tape/plan.ts';
export { type TensorSpec, TensorStore } from './tape/store.ts';
export { type Root, Tape, TapeError } from './tape/tape.ts';
export { type Element, type Tensor, tensor } from './tape/tensor.ts';
// Tissue maps.
export { correctTissues } from './tissue/correct-tissues.ts';
export {
  type MakeTissuesRequest,
  makeTissues,
  readPrior,
  type TissueMethod,
  type TissuePriors,
} from './tissue/make-tissues.ts';
export { type SegmentTissuesOptions, segmentTissues } from './tissue/segment-tissues.ts';
export { type WrittenTissues, writeTissueDerivative, writeTissues } from './tissue/write-tissues.ts';
export { Checkpoints } from './train/checkpoints.ts';
export { estimateMemory, requireMemory } from './train/memory.ts';
export { chooseTraining, prepareTraining, type TrainingData } from './train/prepare.ts';
export type { CheckpointPolicy, StepReport, TrainRequest, TrainResult } from './train/request.ts';
export { train } from './train/run.ts';
export {
  type RunFolderOptions,
  type RunFolderResult,
  type RunStatus,
  runStatus,
  trainInFolder,
} from './train/run-folder.ts';
export {
  RUN_FILES,
  type RunConfig,
  type RunManifest,
  readManifest,
  readRunConfig,
} from './train/run-record.ts';
export { dataFingerprint } from './train/same-run.ts';
export { type StepResult, TrainingSession } from './train/session.ts';
export {
  type ResolvedTrainSettings,
  type Schedule as ScheduleName,
  settingsHash,
  type TrainSettings,
  trainSettings,
} from './train/settings.ts';
export { readStageOne, requireStageOne } from './train/stage-one.ts';
export { parseLog } from './train/step-log.ts';
export { type RunCheck, type RunVerification, verifyRun } from './train/verify-run.ts';
export {
  type Components,
  type Connectivity,
  fillHoles,
  labelComponents,
  largestComponent,
} from './volume/components.ts';
export { type Box, boundingBox, crop, cropGrid, uncrop } from './volume/crop.ts';
export { type AxisOrder, orientationOf, reorient, toCanonical } from './volume/orientation.ts';
export { type Interpolation, resample } from './volume/resample.ts';
export { resize, resizedGrid } from './volume/resize.ts';
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
} from './volume/volume.ts';
