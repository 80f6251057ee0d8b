import type { Shape, Triple } from '../../core/shape.ts';
import { expectActivation, expectAxes, expectInputs, expectRule, type PerAxis } from '../tape/check.ts';
import type { Emitter, GradientThunk, Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import { backwardBias } from './conv-transpose3d/cell.ts';
import { type Geometry, weightView } from './conv-transpose3d/task.ts';
import { backwardInput, backwardWeight, forward } from './conv-transpose3d/variants.ts';

const NAME = 'conv-transpose3d';
const MOST_TAPS = 3;

/** Settings of {@link convTranspose3d}; the kernel's extents come with the weight. Numbers for all axes, or [z, y, x]. */
export interface ConvTranspose3dAttributes {
  /** Output voxels between neighbouring inputs: 1 or 2 (default 1). */
  readonly stride?: PerAxis;
  /** 0 or 1: outputs cut off at each end (default 0). */
  readonly padding?: PerAxis;
  /** Outputs added at the far end, fewer than the stride (default 0). */
  readonly outputPadding?: PerAxis;
  /** Whether a bias follows the weight (default: whether there is an input for it). */
  readonly bias?: boolean;
}

/** The attributes with their defaults, checked against the inputs. */
interface Settings {
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
  readonly outputPadding: Triple;
  readonly bias: boolean;
}

/**
 * Transposed 3D convolution (PyTorch's conv_transpose3d), the gradient of conv3d with respect to its input:
 *
 *     output[n,co,o] = bias[co] + sum over ci, i, t with o = stride * i - padding + t of input[n,ci,i] * weight[ci,co,t]
 *
 * Inputs: input [N, Cin, D, H, W], weight [Cin, Cout, kz, ky, kx] with as many taps as the stride, or up to 3, along each
 * axis, with `bias` bias [Cout]. Output [N, Cout, stride (D - 1) - 2 padding + kz + outputPadding, ...]: `stride` times
 * the extents with a kernel of the stride's extents, and with 3 taps, stride 2, padding 1 and outputPadding 1.
 */
export const convTranspose3d: Op<ConvTranspose3dAttributes, undefined> = {
  name: 'conv-transpose3d',
  storesF16: true,

  shape(inputs: readonly Shape[], attributes: ConvTranspose3dAttributes): Shape {
    const { kernel, stride, padding, outputPadding, bias } = settingsOf(inputs, attributes);
    const rule = (holds: boolean, text: string): void => expectRule(NAME, holds, text, inputs);
    const [samples, channels, ...extents] = expectActivation(NAME, inputs[0], inputs);
    const [inChannels, outChannels] = inputs[1] as [number, number];
    rule(
      inChannels === channels && outChannels >= 1,
      `weight is [in, out, kz, ky, kx] with in = ${channels}, the channels of the input`,
    );
    if (bias)
      rule(
        inputs[2]!.length === 1 && inputs[2]![0] === outChannels,
        `bias is [${outChannels}], one value per output channel`,
      );
    const out = extents.map(
      (extent, a) => stride[a]! * (extent - 1) - 2 * padding[a]! + kernel[a]! + outputPadding[a]!,
    );
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

  backward({ inputs, attributes }, gradOutput) {
    const [input, weight] = inputs;
    const settings = settingsOf(shapesOf(inputs), attributes);
    const geometry = geometryOf(inputs, gradOutput, settings);
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
    if (settings.bias)
      thunks.push((emit, gradBias, accumulate) => {
        backwardBias(emit, geometry, gradOutput, gradBias, accumulate);
      });
    return thunks;
  },
};

function fill(
  emit: Emitter,
  inputs: readonly Tensor[],
  output: Tensor,
  attributes: ConvTranspose3dAttributes,
): void {
  const [input, weight, bias] = inputs;
  const settings = settingsOf(shapesOf(inputs), attributes);
  forward(emit, {
    geometry: geometryOf(inputs, output, settings),
    from: input!,
    weight: weightView(weight!),
    bias: settings.bias ? { tensor: bias!, first: 0 } : null,
    to: output,
    accumulate: false,
  });
}

/** @throws ShapeError for attributes that are none, or that do not fit the kernel. */
function settingsOf(
  inputs: readonly Shape[],
  { stride = 1, padding = 0, outputPadding = 0, bias }: ConvTranspose3dAttributes = {},
): Settings {
  const hasBias = bias ?? inputs.length === 3;
  const [, weight] = expectInputs(NAME, inputs, hasBias ? 3 : 2);
  const steps = expectAxes(NAME, 'stride', stride, [1, 2], inputs);
  const [, , ...kernel] = weight!;
  expectRule(
    NAME,
    kernel.length === 3 && kernel.every((taps, a) => [steps[a], MOST_TAPS].includes(taps)),
    `the kernel has as many taps as the stride, or ${MOST_TAPS}, along each axis (here stride ${steps.join('x')})`,
    inputs,
  );
  const added = expectAxes(NAME, 'outputPadding', outputPadding, [0, 1], inputs);
  expectRule(
    NAME,
    added.every((each, a) => each < steps[a]!),
    'outputPadding is less than the stride',
    inputs,
  );
  return {
    kernel: [kernel[0]!, kernel[1]!, kernel[2]!],
    stride: steps,
    padding: expectAxes(NAME, 'padding', padding, [0, 1], inputs),
    outputPadding: added,
    bias: hasBias,
  };
}

function geometryOf(
  [input]: readonly Tensor[],
  output: Tensor,
  { kernel, stride, padding }: Settings,
): Geometry {
  const [samples, inChannels, ...extents] = input!.shape as [number, number, number, number, number];
  const [, outChannels, ...outExtents] = output.shape as [number, number, number, number, number];
  return { samples, inChannels, outChannels, inExtents: extents, outExtents, kernel, stride, padding };
}

function shapesOf(inputs: readonly Tensor[]): Shape[] {
  return inputs.map(({ shape }) => shape);
}
