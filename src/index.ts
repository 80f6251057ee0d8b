/**
 * voxelgrad, a WebGPU compute engine that trains and runs 3D segmentation networks, in browsers and on Node: an engine
 * with hand-written kernels, layers and losses to build networks of, and the path from images to masks.
 *
 * This entry holds what most programs need. The rest lies in `voxelgrad/engine`, `/imaging`, `/evaluate`, `/pipeline`,
 * `/study` and, for Node only, `/node`.
 *
 * @module
 */

// The paper's set-ups are presets that settings name.
import './study/presets/index.ts';

// Errors.
export {
  CheckpointError,
  DatasetError,
  DeviceLostError,
  FileFormatError,
  GpuError,
  GridMismatchError,
  NonFiniteError,
  OutOfMemoryError,
  ShapeError,
  StorageError,
  UsageError,
  VoxelgradError,
} from './core/errors.ts';
// Files in memory, random numbers, shapes.
export { type FileSource, type FileStore, MemoryFiles } from './core/files.ts';
export { Random } from './core/random.ts';
export type { Shape } from './core/shape.ts';
// The GPU.
export type { Capabilities } from './engine/gpu/capabilities.ts';
export { Gpu } from './engine/gpu/gpu.ts';
export type { Kernel } from './engine/gpu/kernel.ts';
// Losses.
export { loss, registerLoss } from './engine/loss/index.ts';
export { type BoundLoss, defineLoss, type Loss } from './engine/loss/loss.ts';
// Networks.
export type { Initialisation } from './engine/nn/init.ts';
export type { NetworkKind } from './engine/nn/kind.ts';
export type { Layer } from './engine/nn/layer.ts';
export { Network, type NetworkSpec } from './engine/nn/network.ts';
export { networkKinds, registerNetwork } from './engine/nn/networks/index.ts';
export type { Scope } from './engine/nn/scope.ts';
// The optimizer.
export { Adam, type AdamSettings } from './engine/optim/adam.ts';
export { adam, type Optimizer } from './engine/optim/optimizer.ts';
// Tensors, ops and the tape.
export { expectActivation, expectInputs, expectRule } from './engine/tape/check.ts';
export {
  type Binding,
  type Command,
  read,
  readWrite,
  slice,
  uniform,
  write,
} from './engine/tape/command.ts';
export { flatParts } from './engine/tape/flat-parts.ts';
export type { Emitter, GradientThunk, Op } from './engine/tape/op.ts';
export { compilePlan, type Plan } from './engine/tape/plan.ts';
export { TensorStore } from './engine/tape/store.ts';
export { Tape } from './engine/tape/tape.ts';
export type { Element, Tensor } from './engine/tape/tensor.ts';
// The trainer, and layers.
/** Layers, what parameters start as, and the trainer: `nn.sequential(nn.conv3d(8, { kernel: 3 }), nn.relu())`. */
export * as nn from './engine/trainer/nn.ts';
export type { TrainerOptions } from './engine/trainer/trainer.ts';
// Trained models.
export { decodeModel, encodeModel, type Model, type ModelInfo } from './pipeline/models/model.ts';
// From images to models, and from models to masks.
export type { PredictRequest } from './pipeline/predict/request.ts';
export { predict } from './pipeline/predict/run.ts';
export { type Segmentation, type SegmentOptions, segment } from './pipeline/predict/segment.ts';
// Tasks: what is learned and where from.
export { parseTask, type Task } from './pipeline/task/task.ts';
export { prepareTraining, type TrainingData } from './pipeline/train/prepare.ts';
export type { TrainRequest, TrainResult } from './pipeline/train/request.ts';
export { train } from './pipeline/train/run.ts';
export { type TrainSettings, trainSettings } from './pipeline/train/settings.ts';
export { openGpu } from './platform/open-gpu.ts';
