import { ceilDiv, roundUp } from '../../../core/shape.ts';
import type { Spec } from '../../gpu/specialise.ts';
import { read, readWrite, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import { channelGroups } from '../../tape/split.ts';
import { storageSpec } from '../../tape/storage.ts';
import type { Tensor } from '../../tape/tensor.ts';
import { flatGroups } from '../../tape/workgroups.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { type Geometry, type Pass, paramsOf, voxelsOf, type WeightPass, type WeightView } from './task.ts';

const FILE = 'conv-transpose3d.wgsl';
const LANES = 64;

/** The shader's constants. Register tiles of fewer channels for many taps, or the code takes long to compile. */
function specOf({ kernel, stride }: Geometry): Spec & { readonly CO: number; readonly CI: number } {
  const [KZ, KY, KX] = kernel;
  const [SZ, SY, SX] = stride;
  const channels = voxelsOf(kernel) <= 9 ? 4 : 2;
  return { KZ, KY, KX, SZ, SY, SX, CO: channels, CI: channels };
}

/** Forward, a lane for each cell of as many outputs as the stride. Runs on any device. */
export function forwardCells(emit: Emitter, { geometry, from, weight, bias, to, accumulate }: Pass): void {
  const spec = specOf(geometry);
  // Outputs stride * b + r - padding belong to cell b, so the last one lies in cell (last + padding) / stride.
  const along = (a: number): number =>
    Math.floor((geometry.outExtents[a]! - 1 + geometry.padding[a]!) / geometry.stride[a]!) + 1;
  const cells = [along(0), along(1), along(2)] as const;
  const groups = flatGroups(voxelsOf(cells), LANES, emit.capabilities);
  const blocks = ceilDiv(geometry.outChannels, spec.CO);
  emit.run({
    label: 'conv-transpose3d/forward',
    kernel: { file: FILE, entry: 'forward', spec: { ...spec, ...storageSpec({ Input: from, Output: to }) } },
    bindings: [
      read(from, true),
      read(weight.tensor),
      read((bias ?? weight).tensor),
      accumulate ? readWrite(to, true) : write(to, true),
    ],
    params: paramsOf(geometry, { cells, blocks, bias, accumulate, groupsX: groups[0], weight }),
    workgroups: [groups[0], groups[1], geometry.samples * blocks],
    samples: geometry.samples,
  });
}

/** Input gradient, a lane an input voxel. Runs on any device. */
export function backwardInputCells(emit: Emitter, { geometry, from, weight, to, accumulate }: Pass): void {
  const spec = specOf(geometry);
  const groups = flatGroups(voxelsOf(geometry.inExtents), LANES, emit.capabilities);
  const blocks = ceilDiv(geometry.inChannels, spec.CI);
  emit.run({
    label: 'conv-transpose3d/backward_input',
    kernel: {
      file: FILE,
      entry: 'backward_input',
      spec: { ...spec, ...storageSpec({ Input: to, Output: from }) },
    },
    bindings: [read(from, true), read(weight.tensor), accumulate ? readWrite(to, true) : write(to, true)],
    params: paramsOf(geometry, { accumulate, blocks, groupsX: groups[0], weight }),
    workgroups: [groups[0], groups[1], geometry.samples * blocks],
    samples: geometry.samples,
  });
}

/** Slices of partial sums start at multiples of 256 bytes, so that a device may bind each by itself. */
export const ALIGNMENT = 64;
/** Voxels that a lane of the weight gradient adds up at least, where the volume has them. */
const VOXELS_PER_LANE = 64;

/** Weight gradient: partial sums over blocks of voxels, then their sum in fixed order. Runs on any device. */
export function backwardWeightLanes(
  emit: Emitter,
  { geometry, input, gradOutput, gradWeight, accumulate }: WeightPass,
): void {
  const { samples, inChannels, outChannels, kernel } = geometry;
  const spec = specOf(geometry);
  const blocks = ceilDiv(voxelsOf(geometry.inExtents), LANES * VOXELS_PER_LANE);
  const elements = inChannels * outChannels * voxelsOf(kernel);
  const stride = roundUp(elements, ALIGNMENT);
  const partial = emit.scratch('conv-transpose3d/weight_partial', [samples, blocks * stride]);
  emit.run({
    label: 'conv-transpose3d/backward_weight',
    kernel: {
      file: FILE,
      entry: 'backward_weight',
      spec: { ...spec, ...storageSpec({ Input: input, Output: gradOutput }) },
    },
    bindings: [read(input, true), read(gradOutput, true), write(partial, true)],
    params: paramsOf(geometry, { blocks, stride }),
    workgroups: [ceilDiv(inChannels, spec.CI), outChannels, samples * blocks],
    samples,
  });
  finish(emit, geometry, partial, samples * blocks, gradWeight, accumulate);
}

/** Bias gradient: sums over each sample, then their sum. Runs on any device. */
export function backwardBias(
  emit: Emitter,
  whole: Geometry,
  gradOutput: Tensor,
  gradBias: Tensor,
  accumulate: boolean,
): void {
  for (const { tensor, first, channels } of channelGroups(gradOutput, emit.capabilities)) {
    const geometry = { ...whole, outChannels: channels };
    const stride = roundUp(channels, ALIGNMENT);
    const partial = emit.scratch('conv-transpose3d/bias_partial', [geometry.samples, stride]);
    emit.run({
      label: 'conv-transpose3d/backward_bias',
      kernel: { file: FILE, entry: 'backward_bias', spec: storageSpec({ Output: gradOutput }) },
      bindings: [read(tensor, true), write(partial, true)],
      params: paramsOf(geometry, { stride }),
      workgroups: [channels, 1, geometry.samples],
      samples: geometry.samples,
    });
    const result = { tensor: gradBias, first, byIn: 0 };
    addSlices(emit, geometry, partial, geometry.samples, result, [1, channels], accumulate);
  }
}

/** grad_weight (+)= sum of `slices` slices of partial sums, in their order. */
export function finish(
  emit: Emitter,
  geometry: Geometry,
  partial: Tensor,
  slices: number,
  gradWeight: WeightView,
  accumulate: boolean,
): void {
  const { inChannels, outChannels, kernel } = geometry;
  addSlices(
    emit,
    geometry,
    partial,
    slices,
    gradWeight,
    [inChannels, outChannels * voxelsOf(kernel)],
    accumulate,
  );
}

function addSlices(
  emit: Emitter,
  geometry: Geometry,
  partial: Tensor,
  slices: number,
  result: WeightView,
  [rows, inner]: readonly [number, number],
  accumulate: boolean,
): void {
  const elements = rows * inner;
  const label = 'conv-transpose3d/finish';
  if (emit.capabilities.family === 'gpu') {
    sumPartials(emit, label, {
      from: partial,
      partials: slices,
      stride: roundUp(elements, ALIGNMENT),
      elements,
      inner,
      to: result.tensor,
      first: result.first,
      byRow: result.byIn,
      accumulate,
    });
    return;
  }
  const groups = flatGroups(elements, LANES, emit.capabilities);
  const stride = roundUp(elements, ALIGNMENT);
  emit.run({
    label,
    kernel: { file: FILE, entry: 'finish' },
    bindings: [read(partial), accumulate ? readWrite(result.tensor) : write(result.tensor)],
    params: paramsOf(geometry, {
      slices,
      elements,
      stride,
      accumulate,
      groupsX: groups[0],
      weight: result,
      inner,
    }),
    workgroups: groups,
  });
}
