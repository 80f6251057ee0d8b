import { ceilDiv, type Shape } from '../core/shape.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { expectActivation, expectInputs } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';

/** There is nothing to choose: the softmax is over the channels. */
export type SoftmaxAttributes = Readonly<Record<string, never>>;

const FILE = 'softmax.wgsl';
const LANES = 64;
/** Up to here a lane keeps all channels in registers. */
const MOST_IN_REGISTERS = 8;

/**
 * output[c] = exp(input[c]) / sum over k of exp(input[k]) over the channels of [batch, channels, depth, height, width],
 * shifted by the largest input, so that no input overflows.
 */
export const softmax: Op<SoftmaxAttributes, undefined> = {
  name: 'softmax',

  shape(inputs: readonly Shape[]): Shape {
    const [input] = expectInputs('softmax', inputs, 1);
    return expectActivation('softmax', input, inputs);
  },

  forward(emit, [input], output): undefined {
    const { kernel, items, channels, perLane, groups } = layoutOf(input!.shape, 'forward');
    emit.run({
      label: 'softmax/forward',
      kernel,
      bindings: [read(input!, true), write(output, true)],
      params: [items, channels, perLane],
      workgroups: groups,
      samples: groups[2],
    });
  },

  backward({ output }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const { kernel, items, channels, perLane, groups } = layoutOf(output.shape, 'backward', accumulate);
        emit.run({
          label: 'softmax/backward',
          kernel,
          bindings: [
            read(output, true),
            read(gradOutput, true),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          params: [items, channels, perLane],
          workgroups: groups,
          samples: groups[2],
        });
      },
    ];
  },
};

function layoutOf(
  shape: Shape,
  entry: string,
  accumulate = false,
): {
  readonly kernel: Kernel;
  readonly items: number;
  readonly channels: number;
  readonly perLane: number;
  readonly groups: readonly [number, number, number];
} {
  const [batch, channels, depth, height, width] = shape as readonly [number, number, number, number, number];
  const voxels = depth * height * width;
  const vector = voxels % 4 === 0;
  const spec = { real: vector ? 'vec4f' : 'f32', ACCUMULATE: accumulate ? 1 : 0 };
  const items = vector ? voxels / 4 : voxels;
  const few = channels <= MOST_IN_REGISTERS;
  // About 8 loads a lane: what elementwise kernels like best.
  const perLane = few ? Math.ceil(MOST_IN_REGISTERS / channels) : 1;
  return {
    kernel: few
      ? { file: FILE, entry, spec: { ...spec, CHANNELS: channels } }
      : { file: FILE, entry: `${entry}_many`, spec },
    items,
    channels,
    perLane,
    groups: [ceilDiv(items, LANES * perLane), 1, batch],
  };
}
