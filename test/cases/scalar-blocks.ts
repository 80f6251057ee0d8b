import type { ScalarBlocksAttributes } from '../../src/engine/ops/scalar-blocks.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const scalarBlocksCases: readonly OpCase<ScalarBlocksAttributes>[] = (
  [
    ['blocks of one channel', [2, 4], 1],
    ['blocks of eight', [2, 4], 8],
    ['one number', [1, 1], 5],
    ['one row', [1, 3], 2],
    ['more numbers than lanes', [9, 11], 3],
    ['many workgroups', [2, 6], 67],
  ] as const
).map(([name, shape, size], i) => ({ name, inputs: [normal(shape, i + 1)], attributes: { size } }));

export const scalarBlocksBadCases: readonly BadCase<ScalarBlocksAttributes>[] = [
  {
    name: 'what is no matrix',
    shapes: [[2, 3, 4]],
    attributes: { size: 2 },
    message: /scalar-blocks: takes a matrix \[rows, columns\], each at least 1; got 2x3x4/,
  },
  {
    name: 'blocks of half a channel',
    shapes: [[2, 4]],
    attributes: { size: 0.5 },
    message: /scalar-blocks: size is a whole number from 1 to 4096; got 0.5/,
  },
];
