import { type ConvTranspose3dAttributes, convTranspose3d } from '../../src/engine/ops/conv-transpose3d.ts';
import type { PerAxis } from '../../src/engine/tape/check.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

type Extents = readonly [number, number, number, number, number];

function axesOf(setting: PerAxis): readonly [number, number, number] {
  return typeof setting === 'number' ? [setting, setting, setting] : setting;
}

/** Calls `visit` with the flat input, weight and output index of each product, and the output channel. */
function eachProduct(
  input: Nd,
  weight: Nd,
  outShape: readonly number[],
  { stride = 1, padding = 0 }: ConvTranspose3dAttributes,
  visit: (input: number, weight: number, output: number, outChannel: number) => void,
): void {
  const [samples, inChannels, depth, height, width] = input.shape as Extents;
  const [, outChannels, outDepth, outHeight, outWidth] = outShape as Extents;
  const [kd, kh, kw] = weight.shape.slice(2) as [number, number, number];
  const [sz, sy, sx] = axesOf(stride);
  const [pz, py, px] = axesOf(padding);
  let i = 0;
  for (let n = 0; n < samples; n++)
    for (let ci = 0; ci < inChannels; ci++)
      for (let z = 0; z < depth; z++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++, i++)
            for (let co = 0; co < outChannels; co++)
              for (let t = 0; t < kd * kh * kw; t++) {
                const oz = sz * z - pz + Math.floor(t / (kh * kw));
                const oy = sy * y - py + (Math.floor(t / kw) % kh);
                const ox = sx * x - px + (t % kw);
                if (oz < 0 || oy < 0 || ox < 0 || oz >= outDepth || oy >= outHeight || ox >= outWidth)
                  continue;
                const o = (((n * outChannels + co) * outDepth + oz) * outHeight + oy) * outWidth + ox;
                visit(i, (ci * outChannels + co) * kd * kh * kw + t, o, co);
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
    if (bias)
      for (let o = 0; o < output.data.length; o++) output.data[o] = bias.data[channelOf(output.shape, o)]!;
    eachProduct(input!, weight!, output.shape, attributes, (i, w, o) => {
      output.data[o]! += input!.data[i]! * weight!.data[w]!;
    });
    return output;
  },

  backward([input, weight, bias], attributes, gradOutput) {
    const gradInput = zeros(input!.shape);
    const gradWeight = zeros(weight!.shape);
    eachProduct(input!, weight!, gradOutput.shape, attributes, (i, w, o) => {
      gradInput.data[i]! += gradOutput.data[o]! * weight!.data[w]!;
      gradWeight.data[w]! += gradOutput.data[o]! * input!.data[i]!;
    });
    if (!bias) return [gradInput, gradWeight];
    const gradBias = zeros(bias.shape);
    for (let o = 0; o < gradOutput.data.length; o++)
      gradBias.data[channelOf(gradOutput.shape, o)]! += gradOutput.data[o]!;
    return [gradInput, gradWeight, gradBias];
  },
};
