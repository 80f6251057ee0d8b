/**
 * The engine: GPU, tape, kernels, ops, losses, networks, the optimizer and checkpoints. It knows tensors, and neither
 * images nor commands.
 *
 * @module
 */

export { formatBytes } from '../core/bytes.ts';
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
} from '../core/errors.ts';
export {
  type FileContent,
  type FileEntry,
  type FileSink,
  type FileSource,
  type FileStore,
  MemoryFiles,
  type WrittenContent,
} from '../core/files.ts';
export type { Json } from '../core/json.ts';
export { Random } from '../core/random.ts';
export { formatRecord } from '../core/record.ts';
export { formatShape, type Shape, sizeOf } from '../core/shape.ts';
export { type Setting, type SettingWords, setting, Wording, worded } from '../core/wording.ts';
export {
  decodeStored,
  encodeStored,
  requireNetwork,
  type StoredInfo,
  type StoredModel,
} from '../engine/checkpoint/checkpoint.ts';
export {
  readSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  type TensorData,
  writeSafetensors,
} from '../engine/checkpoint/safetensors.ts';
export {
  encodeTrainingState,
  stateHash,
  type TrainingProgress,
} from '../engine/checkpoint/training-state.ts';
export type { AdapterFamily, Capabilities, DriverOrigin } from '../engine/gpu/capabilities.ts';
export { type BufferRequest, Gpu } from '../engine/gpu/gpu.ts';
export type { Kernel } from '../engine/gpu/kernel.ts';
export { measurePeak, type Peak } from '../engine/gpu/peak.ts';
export { type Recovery, withRecovery } from '../engine/gpu/recovery.ts';
export {
  type DeepSupervisionOptions,
  halvingWeights,
  recordDeepSupervision,
} from '../engine/loss/deep-supervision.ts';
export { type DownsampleNearestAttributes, downsampleNearest } from '../engine/loss/downsample-nearest.ts';
export { allLosses, findLoss, loss, registerLoss } from '../engine/loss/index.ts';
export {
  type Activation,
  type BoundLoss,
  defineLoss,
  type Loss,
  type LossDefinition,
  type LossInputs,
} from '../engine/loss/loss.ts';
export { type MseAttributes, mse } from '../engine/loss/mse.ts';
export {
  DEFAULT_LOSS,
  type LabelWeights,
  type OverlapLoss,
  type SegmentationLossAttributes,
  type SegmentationLossSettings,
  segmentationLoss,
  type TprTerm,
} from '../engine/loss/segmentation-loss.ts';
export {
  type TverskyLossAttributes,
  type TverskyLossSettings,
  tverskyLoss,
} from '../engine/loss/tversky-loss.ts';
export { type WeightedSumAttributes, weightedSum } from '../engine/loss/weighted-sum.ts';
export { type Declaration, declare, type Forward } from '../engine/nn/declare.ts';
export type { Initialisation } from '../engine/nn/init.ts';
export type { DesignRequest, NetworkKind } from '../engine/nn/kind.ts';
export type { Layer } from '../engine/nn/layer.ts';
export {
  type Architecture,
  countParameters,
  declareNetwork,
  type Head,
  Network,
  type NetworkSpec,
} from '../engine/nn/network.ts';
export {
  architectureOf,
  declarationOf,
  designNetwork,
  networkKinds,
  parseNetworkSpec,
  registerNetwork,
} from '../engine/nn/networks/index.ts';
export { type PredictionOptions, recordPrediction } from '../engine/nn/prediction.ts';
export type { Mode, ParameterSpec, Scope } from '../engine/nn/scope.ts';
export { StepSeed } from '../engine/nn/step-seed.ts';
export {
  type HeadLoss,
  type Objective,
  recordTrainingStep,
  type StepRequest,
  type TrainingStep,
} from '../engine/nn/training-step.ts';
export { type AddAttributes, add } from '../engine/ops/add.ts';
export { type AveragePool3dAttributes, averagePool3d } from '../engine/ops/average-pool3d.ts';
export { type BatchNormAttributes, batchNorm } from '../engine/ops/batch-norm.ts';
export { type ConcatAttributes, concat } from '../engine/ops/concat.ts';
export { type ConvTranspose3dAttributes, convTranspose3d } from '../engine/ops/conv-transpose3d.ts';
export { type Conv3dAttributes, conv3d } from '../engine/ops/conv3d.ts';
export { crossStitch } from '../engine/ops/cross-stitch.ts';
export { type DropoutAttributes, dropout } from '../engine/ops/dropout.ts';
export { type EluAttributes, elu } from '../engine/ops/elu.ts';
export { type GeluAttributes, gelu } from '../engine/ops/gelu.ts';
export { type GlobalAveragePoolAttributes, globalAveragePool } from '../engine/ops/global-average-pool.ts';
export { type GroupNormAttributes, type GroupNormSaved, groupNorm } from '../engine/ops/group-norm.ts';
export { halfOverlap } from '../engine/ops/half-overlap.ts';
export { type LinearAttributes, linear } from '../engine/ops/linear.ts';
export { type MaxPool3dAttributes, maxPool3d } from '../engine/ops/max-pool3d.ts';
export { type ParameterDistanceAttributes, parameterDistance } from '../engine/ops/parameter-distance.ts';
export { type ReluAttributes, relu } from '../engine/ops/relu.ts';
export { type ScalarBlocksAttributes, scalarBlocks } from '../engine/ops/scalar-blocks.ts';
export { type SigmoidAttributes, sigmoid } from '../engine/ops/sigmoid.ts';
export { type SoftmaxAttributes, softmax } from '../engine/ops/softmax.ts';
export { type UpsampleTrilinearAttributes, upsampleTrilinear } from '../engine/ops/upsample-trilinear.ts';
export { Adam, type AdamSettings, type AdamStatus, DEFAULT_ADAM } from '../engine/optim/adam.ts';
export { LOSS_SCALING, type LossScale, type LossScaling, nextLossScale } from '../engine/optim/loss-scale.ts';
export { adam, type Optimizer } from '../engine/optim/optimizer.ts';
export {
  constantSchedule,
  cosineSchedule,
  polynomialSchedule,
  type Schedule,
  warmUp,
} from '../engine/optim/schedule.ts';
export {
  expectActivation,
  expectInputs,
  expectRule,
  formatShapes,
} from '../engine/tape/check.ts';
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
} from '../engine/tape/command.ts';
export { firstNonFinite, type NonFinite } from '../engine/tape/diagnose.ts';
export { type FlatPart, flatParts } from '../engine/tape/flat-parts.ts';
export type { MemoryEstimate } from '../engine/tape/memory.ts';
export type { Emitter, GradientThunk, Op } from '../engine/tape/op.ts';
export { compilePlan, Plan, type PlanOptions, type PlanStatistics } from '../engine/tape/plan.ts';
export { type TensorSpec, TensorStore } from '../engine/tape/store.ts';
export { type Root, Tape, TapeError } from '../engine/tape/tape.ts';
export { type Element, type Tensor, tensor } from '../engine/tape/tensor.ts';
export { flatChunks, flatGroups } from '../engine/tape/workgroups.ts';
/** Layers, what parameters start as, and what networks are built of. */
export * as nn from '../engine/trainer/nn.ts';
export type { PerHead, TrainerOptions } from '../engine/trainer/trainer.ts';
export { type BrowserGpuOptions, openBrowserGpu } from '../platform/browser.ts';
