import { ceilDiv, type Shape, sizeOf } from '../../core/shape.ts';
import type { Spec } from '../gpu/specialise.ts';
import { expectActivation, expectInputs, expectRule } from '../tape/check.ts';
import { type ChannelAxis, type Params, read, readWrite, write } from '../tape/command.ts';
import type { Emitter, GradientThunk, Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';
import { expectNormSettings, type NormSettings } from './norm/settings.ts';

/** Settings of {@link groupNorm}. */
export interface GroupNormAttributes extends NormSettings {
  /** Channels fall into so many groups of consecutive ones; default: each is its own, which is instance norm. */
  readonly groups?: number;
}

/** `statistics` [samples, channels, 2]: mean and 1 / sqrt(var + eps) of each channel's group. */
export interface GroupNormSaved {
  readonly statistics: Tensor;
}

const FILE = 'group-norm.wgsl';
const LANES = 64;
/** Items (of 1 or 4 floats) of a lane of an elementwise kernel. */
const PER_LANE = 8;
/** Lanes of a reduction, and the items from which on the larger number pays on a GPU. */
const SUM_LANES = { few: 64, many: 256, from: 2048 } as const;
/** Items of a lane of a reduction, at least. */
const SUMMED_PER_LANE = 8;
/** Loads of a lane in flight. */
const LOADS = { gpu: 4, software: 1 } as const;
/** Workgroups that a channel of a sample is shared out to: on software drivers their barriers are dear. */
const MOST_PARTIALS = { gpu: 32, software: 4 } as const;

/**
 * Group normalisation of [samples, channels, depth, height, width] (Wu and He 2018), and without `groups` instance
 * normalisation (Ulyanov et al. 2016), with a fused activation:
 * output = f((input - mean) / sqrt(var + eps) * weight + bias), mean and biased variance over a group of channels of
 * one sample. Inputs: input, weight [channels], bias [channels]. There are no running statistics: training and
 * prediction are the same. Backward recomputes the normalised input and the activation's mask from the raw input, so
 * the output need not be kept.
 */
export const groupNorm: Op<GroupNormAttributes, GroupNormSaved> = {
  name: 'group-norm',
  storesF16: true,

  shape(inputs: readonly Shape[], attributes: GroupNormAttributes): Shape {
    const { groups } = attributes;
    expectNormSettings('group-norm', attributes, inputs);
    const [input, weight, bias] = expectInputs('group-norm', inputs, 3);
    const [, channels, ...extents] = expectActivation('group-norm', input, inputs);
    for (const [name, shape] of [
      ['weight', weight!],
      ['bias', bias!],
    ] as const)
      expectRule('group-norm', shape.length === 1 && shape[0] === channels, `${name} is [channels]`, [
        input!,
        shape,
      ]);
    const count = groups ?? channels;
    const divides = Number.isInteger(count) && count >= 1 && channels % count === 0;
    expectRule('group-norm', divides, `groups divide the channels (here ${count})`, inputs);
    const values = (channels / count) * sizeOf(extents);
    expectRule('group-norm', values > 1, 'a group holds more than one value per sample', inputs);
    return input!;
  },

  forward(emit, [input, weight, bias], output, attributes): GroupNormSaved {
    const layout = layoutOf(emit, input!.shape, attributes);
    const { channels, samples, partials } = layout;
    const statistics = emit.scratch('group-norm/statistics', [samples, channels, 2]);
    const parts = layout.alone
      ? statistics
      : emit.scratch('group-norm/partials', [samples, channels, 3, partials]);
    emit.run({
      label: 'group-norm/statistics',
      kernel: {
        file: FILE,
        entry: 'statistics',
        spec: { ...layout.spec, ...layout.sumSpec, ...layout.stored({ Input: input! }) },
      },
      bindings: [read(input!, true), write(parts, true)],
      params: layout.params({ perLane: layout.summedPerLane }),
      workgroups: [partials, channels, samples],
      samples,
      channels: layout.axis,
    });
    if (!layout.alone)
      emit.run({
        label: 'group-norm/finish_statistics',
        kernel: { file: FILE, entry: 'finish_statistics' },
        bindings: [read(parts), write(statistics)],
        params: layout.params(),
        workgroups: [layout.groups, samples, 1],
      });
    normalise(emit, layout, [input!, weight!, bias!], statistics, output);
    return { statistics };
  },

  recompute(emit, { inputs: [input, weight, bias], attributes, saved: { statistics } }, output): void {
    normalise(emit, layoutOf(emit, input!.shape, attributes), [input!, weight!, bias!], statistics, output);
  },

  backward({ inputs: [input, weight, bias], attributes, saved: { statistics } }, gradOutput) {
    // All three gradients need the same partial sums; the first thunk that is called emits them.
    let parts: Tensor | undefined;
    const sumsOf = (emit: Emitter, layout: Layout): Tensor => {
      if (parts) return parts;
      const { channels, samples, partials } = layout;
      parts = emit.scratch('group-norm/partial_sums', [samples, channels, 2, partials]);
      emit.run({
        label: 'group-norm/backward_sums',
        kernel: {
          file: FILE,
          entry: 'backward_sums',
          spec: {
            ...layout.spec,
            ...layout.sumSpec,
            ...layout.stored({ Input: input!, Output: gradOutput }),
          },
        },
        bindings: [
          read(input!, true),
          read(gradOutput, true),
          read(statistics, true),
          read(weight!),
          read(bias!),
          write(parts, true),
        ],
        params: layout.params({ perLane: layout.summedPerLane }),
        workgroups: [partials, channels, samples],
        samples,
        channels: layout.axis,
      });
      return parts;
    };
    const gradParameter =
      (column: 0 | 1): GradientThunk =>
      (emit, grad, accumulate) => {
        const layout = layoutOf(emit, input!.shape, attributes);
        emit.run({
          label: 'group-norm/backward_parameter',
          kernel: { file: FILE, entry: 'backward_parameter', spec: { ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(sumsOf(emit, layout)), accumulate ? readWrite(grad) : write(grad)],
          params: layout.params({ column }),
          workgroups: [layout.channels, 1, 1],
        });
      };
    return [
      (emit, gradInput, accumulate) => {
        const layout = layoutOf(emit, input!.shape, attributes);
        const { channels, samples } = layout;
        const sums = sumsOf(emit, layout);
        const means = layout.alone ? sums : emit.scratch('group-norm/means', [samples, channels, 2]);
        if (!layout.alone)
          emit.run({
            label: 'group-norm/finish_sums',
            kernel: { file: FILE, entry: 'finish_sums' },
            bindings: [read(sums), read(weight!), write(means)],
            params: layout.params(),
            workgroups: [layout.groups, samples, 1],
          });
        emit.run({
          label: 'group-norm/backward_input',
          kernel: {
            file: FILE,
            entry: 'backward_input',
            spec: {
              ...layout.spec,
              ...layout.stored({ Input: input!, Output: gradOutput }),
              ACCUMULATE: accumulate ? 1 : 0,
            },
          },
          bindings: [
            read(input!, true),
            read(gradOutput, true),
            read(statistics, true),
            read(means, true),
            read(weight!),
            read(bias!),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          params: layout.params(),
          workgroups: layout.workgroups,
          samples,
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
  layout: Layout,
  [input, weight, bias]: readonly [Tensor, Tensor, Tensor],
  statistics: Tensor,
  output: Tensor,
): void {
  emit.run({
    label: 'group-norm/forward',
    kernel: {
      file: FILE,
      entry: 'forward',
      spec: { ...layout.spec, ...layout.stored({ Input: input, Output: output }) },
    },
    bindings: [read(input, true), read(statistics, true), read(weight), read(bias), write(output, true)],
    params: layout.params(),
    workgroups: layout.workgroups,
    samples: layout.samples,
    channels: layout.axis,
  });
}

interface Layout {
  readonly samples: number;
  readonly channels: number;
  readonly groups: number;
  readonly axis: ChannelAxis;
  readonly spec: Spec;
  /** Of the kernels that add up an activation. */
  readonly sumSpec: Spec;
  readonly summedPerLane: number;
  /** Workgroups of such a kernel in one channel of one sample. */
  readonly partials: number;
  /** Whether one of these adds up a whole group: then there is nothing to combine. */
  readonly alone: boolean;
  /** Of the elementwise kernels. */
  readonly workgroups: readonly [number, number, number];
  /** The shader's aliases for what tensors store. */
  stored(tensors: Readonly<Record<string, Tensor>>): Spec;
  /** `perLane`: items of a lane (default: of the elementwise kernels); `column`: of the parameters' gradients. */
  params(of?: { readonly perLane?: number; readonly column?: number }): Params;
}

function layoutOf(
  { capabilities }: Emitter,
  shape: Shape,
  { groups: wanted, eps = 1e-5, slope = null }: GroupNormAttributes,
): Layout {
  const [samples, channels, ...extents] = shape as [number, number, ...number[]];
  const groups = wanted ?? channels;
  const perGroup = channels / groups;
  const voxels = sizeOf(extents);
  const width = voxels % 4 === 0 ? 4 : 1;
  const items = voxels / width;
  const kind = capabilities.family === 'gpu' ? 'gpu' : 'software';
  const loads = LOADS[kind];
  const lanes = kind === 'gpu' && items >= SUM_LANES.from ? SUM_LANES.many : SUM_LANES.few;
  const most = Math.min(MOST_PARTIALS[kind], ceilDiv(items, lanes * SUMMED_PER_LANE));
  const summedPerLane = loads * ceilDiv(items, lanes * most * loads);
  const partials = ceilDiv(items, lanes * summedPerLane);
  const alone = partials === 1 && perGroup === 1;
  return {
    samples,
    channels,
    groups,
    axis: { count: channels, firstParam: 'first_channel' },
    spec: { real: width === 4 ? 'vec4f' : 'f32', WIDTH: width, LOADS: loads, ALONE: alone ? 1 : 0 },
    sumSpec: { SUM_LANES: lanes },
    summedPerLane,
    partials,
    alone,
    workgroups: [ceilDiv(items, LANES * PER_LANE), channels, samples],
    stored: (tensors) => storageSpec(tensors, width),
    params: ({ perLane = PER_LANE, column = 0 } = {}) => ({
      items,
      channels,
      per_group: perGroup,
      samples,
      per_lane: perLane,
      partials,
      column,
      count: { f32: perGroup * voxels },
      slope: { f32: slope ?? 1 },
      eps: { f32: eps },
      first_channel: 0,
    }),
  };
}
