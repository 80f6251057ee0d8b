import type { ReluAttributes } from '../../src/engine/ops/relu.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const reluCases: readonly OpCase<ReluAttributes>[] = [
  { name: 'odd extents', inputs: [normal([1, 1, 3, 5, 7], 1)], attributes: {} },
  { name: 'leaky, batch 2', inputs: [normal([2, 3, 4, 3, 5], 2)], attributes: { slope: 0.01 } },
  { name: 'many workgroups', inputs: [normal([2, 9, 17, 16, 15], 3)], attributes: { slope: 0.2 } },
];

export const reluBadCases: readonly BadCase<ReluAttributes>[] = [
  ...[-0.1, Number.NaN].map((slope) => ({
    name: `a slope of ${slope}`,
    shapes: [[2]],
    attributes: { slope },
    message: new RegExp(`relu: slope is at least 0 and finite \\(here ${slope}\\); got 2`),
  })),
  {
    name: 'two inputs',
    shapes: [[1], [1]],
    attributes: { slope: 0 },
    message: /relu: takes 1 input; got 1, 1/,
  },
];
