import type { WeightedSumAttributes } from '../../src/engine/loss/weighted-sum.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const weightedSumCases: readonly OpCase<WeightedSumAttributes>[] = [
  {
    name: 'three terms',
    inputs: [normal([1], 1), normal([1], 2), normal([1], 3)],
    attributes: { weights: [0.5, 0.25, -2] },
  },
  { name: 'one term', inputs: [normal([1], 4)], attributes: { weights: [3] } },
];

export const weightedSumBadCases: readonly BadCase<WeightedSumAttributes>[] = [
  {
    name: 'a term that is not a scalar',
    shapes: [[1], [2]],
    attributes: { weights: [1, 1] },
    message: /weighted-sum: takes scalars, each of shape \[1\]; got 1, 2/,
  },
  {
    name: 'a weight too few',
    shapes: [[1], [1]],
    attributes: { weights: [1] },
    message: /weighted-sum: there is one finite weight per scalar; got 2 scalars with weights \[1\]/,
  },
];
