import type { Shape } from '../../core/shape.ts';
import { expectActivation, expectInputs, expectRule } from '../tape/check.ts';
import type { GradientThunk, Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import { biasGradient } from './conv3d/bias.ts';
import { extentsOf } from './conv3d/task.ts';
import { convolve, weightGradient } from './conv3d/variants.ts';

/** Settings of {@link conv3d}; the kernel's size comes with the weight. */
export interface Conv3dAttributes {
  readonly stride: 1 | 2;
  /** Zeros around the input: 0 or 1 for kernel 3, 0 for kernel 1. */
  readonly padding: number;
  /** Number of inputs whose channels are convolved as if concatenated. */
  readonly sources: 1 | 2;
  readonly bias: boolean;
}

/**
 * 3D convolution (cross-correlation, as PyTorch's conv3d):
 *
 *     output[n,o,z,y,x] = bias[o] + sum over i, kz, ky, kx of
 *       input[n, i, z*stride + kz - padding, ...] * weight[o,i,kz,ky,kx]
 *
 * Inputs: input [N, C1, D, H, W], with `sources` 2 a second input [N, C2, D, H, W], weight [O, C1+C2, k, k, k] with k 1
 * or 3, with `bias` bias [O]. Output [N, O, (D + 2*padding - k) / stride + 1, ...], rounded down. Two sources are
 * never concatenated: their products add up in the output, and backward writes a gradient for each.
 */
export const conv3d: Op<Conv3dAttributes, undefined> = {
  name: 'conv3d',
  storesF16: true,

  shape(inputs: readonly Shape[], attributes: Conv3dAttributes): Shape {
    const { stride, padding, sources, bias } = attributes;
    expectInputs('conv3d', inputs, sources + (bias ? 2 : 1));
    const rule = (holds: boolean, text: string): void => expectRule('conv3d', holds, text, inputs);
    const [samples, first, ...extents] = expectActivation('conv3d', inputs[0], inputs);
    let channels = first;
    if (sources === 2) {
      const other = expectActivation('conv3d', inputs[1], inputs);
      const same = other[0] === samples && extents.every((extent, i) => extent === other[i + 2]);
      rule(same, 'both sources have the same batch and extents');
      channels += other[1];
    }
    const weight = inputs[sources]!;
    const [out = 0, inChannels, k = 0] = weight;
    const cubic = weight.length === 5 && weight[3] === k && weight[4] === k;
    rule(cubic && (k === 1 || k === 3), 'the kernel is 1x1x1 or 3x3x3');
    rule(
      out >= 1 && inChannels === channels,
      `weight is [out, in, k, k, k] with in = ${channels}, the channels of the input`,
    );
    rule(
      padding === 0 || (padding === 1 && k === 3),
      `padding is 0 for kernel 1, and 0 or 1 for kernel 3 (here ${padding})`,
    );
    rule(stride === 1 || stride === 2, `stride is 1 or 2 (here ${stride})`);
    if (bias) {
      const shape = inputs[sources + 1]!;
      rule(shape.length === 1 && shape[0] === out, `bias is [${out}], one value an output channel`);
    }
    rule(
      extents.every((extent) => extent + 2 * padding >= k),
      "padded extents are at least the kernel's",
    );
    return [samples, out, ...extents.map((extent) => Math.floor((extent + 2 * padding - k) / stride) + 1)];
  },

  forward(emit, inputs, output, { stride, padding, sources, bias }): undefined {
    const weight = inputs[sources]!;
    const kernel = kernelOf(weight);
    const taps = kernel ** 3;
    const inChannels = weight.shape[1]!;
    convolve(emit, {
      label: 'conv3d/forward',
      samples: output.shape[0]!,
      sources: sourcesOf(inputs, sources).map(({ tensor, channels, first }) => ({
        tensor,
        channels,
        weight: { tensor: weight, first: first * taps, byOut: inChannels * taps, byIn: taps, flip: false },
      })),
      output,
      outChannels: weight.shape[0]!,
      bias: bias ? { tensor: inputs[sources + 1]!, first: 0 } : null,
      accumulate: false,
      inExtents: extentsOf(inputs[0]!.shape),
      outExtents: extentsOf(output.shape),
      kernel,
      stride,
      dilation: 1,
      padding,
    });
  },

  backward({ inputs, attributes: { stride, padding, sources, bias } }, gradOutput) {
    const weight = inputs[sources]!;
    const kernel = kernelOf(weight);
    const taps = kernel ** 3;
    const [outChannels, inChannels] = weight.shape as [number, number];
    const samples = gradOutput.shape[0]!;
    const inExtents = extentsOf(inputs[0]!.shape);
    const outExtents = extentsOf(gradOutput.shape);
    const all = sourcesOf(inputs, sources);

    // The transposed convolution: channels change roles, taps run backwards.
    const thunks: GradientThunk[] = all.map(({ channels, first }) => (emit, gradInput, accumulate) => {
      convolve(emit, {
        label: 'conv3d/backward_input',
        samples,
        sources: [
          {
            tensor: gradOutput,
            channels: outChannels,
            weight: {
              tensor: weight,
              first: first * taps,
              byOut: taps,
              byIn: inChannels * taps,
              flip: true,
            },
          },
        ],
        output: gradInput,
        outChannels: channels,
        bias: null,
        accumulate,
        inExtents: outExtents,
        outExtents: inExtents,
        kernel,
        stride: 1,
        dilation: stride,
        padding: kernel - 1 - padding,
      });
    });
    thunks.push((emit, gradWeight, accumulate) => {
      weightGradient(emit, {
        samples,
        sources: all,
        gradOutput,
        gradWeight,
        accumulate,
        outChannels,
        outFirst: 0,
        inChannels,
        inExtents,
        outExtents,
        kernel,
        stride,
        padding,
      });
    });
    if (bias)
      thunks.push((emit, gradBias, accumulate) => {
        biasGradient(emit, gradOutput, gradBias, accumulate);
      });
    return thunks;
  },
};

function kernelOf(weight: Tensor): 1 | 3 {
  return weight.shape[2] === 1 ? 1 : 3;
}

/** The inputs that are convolved, each with its first channel in the weight. */
function sourcesOf(
  inputs: readonly Tensor[],
  sources: number,
): { tensor: Tensor; channels: number; first: number }[] {
  let first = 0;
  return inputs.slice(0, sources).map((tensor) => {
    const channels = tensor.shape[1]!;
    const source = { tensor, channels, first };
    first += channels;
    return source;
  });
}
