import type { LinearAttributes } from '../../src/engine/ops/linear.ts';
import type { Reference } from '../support/describe-op.ts';
import { zeros } from '../support/nd.ts';

export const linearReference: Reference<LinearAttributes> = {
  forward: ([input, weight, bias]) => {
    const [samples, features] = input!.shape as [number, number];
    const out = weight!.shape[0]!;
    const output = zeros([samples, out]);
    for (let n = 0; n < samples; n++)
      for (let o = 0; o < out; o++) {
        let sum = bias?.data[o] ?? 0;
        for (let i = 0; i < features; i++)
          sum += input!.data[n * features + i]! * weight!.data[o * features + i]!;
        output.data[n * out + o] = sum;
      }
    return output;
  },
  backward: ([input, weight, bias], _, gradOutput) => {
    const [samples, features] = input!.shape as [number, number];
    const out = weight!.shape[0]!;
    const [byInput, byWeight, byBias] = [zeros(input!.shape), zeros(weight!.shape), zeros([out])];
    for (let n = 0; n < samples; n++)
      for (let o = 0; o < out; o++) {
        const g = gradOutput.data[n * out + o]!;
        byBias.data[o]! += g;
        for (let i = 0; i < features; i++) {
          byInput.data[n * features + i]! += g * weight!.data[o * features + i]!;
          byWeight.data[o * features + i]! += g * input!.data[n * features + i]!;
        }
      }
    return bias ? [byInput, byWeight, byBias] : [byInput, byWeight];
  },
};
