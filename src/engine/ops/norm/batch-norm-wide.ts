import { ceilDiv, type Shape, sizeOf } from '../../../core/shape.ts';
import type { Spec } from '../../gpu/specialise.ts';
import { type Binding, type Command, type Params, read, readWrite, write } from '../../tape/command.ts';
import type { Emitter, GradientThunk, Node } from '../../tape/op.ts';
import { storageSpec } from '../../tape/storage.ts';
import { byteLength, type Tensor, viewOf } from '../../tape/tensor.ts';
import type { BatchNormAttributes, BatchNormSaved } from '../batch-norm.ts';

const FILE = 'batch-norm-wide.wgsl';
const LANES = 256;
/** Items (of 1 or 4 floats) of a lane when it writes them. */
const PER_LANE = 8;
/** Items of a lane that reduces, where there are enough, and partial results of a channel. */
const PER_LANE_REDUCED = 16;
const MOST_PARTIALS = 32;
/** Items of a lane that holds its share of a channel in registers. */
const MOST_HELD = 8;

interface Layout {
  readonly samples: number;
  readonly channels: number;
  /** `real` values in one channel of one sample. */
  readonly items: number;
  readonly width: 1 | 4;
  readonly count: number;
  /** Workgroups of a channel of a sample that reduces, and items of each. */
  readonly groups: number;
  readonly perGroup: number;
  /** Items of a lane if one workgroup holds a channel of all samples, else 0. */
  readonly held: number;
}

function layoutOf(shape: Shape): Layout {
  const [samples, channels, ...extents] = shape as [number, number, ...number[]];
  const voxels = sizeOf(extents);
  const width = voxels % 4 === 0 ? 4 : 1;
  const items = voxels / width;
  const wanted = Math.max(1, Math.floor(MOST_PARTIALS / samples));
  const groups = Math.min(wanted, ceilDiv(items, LANES * PER_LANE_REDUCED));
  const held = ceilDiv(samples * items, LANES);
  return {
    samples,
    channels,
    items,
    width,
    count: samples * voxels,
    groups,
    perGroup: ceilDiv(items, groups),
    held: held <= MOST_HELD ? held : 0,
  };
}

/** Whether the kernels for GPUs take this layer: they bind its tensors whole. */
export function normalisesWide(
  { capabilities: { family, maxBindingBytes, maxWorkgroups } }: Emitter,
  ...tensors: readonly Tensor[]
): boolean {
  const [samples, channels] = tensors[0]!.shape as [number, number];
  return (
    family === 'gpu' &&
    Math.max(samples, channels) <= maxWorkgroups &&
    tensors.every((each) => !viewOf(each) && byteLength(each) <= maxBindingBytes)
  );
}

function specOf({ width }: Layout, tensors: Readonly<Record<string, Tensor>>): Spec {
  return { real: width === 4 ? 'vec4f' : 'f32', WIDTH: width, ...storageSpec(tensors, width) };
}

function paramsOf(
  layout: Layout,
  { slope = null, eps = 1e-5, momentum = 0.1 }: BatchNormAttributes,
  { perGroup = layout.perGroup, parts = 1, keepSum = false, weightGrad = 0, biasGrad = 0 } = {},
): Params {
  return {
    items: layout.items,
    channels: layout.channels,
    samples: layout.samples,
    per_group: perGroup,
    groups: layout.groups,
    parts,
    keep_sum: keepSum ? 1 : 0,
    weight_grad: weightGrad,
    bias_grad: biasGrad,
    count: { f32: layout.count },
    slope: { f32: slope ?? 1 },
    eps: { f32: eps },
    momentum: { f32: momentum },
  };
}

/** Something to bind where a kernel writes nothing: bindings that are written may not overlap. */
function nothing(emit: Emitter, what: string): Binding {
  return write(emit.scratch(`batch-norm no ${what}`, [4]));
}

/** A tensor that is read as it is, or as a sum of parts that the command keeps. */
interface Reduced {
  readonly source: Binding;
  readonly sum: Binding;
  readonly parts: number;
  readonly keep: boolean;
}

/**
 * A command that reads a tensor or, where a convolution left parts of it, adds these up as it reads.
 * @param canKeep whether the command can store the sum for others
 */
function reducing(emit: Emitter, of: Tensor, canKeep: boolean, make: (reduced: Reduced) => Command): Command {
  const none = nothing(emit, 'sum');
  return {
    ...make({ source: read(of), sum: none, parts: 1, keep: false }),
    parts: {
      of,
      read: ({ from, parts }, needed) =>
        needed && !canKeep
          ? undefined
          : make({ source: read(from), sum: needed ? write(of) : none, parts, keep: needed }),
    },
  };
}

/** Statistics of the batch, running statistics and output. @returns [channels, 2]: mean and 1 / sqrt(var + eps) */
export function forwardWide(
  emit: Emitter,
  [input, weight, bias]: readonly [Tensor, Tensor, Tensor],
  output: Tensor,
  attributes: BatchNormAttributes,
): Tensor {
  const layout = layoutOf(input.shape);
  const { samples, channels, items, groups, held } = layout;
  const { runningMean, runningVar } = attributes;
  const statistics = emit.scratch('batch-norm/statistics', [channels, 2]);
  const state = [readWrite(runningMean), readWrite(runningVar), write(statistics)];
  if (held > 0) {
    emit.run(
      reducing(emit, input, true, ({ source, sum, parts, keep }) => ({
        label: 'batch-norm/forward',
        kernel: {
          file: FILE,
          entry: 'whole_forward',
          spec: {
            ...specOf(layout, { Input: input, Output: output, Source: source.tensor }),
            HELD: held,
          },
        },
        bindings: [source, sum, read(weight), read(bias), write(output), ...state],
        params: paramsOf(layout, attributes, { parts, keepSum: keep }),
        workgroups: [channels, 1, 1],
      })),
    );
    return statistics;
  }
  const partials = emit.scratch('batch-norm/partials', [channels, samples * groups, 4]);
  emit.run(
    reducing(emit, input, true, ({ source, sum, parts, keep }) => ({
      label: 'batch-norm/statistics',
      kernel: {
        file: FILE,
        entry: 'statistics',
        spec: specOf(layout, { Input: input, Source: source.tensor }),
      },
      bindings: [source, sum, write(partials)],
      params: paramsOf(layout, attributes, { parts, keepSum: keep }),
      workgroups: [groups, channels, samples],
    })),
  );
  emit.run({
    label: 'batch-norm/forward',
    kernel: { file: FILE, entry: 'forward', spec: specOf(layout, { Input: input, Output: output }) },
    bindings: [read(input), read(partials), read(weight), read(bias), write(output), ...state],
    params: paramsOf(layout, attributes, { perGroup: LANES * PER_LANE }),
    workgroups: [ceilDiv(items, LANES * PER_LANE), channels, samples],
  });
  return statistics;
}

/** The gradients of input, weight and bias; the input's, called last, writes all three. */
export function backwardWide(
  { inputs, attributes, saved: { statistics } }: Node<BatchNormAttributes, BatchNormSaved>,
  gradOutput: Tensor,
): readonly GradientThunk[] {
  const [input, weight, bias] = inputs as readonly [Tensor, Tensor, Tensor];
  const wanted = new Map<'weight' | 'bias', { readonly grad: Tensor; readonly accumulate: boolean }>();
  const note =
    (name: 'weight' | 'bias'): GradientThunk =>
    (_emit, grad, accumulate) => {
      wanted.set(name, { grad, accumulate });
    };
  const all: GradientThunk = (emit, gradInput, accumulate) => {
    const layout = layoutOf(input.shape);
    const { samples, channels, items, groups, held } = layout;
    const mode = (name: 'weight' | 'bias'): number => {
      const target = wanted.get(name);
      return target ? (target.accumulate ? 2 : 1) : 0;
    };
    const grads = (['weight', 'bias'] as const).map((name) => {
      const target = wanted.get(name);
      if (!target) return nothing(emit, `gradient of ${name}`);
      return target.accumulate ? readWrite(target.grad) : write(target.grad);
    });
    const own = accumulate ? readWrite(gradInput) : write(gradInput);
    const modes = { weightGrad: mode('weight'), biasGrad: mode('bias') };
    const add = { ACCUMULATE: accumulate ? 1 : 0 };
    if (held > 0) {
      emit.run(
        reducing(emit, gradOutput, false, ({ source, parts }) => ({
          label: 'batch-norm/backward',
          kernel: {
            file: FILE,
            entry: 'whole_backward',
            spec: {
              ...specOf(layout, { Input: input, Output: gradOutput, Source: source.tensor }),
              ...add,
              HELD: held,
            },
          },
          bindings: [source, read(input), read(statistics), read(weight), read(bias), own, ...grads],
          params: paramsOf(layout, attributes, { ...modes, parts }),
          workgroups: [channels, 1, 1],
        })),
      );
      return;
    }
    const partials = emit.scratch('batch-norm/partial_sums', [channels, 1 + samples * groups, 4]);
    emit.run(
      reducing(emit, gradOutput, true, ({ source, sum, parts, keep }) => ({
        label: 'batch-norm/backward_sums',
        kernel: {
          file: FILE,
          entry: 'sums',
          spec: specOf(layout, { Input: input, Output: gradOutput, Source: source.tensor }),
        },
        bindings: [
          ...[source, sum, read(input), read(statistics)],
          ...[read(weight), read(bias), write(partials)],
        ],
        params: paramsOf(layout, attributes, { parts, keepSum: keep }),
        workgroups: [groups, channels, samples],
      })),
    );
    emit.run({
      label: 'batch-norm/backward',
      kernel: {
        file: FILE,
        entry: 'backward',
        spec: { ...specOf(layout, { Input: input, Output: gradOutput }), ...add },
      },
      bindings: [read(input), read(gradOutput), read(partials), own, ...grads],
      params: paramsOf(layout, attributes, { ...modes, perGroup: LANES * PER_LANE }),
      workgroups: [ceilDiv(items, LANES * PER_LANE), channels, samples],
    });
  };
  return [all, note('weight'), note('bias')];
}
