import { ceilDiv } from '../../../core/shape.ts';
import { read, readWrite, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import { storageSpec } from '../../tape/storage.ts';
import type { Tensor } from '../../tape/tensor.ts';
import { flatGroups } from '../../tape/workgroups.ts';
import { type ConvolutionTask, mostPartials, sliceCount, voxelsOf, type WeightGradientTask } from './task.ts';

/** Tile of shaders/conv3d.wgsl: x, y, z voxels and output channels a workgroup. */
const TILE = { x: 8, y: 4, z: 4, channels: 16 } as const;
/** Tile of its weight gradient: positions staged at once, and input channels a workgroup. */
const GRADIENT_TILE = { x: 8, y: 4, z: 2, inChannels: 4 } as const;

/** Workgroups that fill a large GPU: a hundred cores with four each. */
const WANTED_GROUPS = 512;
/** Stages of input channels, or tiles of positions, that a workgroup walks at least: fewer do not hide what it costs. */
const LEAST_STEPS = 8;

/**
 * Input channels of a workgroup, a multiple of `staged`: all, or ranges that run side by side where `groups`
 * workgroups would leave a GPU idle. `most` bounds the ranges.
 */
export function channelsPerPart(channels: number, staged: number, groups: number, most: number): number {
  const stages = ceilDiv(channels, staged);
  return ceilDiv(stages, sliceCount(stages, groups, WANTED_GROUPS, LEAST_STEPS, most)) * staged;
}

/** Convolution through workgroup memory: runs on any device, meant for GPUs. */
export function convolveTile(emit: Emitter, task: ConvolutionTask): void {
  const { output, outChannels, samples } = task;
  const [depth, height, width] = task.outExtents;
  const tilesX = ceilDiv(width, TILE.x);
  const blocks = ceilDiv(outChannels, TILE.channels);
  const groups = [tilesX * ceilDiv(height, TILE.y), ceilDiv(depth, TILE.z) * blocks] as const;
  // Fewer channels at stride 2, where a patch is larger: workgroup memory stays below 16 KiB.
  const staged = task.kernel === 1 ? 8 / task.stride : task.stride === 2 ? 1 : 4;
  const size = outChannels * voxelsOf(task.outExtents);
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
          K: task.kernel,
          STRIDE: task.stride,
          CI: staged,
          ...storageSpec({ Input: tensor, Output: to }),
        },
      },
      bindings: [
        read(tensor, true),
        read(weight.tensor),
        read((whole && bias?.tensor) || weight.tensor),
        whole && accumulate ? readWrite(to, true) : write(to, true),
      ],
      params: [
        channels,
        outChannels,
        ...task.inExtents,
        ...task.outExtents,
        task.padding,
        task.dilation,
        weight.first,
        weight.byOut,
        weight.byIn,
        weight.flip ? 1 : 0,
        whole && bias ? 1 : 0,
        bias?.first ?? 0,
        whole && accumulate ? 1 : 0,
        tilesX,
        blocks,
        task.kernel,
        staged,
        parts,
        perPart,
      ],
      workgroups: [...groups, samples * parts],
      samples,
    });
    if (!whole) sumParts(emit, { ...task, bias, accumulate }, to, weight.tensor, parts);
  });
}

/** Adds up what `parts` ranges of input channels gave, in their order. */
function sumParts(emit: Emitter, task: ConvolutionTask, from: Tensor, weight: Tensor, parts: number): void {
  const { output, outChannels, samples, bias, accumulate } = task;
  const voxels = voxelsOf(task.outExtents);
  const groups = flatGroups(outChannels * voxels, 64, emit.capabilities);
  emit.run({
    label: `${task.label}_sum_parts`,
    kernel: { file: 'conv3d.wgsl', entry: 'sum_parts', spec: storageSpec({ Output: output }) },
    bindings: [
      read(from, true),
      read(bias?.tensor ?? weight),
      accumulate ? readWrite(output, true) : write(output, true),
    ],
    params: [voxels, outChannels, parts, bias ? 1 : 0, bias?.first ?? 0, accumulate ? 1 : 0, groups[0]],
    workgroups: [groups[0], groups[1], samples],
    samples,
  });
}

/** Weight gradient through workgroup memory: runs on any device, meant for GPUs. */
export function weightGradientTile(emit: Emitter, task: WeightGradientTask): void {
  const [depth, height, width] = task.outExtents;
  const tilesX = ceilDiv(width, GRADIENT_TILE.x);
  const tilesY = ceilDiv(height, GRADIENT_TILE.y);
  const tiles = tilesX * tilesY * ceilDiv(depth, GRADIENT_TILE.z);
  for (const source of task.sources) {
    const groups = [
      ceilDiv(source.channels, GRADIENT_TILE.inChannels),
      ceilDiv(task.outChannels, TILE.channels),
    ] as const;
    const most = mostPartials(task, source, emit.capabilities);
    const slices = sliceCount(tiles, groups[0] * groups[1] * task.samples, WANTED_GROUPS, LEAST_STEPS, most);
    const inner = source.channels * task.kernel ** 3;
    const partial = emit.scratch('conv3d/weight_partial', [task.samples * slices, task.outChannels, inner]);
    emit.run({
      label: 'conv3d/backward_weight',
      kernel: {
        file: 'conv3d.wgsl',
        entry: 'weight_partial',
        spec: {
          K: task.kernel,
          STRIDE: task.stride,
          ...storageSpec({ Input: source.tensor, Output: task.gradOutput }),
        },
      },
      bindings: [read(source.tensor, true), read(task.gradOutput, true), write(partial, true)],
      params: [
        source.channels,
        task.outChannels,
        ...task.inExtents,
        ...task.outExtents,
        task.padding,
        slices,
        tiles,
        tilesX,
        tilesY,
        GRADIENT_TILE.inChannels,
        GRADIENT_TILE.x * GRADIENT_TILE.y * GRADIENT_TILE.z,
        GRADIENT_TILE.y * GRADIENT_TILE.z,
      ],
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
  const taps = task.kernel ** 3;
  const inner = source.channels * taps;
  const groups = flatGroups(inner * task.outChannels, 64, emit.capabilities);
  emit.run({
    label: 'conv3d/backward_weight_reduce',
    kernel: { file: 'conv3d.wgsl', entry: 'weight_reduce' },
    bindings: [read(partial), task.accumulate ? readWrite(task.gradWeight) : write(task.gradWeight)],
    params: [
      inner,
      task.outChannels,
      partials,
      task.inChannels * taps,
      (task.outFirst * task.inChannels + source.first) * taps,
      task.accumulate ? 1 : 0,
      groups[0],
    ],
    workgroups: groups,
  });
}
