import { ceilDiv } from '../../../core/shape.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import { read, readWrite, write } from '../../tape/command.ts';
import { jobCommand } from '../../tape/jobs.ts';
import type { Emitter } from '../../tape/op.ts';
import { storageSpec } from '../../tape/storage.ts';
import { type Tensor, viewOf } from '../../tape/tensor.ts';
import {
  type ConvolutionTask,
  mostPartials,
  type Source,
  sliceCount,
  voxelsOf,
  type WeightGradientTask,
} from './task.ts';
import { furtherOutput, LEAST_STEPS, reduceWeightPartials, sumParts, WANTED_GROUPS } from './tile.ts';

const FILE = 'conv3d-wide.wgsl';
const GRADIENT_FILE = 'conv3d-wide-gradient.wgsl';

/** Register tile of shaders/conv3d-wide.wgsl. */
export interface WideTile {
  /** Voxels of a lane along z. */
  readonly z: 4 | 8;
  /** Input channels staged between two barriers. */
  readonly staged: 2 | 4;
}

/** Voxels of a workgroup along x and y, and its output channels. */
export const WIDE_TILE = { x: 8, y: 4, channels: 16 } as const;
const TAPS = 27;
/** Tile of the weight gradient: positions of a plane staged at once, and channels on either side. */
const GRADIENT_TILE = { x: 8, y: 4, channels: 16 } as const;
/** Planes of positions that a workgroup of the weight gradient stages at once. */
export type GradientPlanes = 1 | 2;

/** Bytes of workgroup memory that a tile takes. */
function workgroupBytes({ z, staged }: WideTile): number {
  return staged * 4 * ((WIDE_TILE.y + 2) * (z + 2) * 12 + TAPS * WIDE_TILE.channels);
}

/** Whether a plain 3x3x3 convolution's sources share one weight's strides, and the device has the workgroup memory. */
export function canConvolveWide(
  { maxWorkgroupBytes }: Capabilities,
  { sources }: ConvolutionTask,
  tile: WideTile,
): boolean {
  const [first] = sources;
  const shared = sources.every(
    ({ tensor, weight }) =>
      tensor.element === first!.tensor.element &&
      weight.tensor === first!.weight.tensor &&
      weight.byOut === first!.weight.byOut &&
      weight.byIn === first!.weight.byIn &&
      weight.flip === first!.weight.flip,
  );
  return shared && workgroupBytes(tile) <= maxWorkgroupBytes;
}

/** Whether one pass can write both outputs of a task with one source. */
export function canWriteBoth({ sources, output, also }: ConvolutionTask): boolean {
  if (!also || sources.length > 1) return false;
  return output.element === also.output.element && distinct(output, also.output);
}

/**
 * Stages of input channels of a workgroup: all, or ranges that run side by side if `groups` workgroups would leave a GPU
 * idle. `most` bounds the ranges.
 */
export function stagesPerPart(stages: number, groups: number, most: number): number {
  return ceilDiv(stages, sliceCount(stages, groups, WANTED_GROUPS, LEAST_STEPS, most));
}

/** Convolution with 8 output channels x `tile.z` voxels per lane; sources in pairs, each pair in one pass. */
export function convolveWide(emit: Emitter, task: ConvolutionTask, tile: WideTile): void {
  for (const [i, pair] of pairsOf(task.sources).entries())
    convolvePair(
      emit,
      {
        ...task,
        sources: pair.filter((source) => source !== undefined),
        bias: i === 0 ? task.bias : null,
        accumulate: task.accumulate || i > 0,
      },
      tile,
    );
}

function convolvePair(emit: Emitter, task: ConvolutionTask, tile: WideTile): void {
  const { output, also, samples, bias, accumulate } = task;
  const outChannels = task.outChannels + (also?.channels ?? 0);
  const [source, other] = task.sources as [Source, Source | undefined];
  const [depth, height, width] = task.outExtents;
  const tilesX = ceilDiv(width, WIDE_TILE.x);
  const blocks = ceilDiv(outChannels, WIDE_TILE.channels);
  const stages = ceilDiv(source.channels, tile.staged);
  const allStages = stages + ceilDiv(other?.channels ?? 0, tile.staged);
  const groups = [tilesX * ceilDiv(height, WIDE_TILE.y), ceilDiv(depth, tile.z) * blocks] as const;
  const size = outChannels * voxelsOf(task.outExtents);
  const most = Math.floor(emit.capabilities.maxBindingBytes / (4 * size));
  const perPart = stagesPerPart(allStages, groups[0] * groups[1] * samples, most);
  const parts = ceilDiv(allStages, perPart);
  const whole = parts === 1;
  const to = whole ? output : emit.scratch(`${task.label} parts`, [samples * parts, size]);
  const spec = { Z: tile.z, CI: tile.staged };
  const vectors = blocks * allStages * tile.staged * TAPS * 4;
  const panel = emit.scratch(`${task.label} panel`, [vectors * 4]);
  const { weight } = source;
  emit.run(
    jobCommand(
      `${task.label}_pack`,
      { file: FILE, entry: 'pack', spec: { CI: tile.staged } },
      {
        when: 'early',
        from: weight.tensor,
        to: panel,
        first: [0, 0],
        accumulate: false,
        workgroups: ceilDiv(vectors, 64),
        words: [
          ...[vectors, source.channels, other?.channels ?? 0, outChannels],
          ...[weight.first, other?.weight.first ?? 0, weight.byOut, weight.byIn],
          ...[weight.flip ? 1 : 0, stages, allStages],
        ],
      },
      emit.capabilities,
    ),
  );
  emit.run({
    label: task.label,
    kernel: {
      file: FILE,
      entry: 'convolve',
      spec: { ...spec, ...storageSpec({ Input: source.tensor, Output: to }) },
    },
    bindings: [
      read(source.tensor, true),
      read(panel),
      read(bias?.tensor ?? source.weight.tensor),
      whole && accumulate ? readWrite(to, true) : write(to, true),
      // Two writable bindings may not overlap, so that the first source cannot stand in.
      other ? read(other.tensor, true) : write(emit.scratch(`${task.label} no source`, [4])),
      furtherOutput(emit, task.label, whole ? also : undefined),
    ],
    params: {
      channels: source.channels,
      other_channels: other?.channels ?? 0,
      out_channels: outChannels,
      in_depth: task.inExtents[0],
      in_height: task.inExtents[1],
      in_width: task.inExtents[2],
      out_depth: depth,
      out_height: height,
      out_width: width,
      padding: task.padding[0],
      has_bias: bias ? 1 : 0,
      bias_first: bias?.first ?? 0,
      accumulate: whole && accumulate ? 1 : 0,
      tiles_x: tilesX,
      blocks,
      stages,
      all_stages: allStages,
      parts,
      per_part: perPart,
      first_out_channels: whole ? task.outChannels : outChannels,
      other_accumulate: also?.accumulate ? 1 : 0,
    },
    workgroups: [...groups, samples * parts],
    samples,
  });
  if (!whole) sumParts(emit, { ...task, bias: null }, to, source.weight.tensor, parts);
}

/** Whether the device has the workgroup memory: 16 channels of rows of 12 inputs and a word, and the gradients. */
export function canDifferentiateWide({ maxWorkgroupBytes }: Capabilities, planes: GradientPlanes): boolean {
  const { x, y, channels } = GRADIENT_TILE;
  return 4 * channels * ((planes + 2) * (y + 2) * 12 + 1 + planes * y * x) <= maxWorkgroupBytes;
}

/** Weight gradient with 8 output channels x 9 taps per lane. */
export function weightGradientWide(emit: Emitter, task: WeightGradientTask, planes: GradientPlanes): void {
  const [depth, height, width] = task.outExtents;
  const tilesX = ceilDiv(width, GRADIENT_TILE.x);
  const tilesY = ceilDiv(height, GRADIENT_TILE.y);
  const tiles = tilesX * tilesY * ceilDiv(depth, planes);
  for (const [source, other] of pairsOf(task.sources)) {
    const firstBlocks = ceilDiv(source.channels, GRADIENT_TILE.channels);
    const groups = [
      firstBlocks + ceilDiv(other?.channels ?? 0, GRADIENT_TILE.channels),
      ceilDiv(task.outChannels, GRADIENT_TILE.channels),
    ] as const;
    const both = { ...source, channels: source.channels + (other?.channels ?? 0) };
    const most = mostPartials(task, both, emit.capabilities);
    const slices = sliceCount(tiles, groups[0] * groups[1] * task.samples, WANTED_GROUPS, LEAST_STEPS, most);
    const inner = both.channels * TAPS;
    const partial = emit.scratch('conv3d/weight_partial', [task.samples * slices, task.outChannels, inner]);
    emit.run({
      label: 'conv3d/backward_weight',
      kernel: {
        file: GRADIENT_FILE,
        entry: 'weight_partial',
        spec: { GZ: planes, ...storageSpec({ Input: source.tensor, Output: task.gradOutput }) },
      },
      bindings: [
        read(source.tensor, true),
        read(task.gradOutput, true),
        write(partial, true),
        other ? read(other.tensor, true) : write(emit.scratch('conv3d/no source', [4])),
      ],
      params: {
        in_channels: source.channels,
        other_channels: other?.channels ?? 0,
        first_blocks: firstBlocks,
        out_channels: task.outChannels,
        in_depth: task.inExtents[0],
        in_height: task.inExtents[1],
        in_width: task.inExtents[2],
        out_depth: depth,
        out_height: height,
        out_width: width,
        padding: task.padding[0],
        slices,
        tiles,
        tiles_x: tilesX,
        tiles_y: tilesY,
      },
      workgroups: [...groups, task.samples * slices],
      samples: task.samples,
    });
    reduceWeightPartials(emit, task, both, partial, task.samples * slices);
  }
}

/** Sources in pairs that a kernel binds side by side: stored alike, and not the same tensor, as bindings may not overlap. */
function pairsOf<S extends { readonly tensor: Tensor }>(sources: readonly S[]): (readonly [S, S?])[] {
  const pairs: (readonly [S, S?])[] = [];
  for (let i = 0; i < sources.length; i++) {
    const [source, next] = [sources[i]!, sources[i + 1]];
    const fits =
      next && next.tensor.element === source.tensor.element && distinct(next.tensor, source.tensor);
    pairs.push(fits ? [source, next] : [source]);
    if (fits) i++;
  }
  return pairs;
}

/** Whether two tensors lie in different memory for sure. */
function distinct(a: Tensor, b: Tensor): boolean {
  return (viewOf(a)?.of ?? a) !== (viewOf(b)?.of ?? b);
}
