import type { UpsampleTrilinearAttributes } from '../../src/engine/ops/upsample-trilinear.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

/** The inputs that an output of an axis is made of, with their weights. */
function taps(o: number, factor: number, extent: number): readonly (readonly [number, number])[] {
  const source = Math.max(0, (o + 0.5) / factor - 0.5);
  const first = Math.min(Math.floor(source), extent - 1);
  const share = source - Math.floor(source);
  return [
    [first, 1 - share],
    [Math.min(first + 1, extent - 1), share],
  ];
}

function scaleOf({ scale = 2 }: UpsampleTrilinearAttributes): readonly [number, number, number] {
  return typeof scale === 'number' ? [scale, scale, scale] : scale;
}

/** Calls `visit` for each pair of an output and an input that has a weight in it. */
function walk(
  { shape }: Nd,
  attributes: UpsampleTrilinearAttributes,
  visit: (from: number, to: number, weight: number) => void,
): void {
  const scale = scaleOf(attributes);
  const [batch, channels, depth, height, width] = shape as [number, number, number, number, number];
  let to = 0;
  for (let row = 0; row < batch * channels; row++)
    for (let z = 0; z < depth * scale[0]; z++)
      for (let y = 0; y < height * scale[1]; y++)
        for (let x = 0; x < width * scale[2]; x++, to++)
          for (const [k, a] of taps(z, scale[0], depth))
            for (const [j, b] of taps(y, scale[1], height))
              for (const [i, c] of taps(x, scale[2], width))
                visit(((row * depth + k) * height + j) * width + i, to, a * b * c);
}

export const upsampleTrilinearReference: Reference<UpsampleTrilinearAttributes> = {
  forward: ([input], attributes) => {
    const scale = scaleOf(attributes);
    const [batch, channels, ...extents] = input!.shape as [number, number, ...number[]];
    const output = zeros([batch, channels, ...extents.map((extent, axis) => extent * scale[axis]!)]);
    walk(input!, attributes, (from, to, weight) => {
      output.data[to]! += weight * input!.data[from]!;
    });
    return output;
  },
  backward: ([input], attributes, gradOutput) => {
    const grad = zeros(input!.shape);
    walk(input!, attributes, (from, to, weight) => {
      grad.data[from]! += weight * gradOutput.data[to]!;
    });
    return [grad];
  },
};
