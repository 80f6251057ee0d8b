import { ceilDiv, type Shape, sizeOf } from '../../core/shape.ts';
import { type Params, read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import { kernelOf, type PoolAttributes, pooledShape, windowSpec } from './pooling/window.ts';

/** Settings of {@link averagePool3d}. */
export type AveragePool3dAttributes = PoolAttributes;

const FILE = 'average-pool3d.wgsl';
/** Outputs (forward) or inputs (backward) of a workgroup. */
const PER_GROUP = 64 * 8;

/**
 * The mean of each window: [batch, channels, depth, height, width] to [batch, channels, floor(depth / kz),
 * floor(height / ky), floor(width / kx)] with kernel [kz, ky, kx], which is the stride, too.
 */
export const averagePool3d: Op<AveragePool3dAttributes, undefined> = {
  name: 'average-pool3d',
  storesF16: true,

  shape: (inputs, attributes) => pooledShape('average-pool3d', inputs, attributes),

  forward(emit, [input], output, attributes): undefined {
    const walked = walk(input!.shape, output.shape, output.shape);
    emit.run({
      label: 'average-pool3d/forward',
      kernel: {
        file: FILE,
        entry: 'forward',
        spec: {
          ...windowSpec(kernelOf('average-pool3d', attributes, [input!.shape])),
          ...storageSpec({ Input: input!, Output: output }),
        },
      },
      bindings: [read(input!, true), write(output, true)],
      ...walked,
    });
  },

  backward({ inputs: [input], attributes }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        emit.run({
          label: 'average-pool3d/backward',
          kernel: {
            file: FILE,
            entry: 'backward',
            spec: {
              ...windowSpec(kernelOf('average-pool3d', attributes, [input!.shape])),
              ...storageSpec({ Input: gradInput, Output: gradOutput }),
              ACCUMULATE: accumulate ? 1 : 0,
            },
          },
          bindings: [
            read(gradOutput, true),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          ...walk(input!.shape, gradOutput.shape, input!.shape),
        });
      },
    ];
  },
};

/** How a kernel walks the elements of `walked`, which is the input's shape or the output's. */
function walk(
  input: Shape,
  output: Shape,
  walked: Shape,
): {
  readonly params: Params;
  readonly workgroups: readonly [number, number, number];
  readonly samples: number;
  readonly channels: { readonly count: number };
} {
  const [samples, channels, depth, height, width] = input as [number, number, number, number, number];
  const [, , outDepth, outHeight, outWidth] = output as [number, number, number, number, number];
  const items = sizeOf(walked.slice(2));
  return {
    params: {
      channels,
      depth,
      height,
      width,
      out_depth: outDepth,
      out_height: outHeight,
      out_width: outWidth,
      rows: walked[3]!,
      columns: walked[4]!,
      items,
    },
    workgroups: [ceilDiv(items, PER_GROUP), channels, samples],
    samples,
    channels: { count: channels },
  };
}
