import { ceilDiv, type Shape, sizeOf, type Triple } from '../../core/shape.ts';
import { expectActivation, expectAxes, expectInputs, type PerAxis } from '../tape/check.ts';
import { type Params, read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';

/** Settings of {@link upsampleTrilinear}. */
export interface UpsampleTrilinearAttributes {
  /** Factor of depth, height and width, 1 to 16 (default 2): a number for all axes, or [z, y, x]. */
  readonly scale?: PerAxis;
}

const FILE = 'upsample-trilinear.wgsl';
const LANES = 64;
/** Larger factors would make a lane of backward gather thousands of values. */
const MOST = 16;

/**
 * Trilinear upsampling of [batch, channels, depth, height, width] by a whole factor per axis: PyTorch's
 * `F.interpolate(input, scale_factor=scale, mode='trilinear', align_corners=False)`. The gradient is gathered, in a fixed
 * order.
 */
export const upsampleTrilinear: Op<UpsampleTrilinearAttributes, undefined> = {
  name: 'upsample-trilinear',
  storesF16: true,

  shape(inputs: readonly Shape[], attributes): Shape {
    const [input] = expectInputs('upsample-trilinear', inputs, 1);
    const [batch, channels, ...extents] = expectActivation('upsample-trilinear', input, inputs);
    const scale = scaleOf(attributes, inputs);
    return [batch, channels, ...extents.map((extent, axis) => extent * scale[axis]!)];
  },

  forward(emit, [input], output, attributes): undefined {
    const [batch, channels, ...extents] = output.shape as [number, number, ...number[]];
    emit.run({
      label: 'upsample-trilinear/forward',
      kernel: { file: FILE, entry: 'forward', spec: storageSpec({ Input: input!, Output: output }) },
      bindings: [read(input!, true), write(output, true)],
      params: paramsOf(input!.shape, attributes),
      workgroups: [ceilDiv(sizeOf(extents), LANES), channels, batch],
      samples: batch,
      channels: { count: channels },
    });
  },

  backward({ inputs: [input], attributes }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const [batch, channels, ...extents] = input!.shape as [number, number, ...number[]];
        emit.run({
          label: 'upsample-trilinear/backward',
          kernel: {
            file: FILE,
            entry: 'backward',
            spec: {
              ...storageSpec({ Input: input!, Output: gradOutput }),
              ACCUMULATE: accumulate ? 1 : 0,
            },
          },
          bindings: [
            read(gradOutput, true),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          params: paramsOf(input!.shape, attributes),
          workgroups: [ceilDiv(sizeOf(extents), LANES), channels, batch],
          samples: batch,
          channels: { count: channels },
        });
      },
    ];
  },
};

function scaleOf({ scale = 2 }: UpsampleTrilinearAttributes, inputs: readonly Shape[]): Triple {
  return expectAxes('upsample-trilinear', 'scale', scale, [1, MOST], inputs);
}

function paramsOf(input: Shape, attributes: UpsampleTrilinearAttributes): Params {
  const [, channels, depth, height, width] = input as [number, number, number, number, number];
  const [factor_z, factor_y, factor_x] = scaleOf(attributes, [input]);
  return { channels, depth, height, width, factor_z, factor_y, factor_x };
}
