import type { Conv3dAttributes } from '../../src/engine/ops/conv3d.ts';
import type { PerAxis } from '../../src/engine/tape/check.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

/** The attributes with their defaults, three numbers each. */
function settingsOf(
  weight: Nd,
  { stride = 1, padding = 0, dilation = 1 }: Conv3dAttributes,
): Readonly<Record<'kernel' | 'stride' | 'padding' | 'dilation', readonly number[]>> {
  const axes = (setting: PerAxis): readonly number[] =>
    typeof setting === 'number' ? [setting, setting, setting] : setting;
  const kernel = weight.shape.slice(2);
  return {
    kernel,
    stride: axes(stride),
    dilation: axes(dilation),
    padding:
      padding === 'same'
        ? kernel.map((k, a) => Math.floor((axes(dilation)[a]! * (k - 1)) / 2))
        : axes(padding),
  };
}

/** Calls `visit` with the offsets of every product that the convolution sums up. */
function forEachProduct(
  input: Nd,
  weight: Nd,
  output: Nd,
  attributes: Conv3dAttributes,
  visit: (input: number, weight: number, output: number) => void,
): void {
  const { kernel, stride, padding, dilation } = settingsOf(weight, attributes);
  const [samples, cin, ...extents] = input.shape as [number, number, ...number[]];
  const [d, h, w] = extents as [number, number, number];
  const [, cout, od, oh, ow] = output.shape as [number, number, number, number, number];
  const [kd, kh, kw] = kernel as [number, number, number];
  const at = (a: number, o: number, k: number): number => o * stride[a]! + k * dilation[a]! - padding[a]!;
  let o = 0;
  for (let n = 0; n < samples; n++)
    for (let co = 0; co < cout; co++)
      for (let z = 0; z < od; z++)
        for (let y = 0; y < oh; y++)
          for (let x = 0; x < ow; x++, o++)
            for (let ci = 0; ci < cin; ci++)
              for (let t = 0; t < kd * kh * kw; t++) {
                const iz = at(0, z, Math.floor(t / (kh * kw)));
                const iy = at(1, y, Math.floor(t / kw) % kh);
                const ix = at(2, x, t % kw);
                if (iz < 0 || iz >= d || iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                const i = (((n * cin + ci) * d + iz) * h + iy) * w + ix;
                visit(i, (co * cin + ci) * kd * kh * kw + t, o);
              }
}

/** All sources along the channels, as one array. */
function concatenate(sources: readonly Nd[]): Nd {
  const [samples, , ...extents] = sources[0]!.shape as [number, number, ...number[]];
  const channels = sources.reduce((sum, source) => sum + source.shape[1]!, 0);
  const out = zeros([samples, channels, ...extents]);
  let at = 0;
  for (let n = 0; n < samples; n++)
    for (const { data } of sources) {
      const size = data.length / samples;
      out.data.set(data.subarray(n * size, (n + 1) * size), at);
      at += size;
    }
  return out;
}

/** The inverse of {@link concatenate}. */
function split(all: Nd, sources: readonly Nd[]): Nd[] {
  const parts = sources.map((source) => zeros(source.shape));
  const samples = all.shape[0]!;
  let at = 0;
  for (let n = 0; n < samples; n++)
    for (const { data } of parts) {
      const size = data.length / samples;
      data.set(all.data.subarray(at, at + size), n * size);
      at += size;
    }
  return parts;
}

function unpack(
  inputs: readonly Nd[],
  attributes: Conv3dAttributes,
): { sources: Nd[]; weight: Nd; bias?: Nd } {
  const { sources: count = 1 } = attributes;
  const sources = inputs.slice(0, count);
  const weight = inputs[count]!;
  const bias = inputs[count + 1];
  return { sources, weight, ...(bias ? { bias } : {}) };
}

export const conv3dReference: Reference<Conv3dAttributes> = {
  forward(inputs, attributes) {
    const { sources, weight, bias } = unpack(inputs, attributes);
    const input = concatenate(sources);
    const [samples, , ...extents] = input.shape as [number, number, ...number[]];
    const { kernel, stride, padding, dilation } = settingsOf(weight, attributes);
    const [od, oh, ow] =
      attributes.padding === 'same'
        ? extents
        : extents.map((extent, a) =>
            Math.floor((extent + 2 * padding[a]! - dilation[a]! * (kernel[a]! - 1) - 1) / stride[a]! + 1),
          );
    const cout = weight.shape[0]!;
    const output = zeros([samples, cout, od!, oh!, ow!]);
    const voxels = od! * oh! * ow!;
    if (bias)
      output.data.forEach((_, i) => {
        output.data[i] = bias.data[Math.floor(i / voxels) % cout]!;
      });
    forEachProduct(input, weight, output, attributes, (i, w, o) => {
      output.data[o]! += input.data[i]! * weight.data[w]!;
    });
    return output;
  },

  backward(inputs, attributes, gradOutput) {
    const { sources, weight, bias } = unpack(inputs, attributes);
    const input = concatenate(sources);
    const gradInput = zeros(input.shape);
    const gradWeight = zeros(weight.shape);
    forEachProduct(input, weight, gradOutput, attributes, (i, w, o) => {
      gradInput.data[i]! += gradOutput.data[o]! * weight.data[w]!;
      gradWeight.data[w]! += gradOutput.data[o]! * input.data[i]!;
    });
    const grads: Nd[] = [...split(gradInput, sources), gradWeight];
    if (bias) {
      const gradBias = zeros(bias.shape);
      const [, cout, ...extents] = gradOutput.shape as [number, number, ...number[]];
      const voxels = extents.reduce((a, b) => a * b, 1);
      gradOutput.data.forEach((g, o) => {
        gradBias.data[Math.floor(o / voxels) % cout]! += g;
      });
      grads.push(gradBias);
    }
    return grads;
  },
};
