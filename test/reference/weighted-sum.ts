import type { WeightedSumAttributes } from '../../src/engine/loss/weighted-sum.ts';
import type { Reference } from '../support/describe-op.ts';

export const weightedSumReference: Reference<WeightedSumAttributes> = {
  forward: (inputs, { weights = inputs.map(() => 1) }) => ({
    shape: [1],
    data: Float64Array.of(inputs.reduce((sum, { data }, i) => sum + weights[i]! * data[0]!, 0)),
  }),
  backward: (inputs, { weights = inputs.map(() => 1) }, gradOutput) =>
    weights.map((weight) => ({ shape: [1], data: Float64Array.of(weight * gradOutput.data[0]!) })),
};
