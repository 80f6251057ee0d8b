import type { Shape, Triple } from '../../core/shape.ts';
import { expectActivation, expectAxes, expectInputs, expectRule, type PerAxis } from '../tape/check.ts';
import type { GradientThunk, Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import { biasGradient } from './conv3d/bias.ts';
import { extentsOf, type FurtherOutput, ONES, voxelsOf, type Window } from './conv3d/task.ts';
import { convolve, weightGradient } from './conv3d/variants.ts';

/** Settings of {@link conv3d}; the kernel's extents come with the weight. Numbers for all axes, or [z, y, x]. */
export interface Conv3dAttributes {
  /** Voxels between outputs: 1 or 2 (default 1). */
  readonly stride?: PerAxis;
  /** Zeros around the input (default 0); `same` gives an output of the input's extents, with stride 1. */
  readonly padding?: PerAxis | 'same';
  /** Voxels between the kernel's taps, 1 to 64 (default 1). */
  readonly dilation?: PerAxis;
  /** Number of inputs whose channels are convolved as if concatenated (default 1). */
  readonly sources?: number;
  /** Whether a bias follows the weight (default: whether there is an input for it). */
  readonly bias?: boolean;
}

/** The attributes with their defaults, checked against the inputs. */
interface Settings {
  readonly window: Window;
  readonly sources: number;
  readonly bias: boolean;
}

const MOST_TAPS = 5;
const MOST_DILATION = 64;

/**
 * 3D convolution (cross-correlation, as PyTorch's conv3d):
 *
 *     output[n,o,z,y,x] = bias[o] + sum over i, kz, ky, kx of
 *       input[n, i, z*stride + kz*dilation - padding, ...] * weight[o,i,kz,ky,kx]
 *
 * Inputs: input [N, C1, D, H, W], with `sources` n further inputs [N, C2, D, H, W] and so on, weight
 * [O, C1+C2+..., kz, ky, kx] with 1 to 5 taps along each axis, with `bias` bias [O]. Output
 * [N, O, (D + 2*padding - dilation*(kz - 1) - 1) / stride + 1, ...], rounded down. Sources are never concatenated:
 * their products add up in the output, and backward writes a gradient for each.
 */
export const conv3d: Op<Conv3dAttributes, undefined> = {
  name: 'conv3d',
  storesF16: true,

  shape(inputs: readonly Shape[], attributes: Conv3dAttributes): Shape {
    const { window, sources, bias } = settingsOf(inputs, attributes);
    const { kernel, stride, dilation, padding } = window;
    const rule = (holds: boolean, text: string): void => expectRule('conv3d', holds, text, inputs);
    const [samples, first, ...extents] = expectActivation('conv3d', inputs[0], inputs);
    let channels = first;
    for (let i = 1; i < sources; i++) {
      const other = expectActivation('conv3d', inputs[i], inputs);
      const same = other[0] === samples && extents.every((extent, a) => extent === other[a + 2]);
      rule(same, 'all sources have the same batch and extents');
      channels += other[1];
    }
    const [out, inChannels] = inputs[sources] as [number, number];
    rule(
      out >= 1 && inChannels === channels,
      `weight is [out, in, kz, ky, kx] with in = ${channels}, the channels of the input`,
    );
    if (bias) {
      const shape = inputs[sources + 1]!;
      rule(shape.length === 1 && shape[0] === out, `bias is [${out}], one value per output channel`);
    }
    if (attributes.padding === 'same') return [samples, out, ...extents];
    const room = extents.map((extent, a) => extent + 2 * padding[a]! - dilation[a]! * (kernel[a]! - 1));
    rule(
      room.every((each) => each >= 1),
      "padded extents are at least the kernel's, its dilation counted in",
    );
    return [samples, out, ...room.map((each, a) => Math.floor((each - 1) / stride[a]!) + 1)];
  },

  forward(emit, inputs, output, attributes): undefined {
    const { window, sources, bias } = settingsOf(shapesOf(inputs), attributes);
    const weight = inputs[sources]!;
    const taps = voxelsOf(window.kernel);
    const inChannels = weight.shape[1]!;
    convolve(emit, {
      ...window,
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
      inputDilation: ONES,
    });
  },

  backward({ inputs, attributes }, gradOutput) {
    const { window, sources, bias } = settingsOf(shapesOf(inputs), attributes);
    const { kernel, dilation, padding } = window;
    const weight = inputs[sources]!;
    const taps = voxelsOf(kernel);
    const [outChannels, inChannels] = weight.shape as [number, number];
    const samples = gradOutput.shape[0]!;
    const inExtents = extentsOf(inputs[0]!.shape);
    const outExtents = extentsOf(gradOutput.shape);
    const all = sourcesOf(inputs, sources);

    // The second source of a pair, whose gradient is written together with the first's: last inputs come first.
    const waiting = new Map<number, FurtherOutput>();
    // The transposed convolution: channels change roles, taps run backwards.
    const thunks: GradientThunk[] = all.map(({ channels, first }, i) => (emit, gradInput, accumulate) => {
      if (i % 2 === 1 && inputs[i - 1]!.requiresGrad) {
        waiting.set(i, { output: gradInput, channels, accumulate });
        return;
      }
      const also = i % 2 === 0 ? waiting.get(i + 1) : undefined;
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
        ...(also && { also }),
        bias: null,
        accumulate,
        inExtents: outExtents,
        outExtents: inExtents,
        kernel,
        stride: ONES,
        dilation,
        inputDilation: window.stride,
        padding: axes((a) => dilation[a]! * (kernel[a]! - 1) - padding[a]!),
      });
    });
    thunks.push((emit, gradWeight, accumulate) => {
      weightGradient(emit, {
        ...window,
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
      });
    });
    if (bias)
      thunks.push((emit, gradBias, accumulate) => {
        biasGradient(emit, gradOutput, gradBias, accumulate);
      });
    return thunks;
  },
};

/** @throws ShapeError for attributes that are none, or that do not fit the number of inputs or the kernel. */
function settingsOf(
  inputs: readonly Shape[],
  { stride = 1, padding = 0, dilation = 1, sources = 1, bias }: Conv3dAttributes = {},
): Settings {
  const rule = (holds: boolean, text: string): void => expectRule('conv3d', holds, text, inputs);
  rule(
    Number.isInteger(sources) && sources >= 1,
    `sources is the number of inputs to convolve, at least 1 (here ${sources})`,
  );
  const hasBias = bias ?? inputs.length === sources + 2;
  expectInputs('conv3d', inputs, sources + (hasBias ? 2 : 1));
  const [, , ...extents] = inputs[sources]!;
  rule(
    extents.length === 3 &&
      extents.every((extent) => Number.isInteger(extent) && extent >= 1 && extent <= MOST_TAPS),
    `the weight is [out, in, kz, ky, kx] with 1 to ${MOST_TAPS} taps along each axis`,
  );
  const kernel = axes((a) => extents[a]!);
  const steps = expectAxes('conv3d', 'stride', stride, [1, 2], inputs);
  const spaces = expectAxes('conv3d', 'dilation', dilation, [1, MOST_DILATION], inputs);
  // One tap has no distance to the next.
  const apart = axes((a) => (kernel[a] === 1 ? 1 : spaces[a]!));
  if (padding === 'same')
    rule(
      steps.every((step) => step === 1),
      "padding is 'same' with stride 1 only; give numbers, such as 1 for kernel 3",
    );
  return {
    window: {
      kernel,
      stride: steps,
      dilation: apart,
      // Of an odd number of zeros PyTorch puts the larger half behind.
      padding:
        padding === 'same'
          ? axes((a) => Math.floor((apart[a]! * (kernel[a]! - 1)) / 2))
          : expectAxes('conv3d', 'padding', padding, [0, Number.POSITIVE_INFINITY], inputs),
    },
    sources,
    bias: hasBias,
  };
}

function axes(of: (axis: number) => number): Triple {
  return [of(0), of(1), of(2)];
}

function shapesOf(inputs: readonly Tensor[]): Shape[] {
  return inputs.map(({ shape }) => shape);
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
