import { ceilDiv, type Shape, sizeOf } from '../../core/shape.ts';
import type { Spec } from '../gpu/specialise.ts';
import { expectActivation, expectInputs } from '../tape/check.ts';
import { type Command, read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';

/** There is nothing to choose. */
export type GlobalAveragePoolAttributes = Readonly<Record<string, never>>;

const FILE = 'global-average-pool.wgsl';
const LANES = 64;
const PER_LANE = 8;

/**
 * The mean of each channel: [batch, channels, depth, height, width] to [batch, channels]. PyTorch's
 * `AdaptiveAvgPool3d(1)`, flattened. Made for the coarsest level of a network; a workgroup sums a whole channel.
 */
export const globalAveragePool: Op<GlobalAveragePoolAttributes, undefined> = {
  name: 'global-average-pool',
  storesF16: true,

  shape(inputs: readonly Shape[]): Shape {
    const [input] = expectInputs('global-average-pool', inputs, 1);
    const [batch, channels] = expectActivation('global-average-pool', input, inputs);
    return [batch, channels];
  },

  forward(emit, [input], output): undefined {
    const { spec, params, axes, rows } = layoutOf(input!, output);
    emit.run({
      ...axes,
      label: 'global-average-pool/forward',
      kernel: { file: FILE, entry: 'forward', spec },
      bindings: [read(input!, true), write(output, true)],
      params,
      workgroups: [1, ...rows],
    });
  },

  backward(_, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const { spec, params, axes, rows, items } = layoutOf(gradInput, gradOutput);
        emit.run({
          ...axes,
          label: 'global-average-pool/backward',
          kernel: { file: FILE, entry: 'backward', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [
            read(gradOutput, true),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          params,
          workgroups: [ceilDiv(items, LANES * PER_LANE), ...rows],
        });
      },
    ];
  },
};

/** How a channel is walked; `input` and `output` may be the gradients. */
function layoutOf(
  input: Tensor,
  output: Tensor,
): {
  readonly spec: Spec;
  readonly params: { readonly items: number; readonly channels: number };
  readonly axes: Pick<Command, 'samples' | 'channels'>;
  readonly rows: readonly [number, number];
  /** `real` values in one channel of one sample. */
  readonly items: number;
} {
  const [samples, channels, ...volume] = input.shape as [number, number, ...number[]];
  const voxels = sizeOf(volume);
  const width = voxels % 4 === 0 ? 4 : 1;
  const items = voxels / width;
  return {
    spec: {
      real: width === 4 ? 'vec4f' : 'f32',
      WIDTH: width,
      ...storageSpec({ Input: input }, width),
      ...storageSpec({ Output: output }),
    },
    params: { items, channels },
    axes: { samples, channels: { count: channels } },
    rows: [channels, samples],
    items,
  };
}
