import type { ReluAttributes } from '../../src/engine/ops/relu.ts';
import type { Reference } from '../support/describe-op.ts';

export const reluReference: Reference<ReluAttributes> = {
  forward: ([input], { slope }) => ({
    shape: input!.shape,
    data: input!.data.map((x) => (x > 0 ? x : slope * x)),
  }),
  backward: ([input], { slope }, gradOutput) => [
    { shape: input!.shape, data: gradOutput.data.map((g, i) => (input!.data[i]! > 0 ? g : slope * g)) },
  ],
};
