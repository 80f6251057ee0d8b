import type { Shape } from '../../core/shape.ts';
import { expectActivation, expectInputs, expectRule } from '../tape/check.ts';
import type { Emitter, GradientThunk, Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import { backwardBias } from './conv-transpose3d/cell.ts';
import { geometryOf, weightView } from './conv-transpose3d/task.ts';
import { backwardInput, backwardWeight, forward } from './conv-transpose3d/variants.ts';

/** Settings of {@link convTranspose3d}; the kernel's size comes with the weight. */
export interface ConvTranspose3dAttributes {
  readonly stride: 2;
  /** 0 or 1: outputs cut off at each end. */
  readonly padding: number;
  /** 0 or 1: outputs added at the far end. */
  readonly outputPadding: number;
  readonly bias: boolean;
}

/**
 * Transposed 3D convolution of stride 2 (PyTorch's conv_transpose3d), the gradient of conv3d with respect to its input:
 *
 *     output[n,co,o] = bias[co] + sum over ci, i, t with o = 2 i - padding + t of input[n,ci,i] * weight[ci,co,t]
 *
 * Inputs: input [N, Cin, D, H, W], weight [Cin, Cout, k, k, k] with k 2 or 3, with `bias` bias [Cout].
 * Output [N, Cout, 2 (D - 1) - 2 padding + k + outputPadding, ...]: twice the extents with k 2, padding 0 and with
 * k 3, padding 1, outputPadding 1.
 */
export const convTranspose3d: Op<ConvTranspose3dAttributes, undefined> = {
  name: 'conv-transpose3d',
  storesF16: true,

  shape(inputs: readonly Shape[], { padding, outputPadding, bias }: ConvTranspose3dAttributes): Shape {
    const [input, weight, biasShape] = expectInputs('conv-transpose3d', inputs, bias ? 3 : 2);
    const rule = (holds: boolean, text: string): void => expectRule('conv-transpose3d', holds, text, inputs);
    const [samples, channels, ...extents] = expectActivation('conv-transpose3d', input, inputs);
    const [inChannels, outChannels = 0, k = 0] = weight!;
    const cubic = weight!.length === 5 && weight![3] === k && weight![4] === k;
    rule(cubic && (k === 2 || k === 3), 'the kernel is 2x2x2 or 3x3x3');
    rule(
      inChannels === channels && outChannels >= 1,
      `weight is [in, out, k, k, k] with in = ${channels}, the channels of the input`,
    );
    rule(padding === 0 || padding === 1, `padding is 0 or 1 (here ${padding})`);
    rule(outputPadding === 0 || outputPadding === 1, `outputPadding is 0 or 1 (here ${outputPadding})`);
    if (bias)
      rule(
        biasShape!.length === 1 && biasShape![0] === outChannels,
        `bias is [${outChannels}], one value an output channel`,
      );
    const out = extents.map((extent) => 2 * (extent - 1) - 2 * padding + k + outputPadding);
    rule(
      out.every((extent) => extent >= 1),
      'the padding leaves at least one output along each axis',
    );
    return [samples, outChannels, ...out];
  },

  forward(emit, inputs, output, attributes): undefined {
    fill(emit, inputs, output, attributes);
  },

  recompute(emit, { inputs, attributes }, output): void {
    fill(emit, inputs, output, attributes);
  },

  backward({ inputs: [input, weight], attributes }, gradOutput) {
    const geometry = geometryOf(input!.shape, weight!.shape, gradOutput.shape, attributes.padding);
    const thunks: GradientThunk[] = [
      (emit, gradInput, accumulate) => {
        backwardInput(emit, {
          geometry,
          from: gradOutput,
          weight: weightView(weight!),
          bias: null,
          to: gradInput,
          accumulate,
        });
      },
      (emit, gradWeight, accumulate) => {
        backwardWeight(emit, {
          geometry,
          input: input!,
          gradOutput,
          gradWeight: weightView(gradWeight),
          accumulate,
        });
      },
    ];
    if (attributes.bias)
      thunks.push((emit, gradBias, accumulate) => {
        backwardBias(emit, geometry, gradOutput, gradBias, accumulate);
      });
    return thunks;
  },
};

function fill(
  emit: Emitter,
  [input, weight, bias]: readonly Tensor[],
  output: Tensor,
  attributes: ConvTranspose3dAttributes,
): void {
  const geometry = geometryOf(input!.shape, weight!.shape, output.shape, attributes.padding);
  forward(emit, {
    geometry,
    from: input!,
    weight: weightView(weight!),
    bias: attributes.bias ? { tensor: bias!, first: 0 } : null,
    to: output,
    accumulate: false,
  });
}
