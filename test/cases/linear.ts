import type { LinearAttributes } from '../../src/engine/ops/linear.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const linearCases: readonly OpCase<LinearAttributes>[] = [
  { name: 'bias', inputs: [normal([2, 5], 1), normal([3, 5], 2), normal([3], 3)], attributes: {} },
  { name: 'no bias', inputs: [normal([3, 7], 4), normal([2, 7], 5)], attributes: {} },
  {
    name: 'one of everything',
    inputs: [normal([1, 1], 6), normal([1, 1], 7), normal([1], 8)],
    attributes: {},
  },
  {
    name: 'more than a workgroup',
    inputs: [normal([5, 130], 9), normal([70, 130], 10, 0.2), normal([70], 11)],
    attributes: {},
  },
];

export const linearBadCases: readonly BadCase<LinearAttributes>[] = [
  {
    name: 'an activation that is not pooled',
    shapes: [
      [1, 2, 3, 3, 3],
      [4, 2],
    ],
    attributes: {},
    message: /linear: the input is \[batch, in\]; got 1x2x3x3x3, 4x2/,
  },
  {
    name: 'a weight of other inputs',
    shapes: [
      [2, 3],
      [4, 5],
    ],
    attributes: {},
    message: /linear: the weight is \[out, 3\].*got 2x3, 4x5/,
  },
  {
    name: 'a bias of another length',
    shapes: [[2, 3], [4, 3], [3]],
    attributes: {},
    message: /linear: the bias is \[4\], one value per output/,
  },
];
