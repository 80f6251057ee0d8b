import { ceilDiv } from '../../../core/shape.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Spec } from '../../gpu/specialise.ts';
import { type Params, read, readWrite, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import { storageSpec } from '../../tape/storage.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import {
  type BiasView,
  type Geometry,
  type Pass,
  voxelsOf,
  type WeightPass,
  type WeightView,
} from './task.ts';

const FILE = 'conv-transpose3d-wide.wgsl';
const LANES = 64;
/** Columns of 64 lanes of shaders/conv-transpose3d-wide.wgsl. */
const COLUMNS = 16;
/** Rows of weights staged at once. */
const STAGED_ROWS = 16;
/** Of its weight gradient: input channels, pairs of output channel and tap, and voxels staged at once. */
const GRADIENT = { channels: 32, pairs: 128, voxels: 16 } as const;
/** Workgroups that fill a large GPU. */
const WANTED_GROUPS = 128;
const WANTED_PARTS = 512;
/** Chunks that a workgroup of the weight gradient walks at least. */
const LEAST_CHUNKS = 4;

/** Voxels of a lane. */
export type WideVoxels = 2 | 4 | 8;

/** Whether each output has exactly one tap, and the device is a GPU: software drivers keep workgroup memory in main memory. */
export function canTransposeWide(
  { family }: Capabilities,
  { kernel, stride, padding, inExtents, outExtents }: Geometry,
): boolean {
  return (
    family === 'gpu' &&
    [0, 1, 2].every(
      (a) => kernel[a] === stride[a] && padding[a] === 0 && outExtents[a] === stride[a]! * inExtents[a]!,
    )
  );
}

/** Numbers of voxels per lane, best guess first: the most with which the workgroups fill a large GPU. */
export function wideVoxels(geometry: Geometry, columns: number): readonly WideVoxels[] {
  const groups = (voxels: number): number =>
    ceilDiv(voxelsOf(geometry.inExtents), LANES * voxels) *
    ceilDiv(columns, COLUMNS * columnGroups(columns)) *
    geometry.samples;
  const all: readonly WideVoxels[] = [8, 4, 2];
  const best = all.find((voxels) => groups(voxels) >= WANTED_GROUPS) ?? 2;
  return [best, ...all.filter((voxels) => voxels !== best)];
}

/** Groups of 64 lanes in a workgroup, each with columns of its own. */
function columnGroups(columns: number): 1 | 2 | 4 {
  return columns <= COLUMNS ? 1 : columns <= 2 * COLUMNS ? 2 : 4;
}

function specOf({ stride: [SZ, SY, SX] }: Geometry): Spec {
  return { SZ, SY, SX };
}

function paramsOf(
  { inExtents, inChannels, outChannels }: Geometry,
  rest: {
    readonly rows?: number;
    readonly columns?: number;
    readonly accumulate?: boolean;
    readonly bias?: BiasView | null;
    readonly weight?: WeightView;
    readonly slices?: number;
    readonly chunks?: number;
  },
): Params {
  return {
    extent: inExtents.toReversed(),
    accumulate: rest.accumulate ? 1 : 0,
    in_channels: inChannels,
    out_channels: outChannels,
    rows: rest.rows ?? 0,
    columns: rest.columns ?? 0,
    has_bias: rest.bias ? 1 : 0,
    bias_first: rest.bias?.first ?? 0,
    weight_first: rest.weight?.first ?? 0,
    weight_by_in: rest.weight?.byIn ?? 0,
    staged: STAGED_ROWS,
    slices: rest.slices ?? 1,
    chunks: rest.chunks ?? 0,
  };
}

/** Forward as a product of voxels x input channels with input channels x (output channels and taps). */
export function forwardWide(emit: Emitter, pass: Pass, voxels: WideVoxels): void {
  const { geometry, from, weight, bias, to, accumulate } = pass;
  const columns = geometry.outChannels * voxelsOf(geometry.kernel);
  const groups = columnGroups(columns);
  emit.run({
    label: 'conv-transpose3d/forward',
    kernel: {
      file: FILE,
      entry: 'forward',
      spec: { ...specOf(geometry), V: voxels, GROUPS: groups, ...storageSpec({ Input: from, Output: to }) },
    },
    bindings: [
      read(from, true),
      read(weight.tensor),
      read((bias ?? weight).tensor),
      accumulate ? readWrite(to, true) : write(to, true),
    ],
    params: paramsOf(geometry, { rows: geometry.inChannels, columns, accumulate, bias, weight }),
    workgroups: [
      ceilDiv(voxelsOf(geometry.inExtents), LANES * voxels),
      ceilDiv(columns, COLUMNS * groups),
      geometry.samples,
    ],
    samples: geometry.samples,
  });
}

/** Input gradient as a product of voxels x (output channels and taps) with these x input channels. */
export function backwardInputWide(emit: Emitter, pass: Pass, voxels: WideVoxels): void {
  const { geometry, from, weight, to, accumulate } = pass;
  const rows = geometry.outChannels * voxelsOf(geometry.kernel);
  const columns = geometry.inChannels;
  const groups = columnGroups(columns);
  emit.run({
    label: 'conv-transpose3d/backward_input',
    kernel: {
      file: FILE,
      entry: 'backward_input',
      spec: { ...specOf(geometry), V: voxels, GROUPS: groups, ...storageSpec({ Input: to, Output: from }) },
    },
    bindings: [read(from, true), read(weight.tensor), accumulate ? readWrite(to, true) : write(to, true)],
    params: paramsOf(geometry, { rows, columns, accumulate, weight }),
    workgroups: [
      ceilDiv(voxelsOf(geometry.inExtents), LANES * voxels),
      ceilDiv(columns, COLUMNS * groups),
      geometry.samples,
    ],
    samples: geometry.samples,
  });
}

/** Weight gradient as a product of input channels x voxels with voxels x (output channels and taps), in partial sums. */
export function backwardWeightWide(emit: Emitter, pass: WeightPass): void {
  const { geometry, input, gradOutput, gradWeight, accumulate } = pass;
  const { samples, inChannels, outChannels, kernel, inExtents } = geometry;
  const inner = outChannels * voxelsOf(kernel);
  const elements = inChannels * inner;
  const groups = [ceilDiv(inChannels, GRADIENT.channels), ceilDiv(inner, GRADIENT.pairs)] as const;
  const chunks = ceilDiv(voxelsOf(inExtents), GRADIENT.voxels);
  const bound = Math.floor(emit.capabilities.maxBindingBytes / (2 * 4 * samples * elements));
  const wanted = ceilDiv(WANTED_PARTS, groups[0] * groups[1] * samples);
  const slices = Math.max(1, Math.min(wanted, Math.floor(chunks / LEAST_CHUNKS), bound));
  const partials = 2 * samples * slices;
  const partial = emit.scratch('conv-transpose3d/weight_partial', [partials, elements]);
  emit.run({
    label: 'conv-transpose3d/backward_weight',
    kernel: {
      file: FILE,
      entry: 'backward_weight',
      spec: { ...specOf(geometry), ...storageSpec({ Input: input, Output: gradOutput }) },
    },
    bindings: [read(input, true), read(gradOutput, true), write(partial, true)],
    params: paramsOf(geometry, { slices, chunks }),
    workgroups: [...groups, samples * slices],
    samples,
  });
  sumPartials(emit, 'conv-transpose3d/finish', {
    from: partial,
    partials,
    stride: elements,
    elements,
    inner,
    to: gradWeight.tensor,
    first: gradWeight.first,
    byRow: gradWeight.byIn,
    accumulate,
  });
}
