import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

type None = Record<string, never>;

export const halfOverlapCases: readonly OpCase<None>[] = (
  [
    ['two rows', [2, 5]],
    ['a convolution', [4, 3, 3, 3, 3]],
    ['rows of one number', [6, 1]],
    ['more rows than lanes', [132, 7]],
    ['many workgroups', [16, 10, 3, 3, 3]],
  ] as const
).map(([name, shape], i) => ({ name, inputs: [normal(shape, i + 1, 0.5)], attributes: {} }));

export const halfOverlapBadCases: readonly BadCase<None>[] = [
  {
    name: 'an odd number of rows',
    shapes: [[3, 4]],
    attributes: {},
    message: /half-overlap: the number of rows is even; got 3x4/,
  },
  {
    name: 'a vector',
    shapes: [[4]],
    attributes: {},
    message: /half-overlap: takes a weight \[rows, ...\] of at least two axes; got 4/,
  },
];
