import { ceilDiv, type Shape } from '../../core/shape.ts';
import { expectActivation, expectAxes, expectInputs, expectRule } from '../tape/check.ts';
import { read, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';

/** Settings of {@link downsampleNearest}. */
export interface DownsampleNearestAttributes {
  /** Depth, height and width of the output; each divides the input's. */
  readonly extents: readonly [number, number, number];
}

const LANES = 64;

/**
 * Every stride-th voxel of an activation [batch, channels, depth, height, width], from the first one on:
 * `F.interpolate(input, size, mode='nearest')` where the size divides the input's. For targets: it has no gradient.
 */
export const downsampleNearest: Op<DownsampleNearestAttributes, undefined> = {
  name: 'downsample-nearest',

  shape(inputs: readonly Shape[], attributes): Shape {
    const [input] = expectInputs('downsample-nearest', inputs, 1);
    const [batch, channels, ...volume] = expectActivation('downsample-nearest', input, inputs);
    const limits = [1, Number.POSITIVE_INFINITY] as const;
    const extents = expectAxes('downsample-nearest', 'extents', attributes.extents, limits, inputs);
    expectRule(
      'downsample-nearest',
      volume.every((extent, axis) => extent % extents[axis]! === 0),
      `depth, height and width divide by those of the output, ${extents.join('x')}`,
      inputs,
    );
    return [batch, channels, ...extents];
  },

  forward(emit, [input], output): undefined {
    const [batch, channels, ...from] = input!.shape as [number, number, number, number, number];
    const [depth, height, width] = output.shape.slice(2) as [number, number, number];
    emit.run({
      label: 'downsample-nearest/forward',
      kernel: { file: 'downsample-nearest.wgsl', entry: 'forward' },
      bindings: [read(input!, true), write(output, true)],
      params: {
        channels,
        input_depth: from[0],
        input_height: from[1],
        input_width: from[2],
        depth,
        height,
        width,
        stride_z: from[0] / depth,
        stride_y: from[1] / height,
        stride_x: from[2] / width,
      },
      workgroups: [ceilDiv(depth * height * width, LANES), channels, batch],
      samples: batch,
      channels: { count: channels },
    });
  },

  backward() {
    return [null];
  },
};
