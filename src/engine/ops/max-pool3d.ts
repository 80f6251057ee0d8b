import { ceilDiv, type Shape, type Triple } from '../../core/shape.ts';
import type { Spec } from '../gpu/specialise.ts';
import { type Command, type Params, read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';
import { kernelOf, type PoolAttributes, pooledShape, windowSpec } from './pooling/window.ts';

/** Settings of {@link maxPool3d}. */
export type MaxPool3dAttributes = PoolAttributes;

const FILE = 'max-pool3d.wgsl';
const LANES = 64;
/** Windows of a lane, for kernels other than 2x2x2. */
const ITEMS = 8;

/**
 * The largest value of each window: [batch, channels, depth, height, width] to [batch, channels, floor(depth / kz),
 * floor(height / ky), floor(width / kx)] with kernel [kz, ky, kx], which is the stride, too. Of equal values the first
 * in memory order gets the gradient, as in PyTorch; backward finds it again from the input.
 */
export const maxPool3d: Op<MaxPool3dAttributes, undefined> = {
  name: 'max-pool3d',
  storesF16: true,

  shape: (inputs, attributes) => pooledShape('max-pool3d', inputs, attributes),

  forward(emit, [input], output, attributes): undefined {
    const kernel = kernelOf('max-pool3d', attributes, [input!.shape]);
    const { family, spec, params, workgroups, stored } = windowsOf(kernel, input!, output, Math.floor);
    emit.run({
      label: 'max-pool3d/forward',
      kernel: { file: FILE, entry: `forward${family}`, spec: { ...spec, ...stored(output) } },
      bindings: [read(input!, true), write(output, true)],
      params,
      workgroups,
      samples: input!.shape[0]!,
      channels: { count: input!.shape[1]! },
    });
  },

  backward({ inputs: [input], attributes }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const kernel = kernelOf('max-pool3d', attributes, [input!.shape]);
        const { family, spec, params, workgroups, stored } = windowsOf(kernel, input!, gradOutput, Math.ceil);
        const command = (gradient: Tensor, parts: number): Command => ({
          label: 'max-pool3d/backward',
          kernel: {
            file: FILE,
            entry: `backward${family}`,
            spec: { ...spec, ...stored(gradient), ACCUMULATE: accumulate ? 1 : 0, PARTS: parts },
          },
          bindings: [
            read(input!, true),
            read(gradient, true),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          params,
          workgroups,
          samples: input!.shape[0]!,
          channels: { count: input!.shape[1]! },
        });
        emit.run({
          ...command(gradOutput, 1),
          parts: {
            of: gradOutput,
            read: ({ from, parts }, needed) => (needed ? undefined : command(from, parts)),
          },
        });
      },
    ];
  },
};

/** How the windows of an input are walked; `round` says whether incomplete ones at the ends count. */
function windowsOf(
  kernel: Triple,
  input: Tensor,
  output: Tensor,
  round: (x: number) => number,
): {
  /** The end of the entry points' names. */
  readonly family: '' | '_vec4' | '_any';
  readonly spec: Spec;
  /** The shader's alias for what an output or its gradient stores. */
  stored(output: Tensor): Spec;
  readonly params: Params;
  readonly workgroups: readonly [number, number, number];
} {
  const [samples, channels, depth, height, width] = input.shape as FiveD;
  const [, , outDepth, outHeight, outWidth] = output.shape as FiveD;
  const twos = kernel.every((extent) => extent === 2);
  const vector = twos && width % 8 === 0;
  const rows = round(height / kernel[1]);
  const columns = vector ? width / 8 : round(width / kernel[2]);
  const items = round(depth / kernel[0]) * rows * columns;
  return {
    family: vector ? '_vec4' : twos ? '' : '_any',
    spec: vector
      ? storageSpec({ Input4: input }, 4)
      : { ...(twos ? {} : windowSpec(kernel)), ...storageSpec({ Input: input }) },
    stored: (each) => (vector ? storageSpec({ Output4: each }, 4) : storageSpec({ Output: each })),
    params: {
      channels,
      depth,
      height,
      width,
      out_depth: outDepth,
      out_height: outHeight,
      out_width: outWidth,
      rows,
      columns,
      items,
    },
    workgroups: [ceilDiv(items, twos ? LANES : LANES * ITEMS), channels, samples],
  };
}

type FiveD = Shape & readonly [number, number, number, number, number];
