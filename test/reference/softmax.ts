import type { SoftmaxAttributes } from '../../src/engine/ops/softmax.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

/** Calls `visit` with the indices of each voxel's channels. */
function eachVoxel(shape: readonly number[], visit: (indices: number[]) => void): void {
  const [batch, channels, ...space] = shape as [number, number, ...number[]];
  const voxels = space.reduce((product, extent) => product * extent, 1);
  for (let n = 0; n < batch; n++)
    for (let v = 0; v < voxels; v++)
      visit(Array.from({ length: channels }, (_, c) => (n * channels + c) * voxels + v));
}

function softmaxOf(input: Nd): Nd {
  const output = zeros(input.shape);
  eachVoxel(input.shape, (indices) => {
    const largest = Math.max(...indices.map((i) => input.data[i]!));
    const sum = indices.reduce((total, i) => total + Math.exp(input.data[i]! - largest), 0);
    for (const i of indices) output.data[i] = Math.exp(input.data[i]! - largest) / sum;
  });
  return output;
}

export const softmaxReference: Reference<SoftmaxAttributes> = {
  forward: ([input]) => softmaxOf(input!),
  backward([input], _attributes, gradOutput) {
    const output = softmaxOf(input!);
    const gradInput = zeros(input!.shape);
    eachVoxel(input!.shape, (indices) => {
      const mean = indices.reduce((total, i) => total + output.data[i]! * gradOutput.data[i]!, 0);
      for (const i of indices) gradInput.data[i] = output.data[i]! * (gradOutput.data[i]! - mean);
    });
    return [gradInput];
  },
};
