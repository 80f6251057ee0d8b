import { ceilDiv, roundUp } from '../../../core/shape.ts';
import { read, readWrite, slice, uniform, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import { storageSpec } from '../../tape/storage.ts';
import { type ConvolutionTask, mostPartials, sliceCount, voxelsOf, type WeightGradientTask } from './task.ts';
import { reduceWeightPartials } from './tile.ts';

const FILE = 'conv3d-pointwise.wgsl';
const LANES = 64;
/** vec4 of the uniform block that the shader declares: the 64 KiB that every device binds. */
const PANEL = 4096;

/** 1x1x1 convolution of stride 1 with voxels as lanes: runs on any device. */
export function convolvePointwise(emit: Emitter, task: ConvolutionTask): void {
  const voxels = voxelsOf(task.outExtents);
  // Software drivers have too few registers for 16 output channels of 4 voxels.
  const mostQuads = emit.capabilities.family === 'gpu' ? 4 : 2;
  const quads = task.outChannels <= 4 ? 1 : task.outChannels <= 8 ? 2 : mostQuads;
  // Input channels that one uniform block holds beside the bias.
  const mostIn = PANEL / quads - 1;
  const voxelsPerLane = 4;
  const spec = { QUADS: quads, VOXELS: voxelsPerLane };
  const parts = task.sources.flatMap((source, s) =>
    Array.from({ length: ceilDiv(source.channels, mostIn) }, (_, k) => ({
      source,
      inFirst: k * mostIn,
      inCount: Math.min(mostIn, source.channels - k * mostIn),
      first: s === 0 && k === 0,
    })),
  );
  for (const { source, inFirst, inCount, first } of parts) {
    const bias = first ? task.bias : null;
    const accumulate = task.accumulate || !first;
    // Bindings start at multiples of 256 bytes, 16 vec4.
    const block = roundUp((inCount + 1) * quads, 16);
    const blocks = ceilDiv(task.outChannels, quads * 4);
    const panel = emit.panel(`${task.label} panel`, [(block * blocks + PANEL) * 4]);
    for (let b = 0; b < blocks; b++) {
      const { weight } = source;
      emit.run({
        label: `${task.label}_pack`,
        kernel: { file: FILE, entry: 'pack', spec },
        bindings: [
          read(weight.tensor),
          read(bias?.tensor ?? weight.tensor),
          slice(write(panel), b * block * 4, block * 4),
        ],
        params: {
          in_channels: source.channels,
          out_channels: task.outChannels,
          weight_first: weight.first,
          weight_by_out: weight.byOut,
          weight_by_in: weight.byIn,
          has_bias: bias ? 1 : 0,
          bias_first: bias?.first ?? 0,
          in_first: inFirst,
          in_count: inCount,
          out_first: b * quads * 4,
        },
        workgroups: [ceilDiv((inCount + 1) * quads, 64), 1, 1],
      });
    }
    for (let b = 0; b < blocks; b++)
      emit.run({
        label: task.label,
        kernel: {
          file: FILE,
          entry: 'convolve',
          spec: { ...spec, ...storageSpec({ Input: source.tensor, Output: task.output }) },
        },
        bindings: [
          read(source.tensor, true),
          uniform(panel, b * block * 4, PANEL * 4),
          accumulate || b > 0 ? readWrite(task.output, true) : write(task.output, true),
        ],
        params: {
          source_channels: source.channels,
          in_first: inFirst,
          in_channels: inCount,
          out_channels: task.outChannels,
          out_first: b * quads * 4,
          voxels,
          accumulate: accumulate ? 1 : 0,
        },
        workgroups: [ceilDiv(voxels, LANES * voxelsPerLane), 1, task.samples],
        samples: task.samples,
      });
  }
}

/** Weight gradient of a 1x1x1 convolution of stride 1 with voxels as lanes: runs on any device. */
export function weightGradientPointwise(emit: Emitter, task: WeightGradientTask): void {
  const voxels = voxelsOf(task.outExtents);
  for (const source of task.sources) {
    const inBlocks = ceilDiv(source.channels, 4);
    const groupsX = inBlocks * ceilDiv(task.outChannels, 4);
    const most = Math.floor(mostPartials(task, source, emit.capabilities) / LANES);
    const slices = sliceCount(voxels, groupsX * task.samples, 32, LANES * 64, most);
    const partials = slices * LANES;
    const partial = emit.scratch('conv3d/weight_partial', [
      task.samples * partials,
      task.outChannels,
      source.channels,
    ]);
    emit.run({
      label: 'conv3d/backward_weight',
      kernel: {
        file: FILE,
        entry: 'weight_partial',
        spec: storageSpec({ Input: source.tensor, Output: task.gradOutput }),
      },
      bindings: [read(source.tensor, true), read(task.gradOutput, true), write(partial, true)],
      params: {
        in_channels: source.channels,
        out_channels: task.outChannels,
        in_blocks: inBlocks,
        voxels,
        partials,
      },
      workgroups: [groupsX, slices, task.samples],
      samples: task.samples,
    });
    reduceWeightPartials(emit, task, source, partial, task.samples * partials);
  }
}
