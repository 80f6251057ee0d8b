import { ceilDiv, sizeOf } from '../../../core/shape.ts';
import type { Spec } from '../../gpu/specialise.ts';
import { type Binding, read, readWrite, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import { storageSpec } from '../../tape/storage.ts';
import type { Tensor } from '../../tape/tensor.ts';
import { flatGroups } from '../../tape/workgroups.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type Lattice, latticesOf, tilesOf } from './lattice.ts';
import {
  type ConvolutionTask,
  type FurtherOutput,
  mostPartials,
  sliceCount,
  tapsOf,
  voxelsOf,
  type WeightGradientTask,
} from './task.ts';

/** Tile of shaders/conv3d.wgsl: x, y, z voxels and output channels a workgroup. */
const TILE = { x: 8, y: 4, z: 4, channels: 16 } as const;
/** Tile of its weight gradient: positions staged at once. */
const GRADIENT_TILE = { x: 8, y: 4, z: 2 } as const;
/** Every device has so much workgroup memory, and so many invocations of a workgroup. */
const WORKGROUP_BYTES = 16 * 2 ** 10;
const INVOCATIONS = 256;

/** Workgroups that fill a large GPU: a hundred cores with four each. */
export const WANTED_GROUPS = 512;
/** Stages of input channels, or tiles of positions, that a workgroup walks at least: fewer do not hide what it costs. */
export const LEAST_STEPS = 8;

/**
 * Input channels of a workgroup, a multiple of `staged`: all, or ranges that run side by side where `groups`
 * workgroups would leave a GPU idle. `most` bounds the ranges.
 */
export function channelsPerPart(channels: number, staged: number, groups: number, most: number): number {
  const stages = ceilDiv(channels, staged);
  return ceilDiv(stages, sliceCount(stages, groups, WANTED_GROUPS, LEAST_STEPS, most)) * staged;
}

/** The constants of the shader for a window. */
function windowSpec(
  { kernel: [kz, ky, kx] }: ConvolutionTask | WeightGradientTask,
  lattices: readonly Lattice[],
): Spec {
  const [z, y, x] = lattices as [Lattice, Lattice, Lattice];
  return {
    ...{ KZ: kz, KY: ky, KX: kx },
    ...{ EZ: z.stride, EY: y.stride, EX: x.stride },
    ...{ UZ: z.step, UY: y.step, UX: x.step },
  };
}

/** What {@link convolveTile} stages: voxels of a lane along z, and input channels at once. */
function stagesOf(lattices: readonly Lattice[]): { readonly z: number; readonly channels: number } {
  const taps = sizeOf(lattices.map((lattice) => lattice.taps));
  const bytes = (z: number): number => {
    const patch = [z, TILE.y, TILE.x].map(
      (extent, a) => (extent - 1) * lattices[a]!.stride + lattices[a]!.taps,
    );
    return 4 * sizeOf(patch) + 4 * TILE.channels * taps;
  };
  const z = [TILE.z, 2].find((voxels) => bytes(voxels) <= WORKGROUP_BYTES) ?? 1;
  const most = taps === 1 ? 8 : 4;
  return {
    z,
    channels: [most, most / 2, most / 4].find((count) => count * bytes(z) <= WORKGROUP_BYTES) ?? 1,
  };
}

/** Convolution through workgroup memory: runs on any device, meant for GPUs. */
export function convolveTile(emit: Emitter, task: ConvolutionTask): void {
  const { output, outChannels, samples, outExtents } = task;
  const lattices = latticesOf(task);
  const { z, channels: staged } = stagesOf(lattices);
  const [tilesZ, tilesY, tilesX] = tilesOf(lattices, outExtents, [z, TILE.y, TILE.x]);
  const blocks = ceilDiv(outChannels, TILE.channels);
  const groups = [tilesX * tilesY, tilesZ * blocks] as const;
  const size = outChannels * voxelsOf(outExtents);
  const most =
    emit.capabilities.family === 'gpu' ? Math.floor(emit.capabilities.maxBindingBytes / (4 * size)) : 1;
  task.sources.forEach(({ tensor, channels, weight }, i) => {
    const bias = i === 0 ? task.bias : null;
    const accumulate = task.accumulate || i > 0;
    const perPart = channelsPerPart(channels, staged, groups[0] * groups[1] * samples, most);
    const parts = ceilDiv(channels, perPart);
    const whole = parts === 1;
    const to = whole ? output : emit.scratch(`${task.label} parts`, [samples * parts, size]);
    emit.run({
      label: task.label,
      kernel: {
        file: 'conv3d.wgsl',
        entry: 'convolve',
        spec: {
          ...windowSpec(task, lattices),
          CI: staged,
          Z: z,
          ...storageSpec({ Input: tensor, Output: to }),
        },
      },
      bindings: [
        read(tensor, true),
        read(weight.tensor),
        read((whole && bias?.tensor) || weight.tensor),
        whole && accumulate ? readWrite(to, true) : write(to, true),
      ],
      params: {
        in_extent: task.inExtents.toReversed(),
        in_channels: channels,
        out_extent: outExtents.toReversed(),
        out_channels: outChannels,
        stride: task.stride.toReversed(),
        weight_first: weight.first,
        dilation: task.dilation.toReversed(),
        weight_by_out: weight.byOut,
        input_dilation: task.inputDilation.toReversed(),
        weight_by_in: weight.byIn,
        padding: task.padding.toReversed(),
        weight_flip: weight.flip ? 1 : 0,
        period: lattices.map(({ period }) => period).toReversed(),
        has_bias: whole && bias ? 1 : 0,
        spacing: lattices.map(({ spacing }) => spacing).toReversed(),
        bias_first: bias?.first ?? 0,
        accumulate: whole && accumulate ? 1 : 0,
        tiles_x: tilesX,
        blocks,
        staged,
        parts,
        per_part: perPart,
      },
      workgroups: [...groups, samples * parts],
      samples,
    });
    if (!whole) sumParts(emit, { ...task, bias, accumulate }, to, weight.tensor, parts);
  });
}

/** What a kernel binds as its second output: writable bindings may not overlap, so that no other tensor can stand in. */
export function furtherOutput(emit: Emitter, label: string, also: FurtherOutput | undefined): Binding {
  if (!also) return write(emit.scratch(`${label} no further output`, [4]));
  return also.accumulate ? readWrite(also.output, true) : write(also.output, true);
}

/** Adds up what `parts` ranges of input channels gave, in their order. */
export function sumParts(
  emit: Emitter,
  task: ConvolutionTask,
  from: Tensor,
  weight: Tensor,
  parts: number,
): void {
  const { output, outChannels, also, samples, bias, accumulate } = task;
  const voxels = voxelsOf(task.outExtents);
  const channels = outChannels + (also?.channels ?? 0);
  const groups = flatGroups(channels * voxels, 64, emit.capabilities);
  emit.run({
    label: `${task.label}_sum_parts`,
    kernel: { file: 'conv3d.wgsl', entry: 'sum_parts', spec: storageSpec({ Output: output }) },
    bindings: [
      read(from, true),
      read(bias?.tensor ?? weight),
      accumulate ? readWrite(output, true) : write(output, true),
      furtherOutput(emit, task.label, also),
    ],
    params: {
      voxels,
      channels,
      parts,
      has_bias: bias ? 1 : 0,
      bias_first: bias?.first ?? 0,
      accumulate: accumulate ? 1 : 0,
      groups_x: groups[0],
      first_channels: outChannels,
      other_accumulate: also?.accumulate ? 1 : 0,
    },
    workgroups: [groups[0], groups[1], samples],
    samples,
    ...(bias || accumulate || also ? {} : { sum: { from, parts, to: output } }),
  });
}

/** Input channels that a workgroup of the weight gradient stages: as many as it has invocations and memory for. */
function stagedOf(task: WeightGradientTask, lattices: readonly Lattice[], channels: number): number {
  const [kz, ky] = task.kernel;
  const { x, y, z } = GRADIENT_TILE;
  const window = [z, y, x].map((extent, a) => (extent - 1) * lattices[a]!.stride + task.kernel[a]!);
  const positions = 16 * x * y * z;
  const fits = (count: number): boolean =>
    4 * count * kz * ky <= INVOCATIONS && 4 * count * sizeOf(window) + positions <= WORKGROUP_BYTES;
  return [16, 8, 4, 2].find((count) => (count <= 4 || count < 2 * channels) && fits(count)) ?? 1;
}

/** Weight gradient through workgroup memory: runs on any device, meant for GPUs. */
export function weightGradientTile(emit: Emitter, task: WeightGradientTask): void {
  const lattices = latticesOf(task);
  const { x, y, z } = GRADIENT_TILE;
  const counts = tilesOf(lattices, task.outExtents, [z, y, x]);
  const tiles = sizeOf(counts);
  for (const source of task.sources) {
    const staged = stagedOf(task, lattices, source.channels);
    const groups = [ceilDiv(source.channels, staged), ceilDiv(task.outChannels, TILE.channels)] as const;
    const most = mostPartials(task, source, emit.capabilities);
    const slices = sliceCount(tiles, groups[0] * groups[1] * task.samples, WANTED_GROUPS, LEAST_STEPS, most);
    const inner = source.channels * tapsOf(task);
    const partial = emit.scratch('conv3d/weight_partial', [task.samples * slices, task.outChannels, inner]);
    emit.run({
      label: 'conv3d/backward_weight',
      kernel: {
        file: 'conv3d.wgsl',
        entry: 'weight_partial',
        spec: {
          ...windowSpec(task, lattices),
          CIW: staged,
          ...storageSpec({ Input: source.tensor, Output: task.gradOutput }),
        },
      },
      bindings: [read(source.tensor, true), read(task.gradOutput, true), write(partial, true)],
      params: {
        in_extent: task.inExtents.toReversed(),
        in_channels: source.channels,
        out_extent: task.outExtents.toReversed(),
        out_channels: task.outChannels,
        stride: task.stride.toReversed(),
        slices,
        padding: task.padding.toReversed(),
        tiles,
        period: lattices.map(({ period }) => period).toReversed(),
        tiles_x: counts[2],
        spacing: lattices.map(({ spacing }) => spacing).toReversed(),
        tiles_y: counts[1],
        staged,
        positions: x * y * z,
        lines: y * z,
      },
      workgroups: [...groups, task.samples * slices],
      samples: task.samples,
    });
    reduceWeightPartials(emit, task, source, partial, task.samples * slices);
  }
}

/** Adds up partial weight gradients [partials, out, channels of the source x taps] in a fixed order. */
export function reduceWeightPartials(
  emit: Emitter,
  task: WeightGradientTask,
  source: WeightGradientTask['sources'][number],
  partial: Tensor,
  partials: number,
): void {
  const taps = tapsOf(task);
  const inner = source.channels * taps;
  const elements = inner * task.outChannels;
  const label = 'conv3d/backward_weight_reduce';
  const first = (task.outFirst * task.inChannels + source.first) * taps;
  if (emit.capabilities.family === 'gpu') {
    sumPartials(emit, label, {
      from: partial,
      partials,
      stride: elements,
      elements,
      inner,
      to: task.gradWeight,
      first,
      byRow: task.inChannels * taps,
      accumulate: task.accumulate,
    });
    return;
  }
  const groups = flatGroups(elements, 64, emit.capabilities);
  emit.run({
    label,
    kernel: { file: 'conv3d.wgsl', entry: 'weight_reduce' },
    bindings: [read(partial), task.accumulate ? readWrite(task.gradWeight) : write(task.gradWeight)],
    params: {
      inner,
      outer: task.outChannels,
      partials,
      by_out: task.inChannels * taps,
      first,
      accumulate: task.accumulate ? 1 : 0,
      groups_x: groups[0],
    },
    workgroups: groups,
  });
}
