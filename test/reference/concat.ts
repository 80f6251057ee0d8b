import type { ConcatAttributes } from '../../src/engine/ops/concat.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

/** Calls `visit` with where each element of a source lies in it and in the output. */
function walk(inputs: readonly Nd[], visit: (source: number, from: number, to: number) => void): void {
  const channels = inputs.map(({ shape }) => shape[1]!);
  const total = channels.reduce((a, b) => a + b, 0);
  let first = 0;
  inputs.forEach(({ shape, data }, s) => {
    const voxels = data.length / (shape[0]! * shape[1]!);
    for (let i = 0; i < data.length; i++) {
      const channel = Math.floor(i / voxels);
      const [n, c] = [Math.floor(channel / channels[s]!), channel % channels[s]!];
      visit(s, i, (n * total + first + c) * voxels + (i % voxels));
    }
    first += channels[s]!;
  });
}

export const concatReference: Reference<ConcatAttributes> = {
  forward: (inputs) => {
    const [batch, , ...volume] = inputs[0]!.shape as [number, number, ...number[]];
    const output = zeros([batch, inputs.reduce((sum, { shape }) => sum + shape[1]!, 0), ...volume]);
    walk(inputs, (source, from, to) => {
      output.data[to] = inputs[source]!.data[from]!;
    });
    return output;
  },
  backward: (inputs, _, gradOutput) => {
    const grads = inputs.map(({ shape }) => zeros(shape));
    walk(inputs, (source, from, to) => {
      grads[source]!.data[from] = gradOutput.data[to]!;
    });
    return grads;
  },
};
