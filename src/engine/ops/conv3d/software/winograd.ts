import { ceilDiv, roundUp, sizeOf, type Triple } from '../../../../core/shape.ts';
import type { Capabilities } from '../../../gpu/capabilities.ts';
import { read, readWrite, write } from '../../../tape/command.ts';
import type { Emitter } from '../../../tape/op.ts';
import { type Tensor, viewOf } from '../../../tape/tensor.ts';
import { type ConvolutionTask, inChannelsOf, type WeightGradientTask } from '../task.ts';

/** Register tile of `multiply` in shaders/software/conv3d-winograd.wgsl. */
export interface WinogradTile {
  /** Size of a subgroup. */
  readonly lanes: number;
  /** Vectors of `lanes` output channels. */
  readonly vectors: number;
  /** Voxels along x. */
  readonly run: number;
  /** Rows of tiles. */
  readonly rows: number;
}

/** Register tile of `multiply_gradient` in shaders/software/conv3d-winograd-weight.wgsl. */
export interface WinogradWeightTile {
  readonly lanes: number;
  readonly vectors: number;
  readonly inChannels: number;
}

const FILE = 'software/conv3d-winograd.wgsl';
const WEIGHT_FILE = 'software/conv3d-winograd-weight.wgsl';
const POINTS = 36;
/**
 * A convolution runs in slabs, whose scratch is small against its activations; but a slab is large against the cost of
 * a dispatch.
 */
const SLABS = 4;
const LEAST_BYTES = 2 * 2 ** 20;
const MOST_BYTES = 16 * 2 ** 20;
/** Lanes of a transform's workgroup. */
const LANES = 64;

/** A scratch tensor [point][channel][row][x], in elements. */
interface PointLayout {
  readonly pitch: number;
  readonly channelStride: number;
  readonly pointStride: number;
  readonly size: number;
}

function pointLayout(channels: number, rows: number, pitch: number): PointLayout {
  const channelStride = rows * pitch;
  // Strides that are no power of two: else all 36 points of a voxel compete for one cache set.
  const pointStride = roundUp(channels * channelStride, 1024) + 32;
  return { pitch, channelStride, pointStride, size: POINTS * pointStride };
}

/** Tiles of 4x4 in z and y, and the rows that a slab holds at most. */
interface Rows {
  readonly tilesZ: number;
  readonly tilesY: number;
  readonly total: number;
  readonly perSlab: number;
}

function rowsOf(extents: Triple, samples: number, floatsPerRow: number, multiple: number): Rows {
  const tilesZ = ceilDiv(extents[0], 4);
  const tilesY = ceilDiv(extents[1], 4);
  const total = samples * tilesZ * tilesY;
  const rowsIn = (bytes: number): number => Math.floor(bytes / (4 * POINTS * floatsPerRow));
  const fit = Math.min(rowsIn(MOST_BYTES), Math.max(rowsIn(LEAST_BYTES), ceilDiv(total, SLABS)));
  const perSlab = Math.min(roundUp(total, multiple), Math.max(multiple, fit - (fit % multiple)));
  return { tilesZ, tilesY, total, perSlab };
}

/** Lanes along x of a transform: the largest power of two up to 64 that divides the pitch. */
function widthOf(pitch: number): number {
  return Math.min(LANES, pitch & -pitch);
}

/** Rows before channels: neighbouring rows share lines of the cache. */
function transformGroups(pitch: number, channels: number, rows: number): [number, number, number] {
  const width = widthOf(pitch);
  return [pitch / width, rows, ceilDiv(channels, LANES / width)];
}

/** Whether the device binds these tensors whole: rows of tiles run over all samples. Views are bound by samples. */
export function bindsWhole(capabilities: Capabilities, tensors: readonly Tensor[]): boolean {
  return tensors.every((t) => !viewOf(t) && sizeOf(t.shape) * 4 <= capabilities.maxBindingBytes);
}

export function bindsScratch(capabilities: Capabilities, sizes: readonly number[]): boolean {
  return sizes.every((size) => size * 4 <= capabilities.maxBindingBytes);
}

/** Where a convolution's slabs and their scratch lie. */
interface ConvolutionLayout {
  readonly blocks: number;
  readonly rows: Rows;
  readonly source: PointLayout;
  readonly target: PointLayout;
  readonly weights: number;
}

function convolutionLayout(task: ConvolutionTask, tile: WinogradTile): ConvolutionLayout {
  const inChannels = inChannelsOf(task);
  const blocks = ceilDiv(task.outChannels, tile.vectors * tile.lanes);
  const room = blocks * tile.vectors * tile.lanes;
  const inPitch = roundUp(task.inExtents[2], 8);
  const outPitch = roundUp(task.outExtents[2], tile.run);
  const floats = inChannels * inPitch + room * outPitch;
  const rows = rowsOf(task.outExtents, task.samples, floats, tile.rows);
  return {
    blocks,
    rows,
    source: pointLayout(inChannels, rows.perSlab, inPitch),
    target: pointLayout(room, rows.perSlab, outPitch),
    weights: weightsSize(inChannels, blocks, tile),
  };
}

/** Whether the device binds what {@link convolveWinograd} needs. */
export function canConvolveWinograd(
  capabilities: Capabilities,
  task: ConvolutionTask,
  tile: WinogradTile,
): boolean {
  const { source, target, weights } = convolutionLayout(task, tile);
  return (
    bindsWhole(capabilities, [task.output, ...task.sources.map(({ tensor }) => tensor)]) &&
    bindsScratch(capabilities, [source.size, target.size, weights])
  );
}

/** 3x3x3 convolution of stride 1 by F(4,3) over z and y; the device's subgroups have exactly `lanes`. */
export function convolveWinograd(emit: Emitter, task: ConvolutionTask, tile: WinogradTile): void {
  const inChannels = inChannelsOf(task);
  const { blocks, rows, source, target, weights: weightSize } = convolutionLayout(task, tile);
  const spec = { LANES: tile.lanes, VECTORS: tile.vectors, RUN: tile.run, ROWS: tile.rows };
  const weights = transformWeights(emit, task, tile, blocks, weightSize);
  const points = emit.scratch(`${task.label} points`, [source.size]);
  const products = emit.scratch(`${task.label} products`, [target.size]);
  for (let first = 0; first < rows.total; first += rows.perSlab) {
    const count = Math.min(rows.perSlab, rows.total - first);
    transformSources(emit, task, { rows, first, count, layout: source, points });
    emit.run({
      label: task.label,
      kernel: { file: FILE, entry: 'multiply', spec },
      bindings: [read(points), read(weights), write(products)],
      params: {
        channels: inChannels,
        in_width: task.inExtents[2],
        padding: task.padding[0],
        blocks,
        pitch: source.pitch,
        channel_stride: source.channelStride,
        point_stride: source.pointStride,
        out_pitch: target.pitch,
        out_channel_stride: target.channelStride,
        out_point_stride: target.pointStride,
      },
      workgroups: [target.pitch / tile.run, ceilDiv(count, tile.rows), POINTS * blocks],
    });
    const partial = task.accumulate || first > 0;
    emit.run({
      label: `${task.label}_transform_output`,
      kernel: { file: FILE, entry: 'transform_output', spec: { WIDTH: widthOf(target.pitch) } },
      bindings: [
        read(products),
        read(task.bias?.tensor ?? task.sources[0]!.weight.tensor),
        partial ? readWrite(task.output) : write(task.output),
      ],
      params: {
        channels: task.outChannels,
        out_depth: task.outExtents[0],
        out_height: task.outExtents[1],
        out_width: task.outExtents[2],
        tiles_z: rows.tilesZ,
        tiles_y: rows.tilesY,
        row_first: first,
        pitch: target.pitch,
        channel_stride: target.channelStride,
        point_stride: target.pointStride,
        has_bias: task.bias ? 1 : 0,
        bias_first: task.bias?.first ?? 0,
        accumulate: task.accumulate ? 1 : 0,
      },
      workgroups: transformGroups(target.pitch, task.outChannels, count),
    });
  }
}

/** Floats of the panel that {@link transformWeights} fills. */
export function weightsSize(
  inChannels: number,
  blocks: number,
  { lanes, vectors }: Pick<WinogradTile, 'lanes' | 'vectors'>,
): number {
  return POINTS * blocks * inChannels * ceilDiv(3 * vectors, 4) * lanes * 4;
}

/** U of all sources, in panels of `blocks` blocks of output channels; `size` floats. */
export function transformWeights(
  emit: Emitter,
  task: ConvolutionTask,
  tile: Pick<WinogradTile, 'lanes' | 'vectors'>,
  blocks: number,
  size: number,
): Tensor {
  const inChannels = inChannelsOf(task);
  const packed = emit.scratch(`${task.label} weights`, [size]);
  let first = 0;
  for (const { channels, weight } of task.sources) {
    emit.run({
      label: `${task.label}_transform_weights`,
      kernel: {
        file: FILE,
        entry: 'transform_weights',
        spec: { LANES: tile.lanes, VECTORS: tile.vectors },
      },
      bindings: [read(weight.tensor), first === 0 ? write(packed) : readWrite(packed)],
      params: {
        in_channels: channels,
        all_channels: inChannels,
        channel_first: first,
        out_channels: task.outChannels,
        blocks,
        weight_first: weight.first,
        weight_by_out: weight.byOut,
        weight_by_in: weight.byIn,
        weight_flip: weight.flip ? 1 : 0,
      },
      workgroups: [ceilDiv(blocks * tile.vectors * tile.lanes, LANES), channels, 1],
    });
    first += channels;
  }
  return packed;
}

/** A slab of rows and the scratch that its transformed inputs go to. */
interface Slab {
  readonly rows: Rows;
  readonly first: number;
  readonly count: number;
  readonly layout: PointLayout;
  readonly points: Tensor;
}

/** V of a slab, source behind source. */
function transformSources(
  emit: Emitter,
  task: Pick<ConvolutionTask, 'inExtents' | 'padding'> & {
    readonly label?: string;
    readonly sources: readonly { readonly tensor: Tensor; readonly channels: number }[];
  },
  { rows, first, count, layout, points }: Slab,
): void {
  let channelFirst = 0;
  for (const { tensor, channels } of task.sources) {
    emit.run({
      label: `${task.label ?? 'conv3d/backward_weight'}_transform_input`,
      kernel: { file: FILE, entry: 'transform_input', spec: { WIDTH: widthOf(layout.pitch) } },
      bindings: [read(tensor), channelFirst === 0 ? write(points) : readWrite(points)],
      params: {
        channels,
        channel_first: channelFirst,
        in_depth: task.inExtents[0],
        in_height: task.inExtents[1],
        in_width: task.inExtents[2],
        padding: task.padding[0],
        tiles_z: rows.tilesZ,
        tiles_y: rows.tilesY,
        row_first: first,
        pitch: layout.pitch,
        channel_stride: layout.channelStride,
        point_stride: layout.pointStride,
      },
      workgroups: transformGroups(layout.pitch, channels, count),
    });
    channelFirst += channels;
  }
}

interface WeightGradientLayout {
  readonly blocks: number;
  /** Output channels with those that fill the last block. */
  readonly room: number;
  readonly inChannels: number;
  readonly rows: Rows;
  readonly source: PointLayout;
  readonly target: PointLayout;
}

function weightGradientLayout(task: WeightGradientTask, tile: WinogradWeightTile): WeightGradientLayout {
  const inChannels = task.sources.reduce((sum, { channels }) => sum + channels, 0);
  const blocks = ceilDiv(task.outChannels, tile.vectors * tile.lanes);
  const inPitch = roundUp(task.inExtents[2], 8);
  const gradPitch = roundUp(task.outExtents[2], 8);
  const rows = rowsOf(task.outExtents, task.samples, inChannels * inPitch + task.outChannels * gradPitch, 1);
  return {
    blocks,
    room: blocks * tile.vectors * tile.lanes,
    inChannels,
    rows,
    source: pointLayout(inChannels, rows.perSlab, inPitch),
    target: pointLayout(task.outChannels, rows.perSlab, gradPitch),
  };
}

/** Whether the device binds what {@link weightGradientWinograd} needs. */
export function canDifferentiateWinograd(
  capabilities: Capabilities,
  task: WeightGradientTask,
  tile: WinogradWeightTile,
): boolean {
  const { source, target, room, inChannels } = weightGradientLayout(task, tile);
  return (
    bindsWhole(capabilities, [task.gradOutput, ...task.sources.map(({ tensor }) => tensor)]) &&
    bindsScratch(capabilities, [source.size, target.size, POINTS * 3 * inChannels * room])
  );
}

/** Weight gradient of a 3x3x3 convolution of stride 1 by F(4,3) over z and y. */
export function weightGradientWinograd(
  emit: Emitter,
  task: WeightGradientTask,
  tile: WinogradWeightTile,
): void {
  const { blocks, room, inChannels, rows, source, target } = weightGradientLayout(task, tile);
  const points = emit.scratch('conv3d/backward_weight points', [source.size]);
  const gradPoints = emit.scratch('conv3d/backward_weight grad_points', [target.size]);
  const products = emit.scratch('conv3d/backward_weight products', [POINTS, inChannels, 3, room]);
  for (let first = 0; first < rows.total; first += rows.perSlab) {
    const count = Math.min(rows.perSlab, rows.total - first);
    transformSources(emit, task, { rows, first, count, layout: source, points });
    emit.run({
      label: 'conv3d/backward_weight_transform_gradient',
      kernel: { file: WEIGHT_FILE, entry: 'transform_gradient', spec: { WIDTH: widthOf(target.pitch) } },
      bindings: [read(task.gradOutput), write(gradPoints)],
      params: {
        channels: task.outChannels,
        out_depth: task.outExtents[0],
        out_height: task.outExtents[1],
        out_width: task.outExtents[2],
        tiles_z: rows.tilesZ,
        tiles_y: rows.tilesY,
        row_first: first,
        pitch: target.pitch,
        channel_stride: target.channelStride,
        point_stride: target.pointStride,
      },
      workgroups: transformGroups(target.pitch, task.outChannels, count),
    });
    emit.run({
      label: 'conv3d/backward_weight',
      kernel: {
        file: WEIGHT_FILE,
        entry: 'multiply_gradient',
        spec: { LANES: tile.lanes, VECTORS: tile.vectors, IN: tile.inChannels },
      },
      bindings: [read(points), read(gradPoints), first === 0 ? write(products) : readWrite(products)],
      params: {
        in_channels: inChannels,
        out_channels: task.outChannels,
        in_width: task.inExtents[2],
        padding: task.padding[0],
        rows: count,
        pitch: source.pitch,
        channel_stride: source.channelStride,
        point_stride: source.pointStride,
        grad_pitch: target.pitch,
        grad_channel_stride: target.channelStride,
        grad_point_stride: target.pointStride,
        room,
        accumulate: first > 0 ? 1 : 0,
      },
      workgroups: [ceilDiv(inChannels, tile.inChannels), blocks, POINTS],
    });
  }
  emit.run({
    label: 'conv3d/backward_weight_transform_output',
    kernel: { file: WEIGHT_FILE, entry: 'transform_weight_gradient' },
    bindings: [read(products), task.accumulate ? readWrite(task.gradWeight) : write(task.gradWeight)],
    params: {
      in_channels: inChannels,
      out_channels: task.outChannels,
      room,
      by_out: task.inChannels * 27,
      first: (task.outFirst * task.inChannels + task.sources[0]!.first) * 27,
      accumulate: task.accumulate ? 1 : 0,
    },
    workgroups: [ceilDiv(task.outChannels, LANES), inChannels, 1],
  });
}
