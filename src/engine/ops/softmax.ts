import { ceilDiv, type Shape } from '../../core/shape.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { expectActivation, expectInputs } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { inSlabs } from '../tape/slabs.ts';

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
    const { kernel, width, channels, perLane } = layoutOf(input!.shape, 'forward');
    const perGroup = LANES * perLane * width;
    const parts = [read(input!), write(output)].map((binding) => ({ ...binding, perGroup }));
    inSlabs(emit, 'softmax/forward', parts, ({ bindings, columns, samples }) => {
      emit.run({
        label: 'softmax/forward',
        kernel,
        bindings,
        params: { items: columns / width, channels, per_lane: perLane },
        workgroups: [ceilDiv(columns, perGroup), 1, samples],
        samples,
      });
    });
  },

  backward({ output }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const { kernel, width, channels, perLane } = layoutOf(output.shape, 'backward', accumulate);
        const perGroup = LANES * perLane * width;
        const target = accumulate ? readWrite(gradInput) : write(gradInput);
        const parts = [read(output), read(gradOutput), target].map((binding) => ({ ...binding, perGroup }));
        inSlabs(emit, 'softmax/backward', parts, ({ bindings, columns, samples }) => {
          emit.run({
            label: 'softmax/backward',
            kernel,
            bindings,
            params: { items: columns / width, channels, per_lane: perLane },
            workgroups: [ceilDiv(columns, perGroup), 1, samples],
            samples,
          });
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
  /** Voxels that a lane handles at once. */
  readonly width: 1 | 4;
  readonly channels: number;
  readonly perLane: number;
} {
  const [, channels, depth, height, width] = shape as readonly [number, number, number, number, number];
  const vector = (depth * height * width) % 4 === 0;
  const spec = { real: vector ? 'vec4f' : 'f32', ACCUMULATE: accumulate ? 1 : 0 };
  const few = channels <= MOST_IN_REGISTERS;
  return {
    kernel: few
      ? { file: FILE, entry, spec: { ...spec, CHANNELS: channels } }
      : { file: FILE, entry: `${entry}_many`, spec },
    width: vector ? 4 : 1,
    channels,
    // About 8 loads a lane: what elementwise kernels like best.
    perLane: few ? Math.ceil(MOST_IN_REGISTERS / channels) : 1,
  };
}
