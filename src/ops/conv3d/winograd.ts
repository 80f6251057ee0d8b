import { ceilDiv, roundUp, sizeOf } from '../../core/shape.ts';
import { read, readWrite, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import type { Tensor } from '../../tape/tensor.ts';
import { type ConvolutionTask, type Extents, inChannelsOf, type WeightGradientTask } from './task.ts';

/** Register tile of `multiply` in shaders/conv3d-winograd.wgsl. */
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

/** Register tile of `multiply_gradient` in shaders/conv3d-winograd-weight.wgsl. */
export interface WinogradWeightTile {
  readonly lanes: number;
  readonly vectors: number;
  readonly inChannels: number;
}

const FILE = 'conv3d-winograd.wgsl';
const WEIGHT_FILE = 'conv3d-winograd-weight.wgsl';
const POINTS = 36;
/** Scratch of one slab: small against the activations, large against the cost of a dispatch. */
const SLAB_BYTES = 4 * 2 ** 20;
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

function rowsOf(extents: Extents, samples: number, floatsPerRow: number, multiple: number): Rows {
  const tilesZ = ceilDiv(extents[0], 4);
  const tilesY = ceilDiv(extents[1], 4);
  const total = samples * tilesZ * tilesY;
  const fit = Math.floor(SLAB_BYTES / (4 * POINTS * floatsPerRow));
  const perSlab = Math.min(roundUp(total, multiple), Math.max(multiple, fit - (fit % multiple)));
  return { tilesZ, tilesY, total, perSlab };
}

/** Lanes along x of a transform: the largest power of two up to 64 that divides the pitch. */
function widthOf(pitch: number): number {
  return Math.min(LANES, pitch & -pitch);
}

function transformGroups(pitch: number, channels: number, rows: number): [number, number, number] {
  const width = widthOf(pitch);
  return [pitch / width, ceilDiv(channels, LANES / width), rows];
}

/** Whether every tensor of the task can be bound whole. */
export function fitsWinograd(emit: Pick<Emitter, 'capabilities'>, tensors: readonly Tensor[]): boolean {
  return tensors.every((tensor) => sizeOf(tensor.shape) * 4 <= emit.capabilities.maxBindingBytes);
}

/** Bytes of the transformed weights of a convolution: a binding of its own. */
export function winogradPanelBytes(inChannels: number, outChannels: number, tile: WinogradTile): number {
  const room = roundUp(outChannels, tile.vectors * tile.lanes);
  return (POINTS * room * inChannels * 4 * ceilDiv(3 * tile.vectors, 4) * 4) / tile.vectors;
}

/** 3x3x3 convolution of stride 1 by F(4,3) over z and y; the device's subgroups have exactly `lanes`. */
export function convolveWinograd(emit: Emitter, task: ConvolutionTask, tile: WinogradTile): void {
  const inChannels = inChannelsOf(task);
  const blocks = ceilDiv(task.outChannels, tile.vectors * tile.lanes);
  const room = blocks * tile.vectors * tile.lanes;
  const inPitch = roundUp(task.inExtents[2], 8);
  const outPitch = roundUp(task.outExtents[2], tile.run);
  const rows = rowsOf(task.outExtents, task.samples, inChannels * inPitch + room * outPitch, tile.rows);
  const source = pointLayout(inChannels, rows.perSlab, inPitch);
  const target = pointLayout(room, rows.perSlab, outPitch);
  const spec = { LANES: tile.lanes, VECTORS: tile.vectors, RUN: tile.run, ROWS: tile.rows };
  const weights = transformWeights(emit, task, tile, blocks);
  const points = emit.scratch(`${task.label} points`, [source.size]);
  const products = emit.scratch(`${task.label} products`, [target.size]);
  for (let first = 0; first < rows.total; first += rows.perSlab) {
    const count = Math.min(rows.perSlab, rows.total - first);
    transformSources(emit, task, { rows, first, count, layout: source, points });
    emit.run({
      label: task.label,
      kernel: { file: FILE, entry: 'multiply', spec },
      bindings: [read(points), read(weights), write(products)],
      params: [
        inChannels,
        task.inExtents[2],
        task.padding,
        blocks,
        source.pitch,
        source.channelStride,
        source.pointStride,
        target.pitch,
        target.channelStride,
        target.pointStride,
      ],
      workgroups: [outPitch / tile.run, ceilDiv(count, tile.rows), POINTS * blocks],
    });
    const partial = task.accumulate || first > 0;
    emit.run({
      label: `${task.label}_transform_output`,
      kernel: { file: FILE, entry: 'transform_output', spec: { WIDTH: widthOf(outPitch) } },
      bindings: [
        read(products),
        read(task.bias ?? task.sources[0]!.weight.tensor),
        partial ? readWrite(task.output) : write(task.output),
      ],
      params: [
        task.outChannels,
        ...task.outExtents,
        rows.tilesZ,
        rows.tilesY,
        first,
        target.pitch,
        target.channelStride,
        target.pointStride,
        task.bias ? 1 : 0,
        task.accumulate ? 1 : 0,
      ],
      workgroups: transformGroups(outPitch, task.outChannels, count),
    });
  }
}

function transformWeights(emit: Emitter, task: ConvolutionTask, tile: WinogradTile, blocks: number): Tensor {
  const inChannels = inChannelsOf(task);
  const bytes = winogradPanelBytes(inChannels, task.outChannels, tile);
  const packed = emit.scratch(`${task.label} weights`, [bytes / 4]);
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
      params: [
        channels,
        inChannels,
        first,
        task.outChannels,
        blocks,
        weight.first,
        weight.byOut,
        weight.byIn,
        weight.flip ? 1 : 0,
      ],
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
      params: [
        channels,
        channelFirst,
        ...task.inExtents,
        task.padding,
        rows.tilesZ,
        rows.tilesY,
        first,
        layout.pitch,
        layout.channelStride,
        layout.pointStride,
      ],
      workgroups: transformGroups(layout.pitch, channels, count),
    });
    channelFirst += channels;
  }
}

/** Weight gradient of a 3x3x3 convolution of stride 1 by F(4,3) over z and y. */
export function weightGradientWinograd(
  emit: Emitter,
  task: WeightGradientTask,
  tile: WinogradWeightTile,
): void {
  const blocks = ceilDiv(task.outChannels, tile.vectors * tile.lanes);
  const room = blocks * tile.vectors * tile.lanes;
  const inPitch = roundUp(task.inExtents[2], 8);
  const gradPitch = roundUp(task.outExtents[2], 8);
  const rows = rowsOf(
    task.outExtents,
    task.samples,
    task.inChannels * inPitch + task.outChannels * gradPitch,
    1,
  );
  const source = pointLayout(task.inChannels, rows.perSlab, inPitch);
  const target = pointLayout(task.outChannels, rows.perSlab, gradPitch);
  const points = emit.scratch('conv3d/backward_weight points', [source.size]);
  const gradPoints = emit.scratch('conv3d/backward_weight grad_points', [target.size]);
  const products = emit.scratch('conv3d/backward_weight products', [POINTS, task.inChannels, 3, room]);
  for (let first = 0; first < rows.total; first += rows.perSlab) {
    const count = Math.min(rows.perSlab, rows.total - first);
    transformSources(emit, task, { rows, first, count, layout: source, points });
    emit.run({
      label: 'conv3d/backward_weight_transform_gradient',
      kernel: { file: WEIGHT_FILE, entry: 'transform_gradient', spec: { WIDTH: widthOf(gradPitch) } },
      bindings: [read(task.gradOutput), write(gradPoints)],
      params: [
        task.outChannels,
        ...task.outExtents,
        rows.tilesZ,
        rows.tilesY,
        first,
        target.pitch,
        target.channelStride,
        target.pointStride,
      ],
      workgroups: transformGroups(gradPitch, task.outChannels, count),
    });
    emit.run({
      label: 'conv3d/backward_weight',
      kernel: {
        file: WEIGHT_FILE,
        entry: 'multiply_gradient',
        spec: { LANES: tile.lanes, VECTORS: tile.vectors, IN: tile.inChannels },
      },
      bindings: [read(points), read(gradPoints), first === 0 ? write(products) : readWrite(products)],
      params: [
        task.inChannels,
        task.outChannels,
        task.inExtents[2],
        task.padding,
        count,
        source.pitch,
        source.channelStride,
        source.pointStride,
        target.pitch,
        target.channelStride,
        target.pointStride,
        room,
        first > 0 ? 1 : 0,
      ],
      workgroups: [ceilDiv(task.inChannels, tile.inChannels), blocks, POINTS],
    });
  }
  emit.run({
    label: 'conv3d/backward_weight_transform_output',
    kernel: { file: WEIGHT_FILE, entry: 'transform_weight_gradient' },
    bindings: [read(products), task.accumulate ? readWrite(task.gradWeight) : write(task.gradWeight)],
    params: [task.inChannels, task.outChannels, room, task.accumulate ? 1 : 0],
    workgroups: [ceilDiv(task.outChannels, LANES), task.inChannels, 1],
  });
}
