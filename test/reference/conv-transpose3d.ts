import { type ConvTranspose3dAttributes, convTranspose3d } from '../../src/engine/ops/conv-transpose3d.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

type Extents = readonly [number, number, number, number, number];

/** Calls `visit` with the flat input, weight and output index of each product, and the output channel. */
function eachProduct(
  input: Nd,
  weight: Nd,
  outShape: readonly number[],
  padding: number,
  visit: (input: number, weight: number, output: number, outChannel: number) => void,
): void {
  const [samples, inChannels, depth, height, width] = input.shape as Extents;
  const [, outChannels, outDepth, outHeight, outWidth] = outShape as Extents;
  const k = weight.shape[2]!;
  let i = 0;
  for (let n = 0; n < samples; n++)
    for (let ci = 0; ci < inChannels; ci++)
      for (let z = 0; z < depth; z++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++, i++)
            for (let co = 0; co < outChannels; co++)
              for (let t = 0; t < k ** 3; t++) {
                const oz = 2 * z - padding + Math.floor(t / (k * k));
                const oy = 2 * y - padding + (Math.floor(t / k) % k);
                const ox = 2 * x - padding + (t % k);
                if (oz < 0 || oy < 0 || ox < 0 || oz >= outDepth || oy >= outHeight || ox >= outWidth)
                  continue;
                const o = (((n * outChannels + co) * outDepth + oz) * outHeight + oy) * outWidth + ox;
                visit(i, (ci * outChannels + co) * k ** 3 + t, o, co);
              }
}

/** Output channel of each element. */
function channelOf(shape: readonly number[], index: number): number {
  const [, channels, depth, height, width] = shape as Extents;
  return Math.floor(index / (depth * height * width)) % channels;
}

export const convTranspose3dReference: Reference<ConvTranspose3dAttributes> = {
  forward(inputs, attributes) {
    const [input, weight, bias] = inputs;
    const shapes = inputs.map(({ shape }) => shape);
    const output = zeros(convTranspose3d.shape(shapes, attributes));
    if (attributes.bias)
      for (let o = 0; o < output.data.length; o++) output.data[o] = bias!.data[channelOf(output.shape, o)]!;
    eachProduct(input!, weight!, output.shape, attributes.padding, (i, w, o) => {
      output.data[o]! += input!.data[i]! * weight!.data[w]!;
    });
    return output;
  },

  backward([input, weight, bias], attributes, gradOutput) {
    const gradInput = zeros(input!.shape);
    const gradWeight = zeros(weight!.shape);
    eachProduct(input!, weight!, gradOutput.shape, attributes.padding, (i, w, o) => {
      gradInput.data[i]! += gradOutput.data[o]! * weight!.data[w]!;
      gradWeight.data[w]! += gradOutput.data[o]! * input!.data[i]!;
    });
    if (!attributes.bias) return [gradInput, gradWeight];
    const gradBias = zeros(bias!.shape);
    for (let o = 0; o < gradOutput.data.length; o++)
      gradBias.data[channelOf(gradOutput.shape, o)]! += gradOutput.data[o]!;
    return [gradInput, gradWeight, gradBias];
  },
};
