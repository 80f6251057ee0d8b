import type { SigmoidAttributes } from '../../src/engine/ops/sigmoid.ts';
import type { Reference } from '../support/describe-op.ts';

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

export const sigmoidReference: Reference<SigmoidAttributes> = {
  forward: ([input]) => ({ shape: input!.shape, data: input!.data.map(logistic) }),
  backward: ([input], _attributes, gradOutput) => [
    {
      shape: input!.shape,
      data: gradOutput.data.map((g, i) => {
        const y = logistic(input!.data[i]!);
        return g * y * (1 - y);
      }),
    },
  ],
};
