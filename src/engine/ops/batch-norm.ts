import { ceilDiv, type Shape } from '../../core/shape.ts';
import type { Spec } from '../gpu/specialise.ts';
import { expectActivation, expectInputs, expectRule, expectTensor } from '../tape/check.ts';
import { type ChannelAxis, type Params, read, readWrite, write } from '../tape/command.ts';
import type { Emitter, Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';
import { backwardWide, forwardWide, normalisesWide } from './norm/batch-norm-wide.ts';
import { expectNormSettings, type NormSettings } from './norm/settings.ts';

/** What batch normalisation takes beside its inputs. */
export interface BatchNormAttributes extends NormSettings {
  /** Normalise with the batch's own statistics and move the running ones; else (default) with the running ones. */
  readonly training?: boolean;
  /** Weight of the new value in the running statistics (default 0.1). */
  readonly momentum?: number;
  /** [channels]; updated by each training forward. */
  readonly runningMean: Tensor;
  /** [channels], unbiased; updated by each training forward. */
  readonly runningVar: Tensor;
}

/** `statistics` [channels, 2]: mean and 1 / sqrt(var + eps) that forward used. */
export interface BatchNormSaved {
  readonly statistics: Tensor;
  /** Whether the kernels for GPUs ran. */
  readonly wide: boolean;
}

const FILE = 'batch-norm.wgsl';
const LANES = 64;
/** Items (of 1 or 4 floats) of a lane: when it writes them, and when it adds them up. */
const PER_LANE = 8;
const PER_LANE_REDUCED = { lavapipe: 128, swiftshader: 128, gpu: 32 } as const;

/**
 * Batch normalisation of [batch, channels, depth, height, width] (Ioffe and Szegedy 2015) with a fused activation:
 * output = f((input - mean) / sqrt(var + eps) * weight + bias), mean and biased var over all but the channels.
 * Inputs: input, weight [channels], bias [channels]. Backward recomputes the normalised input and the activation's
 * mask from the raw input, so the output need not be kept.
 */
export const batchNorm: Op<BatchNormAttributes, BatchNormSaved> = {
  name: 'batch-norm',
  storesF16: true,

  shape(inputs: readonly Shape[], attributes: BatchNormAttributes): Shape {
    const { training = false, momentum = 0.1 } = attributes;
    expectNormSettings('batch-norm', attributes, inputs);
    const moves = momentum >= 0 && momentum <= 1;
    expectRule('batch-norm', moves, `momentum lies in [0, 1] (here ${momentum})`, inputs);
    const runningMean = expectTensor('batch-norm', 'runningMean', attributes.runningMean, inputs);
    const runningVar = expectTensor('batch-norm', 'runningVar', attributes.runningVar, inputs);
    const [input, weight, bias] = expectInputs('batch-norm', inputs, 3);
    const [batch, channels, depth, height, width] = expectActivation('batch-norm', input, inputs);
    for (const [name, shape] of [
      ['weight', weight!],
      ['bias', bias!],
      ['runningMean', runningMean.shape],
      ['runningVar', runningVar.shape],
    ] as const)
      expectRule('batch-norm', shape.length === 1 && shape[0] === channels, `${name} is [channels]`, [
        input!,
        shape,
      ]);
    const one = batch * depth * height * width === 1;
    expectRule('batch-norm', !(training && one), 'training needs more than one value per channel', inputs);
    return input!;
  },

  forward(emit, [input, weight, bias], output, attributes): BatchNormSaved {
    if (attributes.training && normalisesWide(emit, input!, output)) {
      const inputs = [input!, weight!, bias!] as const;
      return { statistics: forwardWide(emit, inputs, output, attributes), wide: true };
    }
    const layout = layoutOf(emit, input!.shape);
    const { channels, samples, partials } = layout;
    const statistics = emit.scratch('batch-norm/statistics', [channels, 2]);
    const { runningMean, runningVar } = attributes;
    if (attributes.training) {
      const scratch = emit.scratch('batch-norm/partials', [samples, channels, 3, partials]);
      emit.run({
        label: 'batch-norm/statistics',
        kernel: {
          file: FILE,
          entry: 'statistics',
          spec: { ...layout.spec, ...layout.stored({ Input: input! }) },
        },
        bindings: [read(input!, true), write(scratch, true)],
        params: paramsOf(layout, attributes, { perLane: layout.reducedPerLane }),
        workgroups: layout.reduceGroups,
        samples,
        channels: layout.axis,
      });
      emit.run({
        label: 'batch-norm/finish_statistics',
        kernel: { file: FILE, entry: 'finish_statistics', spec: finishSpec(emit) },
        bindings: [read(scratch), readWrite(runningMean), readWrite(runningVar), write(statistics)],
        params: paramsOf(layout, attributes),
        workgroups: [channels, 1, 1],
      });
    } else {
      emit.run({
        label: 'batch-norm/evaluation_statistics',
        kernel: { file: FILE, entry: 'evaluation_statistics' },
        bindings: [read(runningMean), read(runningVar), write(statistics)],
        params: paramsOf(layout, attributes),
        workgroups: [ceilDiv(channels, LANES), 1, 1],
      });
    }
    normalise(emit, [input!, weight!, bias!], statistics, attributes, output);
    return { statistics, wide: false };
  },

  recompute(emit, { inputs: [input, weight, bias], attributes, saved: { statistics } }, output): void {
    normalise(emit, [input!, weight!, bias!], statistics, attributes, output);
  },

  backward(node, gradOutput) {
    const {
      inputs: [input, weight, bias],
      attributes,
      saved: { statistics, wide },
    } = node;
    // They write all three gradients at once, the input's among them.
    if (wide && input!.requiresGrad) return backwardWide(node, gradOutput);
    // All three gradients need the same two sums; the first thunk that is called emits them.
    let sums: Tensor | undefined;
    const sumsOf = (emit: Emitter): Tensor => {
      if (sums) return sums;
      const layout = layoutOf(emit, input!.shape);
      const { channels, samples, partials } = layout;
      const scratch = emit.scratch('batch-norm/partial_sums', [samples, channels, 2, partials]);
      sums = emit.scratch('batch-norm/sums', [channels, 2]);
      emit.run({
        label: 'batch-norm/backward_sums',
        kernel: {
          file: FILE,
          entry: 'backward_sums',
          spec: { ...layout.spec, ...layout.stored({ Input: input!, Output: gradOutput }) },
        },
        bindings: [
          read(input!, true),
          read(gradOutput, true),
          read(statistics),
          read(weight!),
          read(bias!),
          write(scratch, true),
        ],
        params: paramsOf(layout, attributes, { perLane: layout.reducedPerLane }),
        workgroups: layout.reduceGroups,
        samples,
        channels: layout.axis,
      });
      emit.run({
        label: 'batch-norm/finish_sums',
        kernel: { file: FILE, entry: 'finish_sums', spec: finishSpec(emit) },
        bindings: [read(scratch), write(sums)],
        params: paramsOf(layout, attributes),
        workgroups: [channels, 1, 1],
      });
      return sums;
    };
    const gradParameter =
      (column: number) =>
      (emit: Emitter, grad: Tensor, accumulate: boolean): void => {
        const layout = layoutOf(emit, input!.shape);
        emit.run({
          label: 'batch-norm/backward_parameter',
          kernel: { file: FILE, entry: 'backward_parameter', spec: { ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(sumsOf(emit)), accumulate ? readWrite(grad) : write(grad)],
          params: paramsOf(layout, attributes, { column }),
          workgroups: [ceilDiv(layout.channels, LANES), 1, 1],
        });
      };
    return [
      (emit, gradInput, accumulate) => {
        const layout = layoutOf(emit, input!.shape);
        const target = accumulate ? readWrite(gradInput, true) : write(gradInput, true);
        const sources = [read(input!, true), read(gradOutput, true), read(statistics)];
        const parameters = [read(weight!), read(bias!)];
        emit.run({
          label: 'batch-norm/backward_input',
          kernel: {
            file: FILE,
            entry: attributes.training ? 'backward_input' : 'backward_input_evaluation',
            spec: {
              ...layout.spec,
              ...layout.stored({ Input: input!, Output: gradOutput }),
              ACCUMULATE: accumulate ? 1 : 0,
            },
          },
          bindings: attributes.training
            ? [...sources, read(sumsOf(emit)), ...parameters, target]
            : [...sources, ...parameters, target],
          params: paramsOf(layout, attributes),
          workgroups: layout.groups,
          samples: layout.samples,
          channels: layout.axis,
        });
      },
      gradParameter(1),
      gradParameter(0),
    ];
  },
};

/** output = f((input - mean) / sqrt(var + eps) * weight + bias), of statistics that are there. */
function normalise(
  emit: Emitter,
  [input, weight, bias]: readonly [Tensor, Tensor, Tensor],
  statistics: Tensor,
  attributes: BatchNormAttributes,
  output: Tensor,
): void {
  const layout = layoutOf(emit, input.shape);
  emit.run({
    label: 'batch-norm/forward',
    kernel: {
      file: FILE,
      entry: 'forward',
      spec: { ...layout.spec, ...layout.stored({ Input: input, Output: output }) },
    },
    bindings: [read(input, true), read(statistics), read(weight), read(bias), write(output, true)],
    params: paramsOf(layout, attributes),
    workgroups: layout.groups,
    samples: layout.samples,
    channels: layout.axis,
  });
}

interface Layout {
  readonly samples: number;
  readonly channels: number;
  readonly axis: ChannelAxis;
  readonly voxels: number;
  /** `real` values in one channel of one sample. */
  readonly items: number;
  readonly reducedPerLane: number;
  readonly partials: number;
  readonly spec: { readonly real: string; readonly WIDTH: number };
  /** The shader's aliases for what tensors store. */
  stored(tensors: Readonly<Record<string, Tensor>>): Spec;
  readonly groups: readonly [number, number, number];
  readonly reduceGroups: readonly [number, number, number];
}

/** Fewer lanes if lanes are no cheaper than turns of a loop. */
function finishSpec({ capabilities }: Emitter): { FINISH_LANES: number } {
  return { FINISH_LANES: capabilities.family === 'gpu' ? 64 : 16 };
}

function layoutOf(emit: Emitter, shape: Shape): Layout {
  const [samples, channels, depth, height, width] = shape as readonly [
    number,
    number,
    number,
    number,
    number,
  ];
  const voxels = depth * height * width;
  const vector = voxels % 4 === 0;
  const items = vector ? voxels / 4 : voxels;
  const reducedPerLane = PER_LANE_REDUCED[emit.capabilities.family];
  const reduceBlocks = ceilDiv(items, LANES * reducedPerLane);
  return {
    samples,
    channels,
    axis: { count: channels, firstParam: 'first_channel' },
    voxels,
    items,
    reducedPerLane,
    partials: reduceBlocks * LANES,
    spec: { real: vector ? 'vec4f' : 'f32', WIDTH: vector ? 4 : 1 },
    stored: (tensors) => storageSpec(tensors, vector ? 4 : 1),
    groups: [ceilDiv(items, LANES * PER_LANE), channels, samples],
    reduceGroups: [reduceBlocks, channels, samples],
  };
}

function paramsOf(
  layout: Layout,
  { slope = null, eps = 1e-5, momentum = 0.1 }: BatchNormAttributes,
  { perLane = PER_LANE, column = 0 } = {},
): Params {
  return {
    items: layout.items,
    channels: layout.channels,
    samples: layout.samples,
    per_lane: perLane,
    partials: layout.partials,
    column,
    count: { f32: layout.samples * layout.voxels },
    slope: { f32: slope ?? 1 },
    eps: { f32: eps },
    momentum: { f32: momentum },
    first_channel: 0,
  };
}
