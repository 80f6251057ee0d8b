import { ceilDiv, type Shape, sameShape } from '../../core/shape.ts';
import type { Spec } from '../gpu/specialise.ts';
import { expectActivation, expectInputs, expectRule } from '../tape/check.ts';
import { type ChannelAxis, type Params, read, readWrite, write } from '../tape/command.ts';
import type { Emitter, Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';

const FILE = 'cross-stitch.wgsl';
const LANES = 64;
/** Items (of 1 or 4 floats) of a lane: where it writes them, and where it adds them up. */
const PER_LANE = 8;
const PER_LANE_REDUCED = { lavapipe: 128, swiftshader: 128, gpu: 32 } as const;

/**
 * One task's side of a cross-stitch unit (Misra et al. 2016, "Cross-stitch networks for multi-task learning", eq. 1,
 * with a unit a channel): output = weight[0, c] * own + weight[1, c] * other. The other task has a unit of its own
 * with the inputs swapped. Inputs: own and other [batch, channels, depth, height, width], weight [2, channels].
 */
export const crossStitch: Op<Record<string, never>, undefined> = {
  name: 'cross-stitch',
  storesF16: true,

  shape(inputs: readonly Shape[]): Shape {
    const [own, other, weight] = expectInputs('cross-stitch', inputs, 3);
    const [, channels] = expectActivation('cross-stitch', own, inputs);
    expectRule('cross-stitch', sameShape(own!, other!), 'both tasks have activations of one shape', inputs);
    expectRule('cross-stitch', sameShape(weight!, [2, channels]), 'weight is [2, channels]', inputs);
    return own!;
  },

  forward(emit, [own, other, weight], output): undefined {
    const layout = layoutOf(emit, output.shape);
    emit.run({
      label: 'cross-stitch/forward',
      kernel: {
        file: FILE,
        entry: 'forward',
        spec: { ...layout.spec, ...layout.stored({ Own: own!, Other: other!, Output: output }) },
      },
      bindings: [read(own!, true), read(other!, true), read(weight!), write(output, true)],
      params: paramsOf(layout, PER_LANE),
      workgroups: layout.groups,
      samples: layout.samples,
      channels: layout.axis,
    });
  },

  backward({ inputs: [own, other, weight] }, gradOutput) {
    const layout = (emit: Emitter): Layout => layoutOf(emit, gradOutput.shape);
    const gradOfInput =
      (row: 0 | 1): ReturnType<typeof crossStitch.backward>[number] =>
      (emit, gradInput, accumulate) => {
        const { spec, stored, groups, samples, axis } = layout(emit);
        emit.run({
          label: 'cross-stitch/backward_input',
          kernel: {
            file: FILE,
            entry: 'backward_input',
            spec: {
              ...spec,
              ...stored({ Own: gradInput, Output: gradOutput }),
              ACCUMULATE: accumulate ? 1 : 0,
            },
          },
          bindings: [
            read(gradOutput, true),
            read(weight!),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          params: paramsOf(layout(emit), PER_LANE, row),
          workgroups: groups,
          samples,
          channels: axis,
        });
      };
    return [
      gradOfInput(0),
      gradOfInput(1),
      (emit, gradWeight, accumulate) => {
        const { spec, stored, reduceGroups, samples, channels, axis, partials, reducedPerLane } =
          layout(emit);
        const params = paramsOf(layout(emit), reducedPerLane);
        const sums = emit.scratch('cross-stitch/partial_sums', [samples, channels, 2, partials]);
        emit.run({
          label: 'cross-stitch/backward_sums',
          kernel: {
            file: FILE,
            entry: 'backward_sums',
            spec: { ...spec, ...stored({ Own: own!, Other: other!, Output: gradOutput }) },
          },
          bindings: [read(own!, true), read(other!, true), read(gradOutput, true), write(sums, true)],
          params,
          workgroups: reduceGroups,
          samples,
          channels: axis,
        });
        emit.run({
          label: 'cross-stitch/finish_sums',
          kernel: { file: FILE, entry: 'finish_sums', spec: { ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(sums), accumulate ? readWrite(gradWeight) : write(gradWeight)],
          params,
          workgroups: [ceilDiv(2 * channels, LANES), 1, 1],
        });
      },
    ];
  },
};

interface Layout {
  readonly samples: number;
  readonly channels: number;
  readonly axis: ChannelAxis;
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

function layoutOf({ capabilities }: Emitter, shape: Shape): Layout {
  const [samples, channels, ...volume] = shape as [number, number, number, number, number];
  const voxels = volume[0] * volume[1] * volume[2];
  const vector = voxels % 4 === 0;
  const items = vector ? voxels / 4 : voxels;
  const reducedPerLane = PER_LANE_REDUCED[capabilities.family];
  const blocks = ceilDiv(items, LANES * reducedPerLane);
  return {
    samples,
    channels,
    axis: { count: channels, firstParam: 'first_channel' },
    items,
    reducedPerLane,
    partials: blocks * LANES,
    spec: { real: vector ? 'vec4f' : 'f32', WIDTH: vector ? 4 : 1 },
    stored: (tensors) => storageSpec(tensors, vector ? 4 : 1),
    groups: [ceilDiv(items, LANES * PER_LANE), channels, samples],
    reduceGroups: [blocks, channels, samples],
  };
}

function paramsOf({ items, channels, samples, partials }: Layout, perLane: number, row = 0): Params {
  return { items, channels, samples, per_lane: perLane, partials, row, first_channel: 0 };
}
