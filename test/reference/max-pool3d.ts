import type { MaxPool3dAttributes } from '../../src/engine/ops/max-pool3d.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

/** Calls `visit` with each output index and the input index of its window's first largest value. */
function eachWindow(input: Nd, visit: (output: number, winner: number) => void): void {
  const [batch, channels, depth, height, width] = input.shape as [number, number, number, number, number];
  let output = 0;
  for (let plane = 0; plane < batch * channels; plane++)
    for (let z = 0; z + 1 < depth; z += 2)
      for (let y = 0; y + 1 < height; y += 2)
        for (let x = 0; x + 1 < width; x += 2) {
          let winner = -1;
          for (let k = 0; k < 8; k++) {
            const i = ((plane * depth + z + (k >> 2)) * height + y + ((k >> 1) & 1)) * width + x + (k & 1);
            if (winner < 0 || input.data[i]! > input.data[winner]!) winner = i;
          }
          visit(output++, winner);
        }
}

export const maxPool3dReference: Reference<MaxPool3dAttributes> = {
  forward([input]) {
    const [batch, channels, ...extents] = input!.shape as [number, number, ...number[]];
    const output = zeros([batch, channels, ...extents.map((extent) => Math.floor(extent / 2))]);
    eachWindow(input!, (o, winner) => {
      output.data[o] = input!.data[winner]!;
    });
    return output;
  },

  backward([input], _attributes, gradOutput) {
    const gradInput = zeros(input!.shape);
    eachWindow(input!, (o, winner) => {
      gradInput.data[winner]! += gradOutput.data[o]!;
    });
    return [gradInput];
  },
};
