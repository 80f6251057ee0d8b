import type { GlobalAveragePoolAttributes } from '../../src/engine/ops/global-average-pool.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const globalAveragePoolCases: readonly OpCase<GlobalAveragePoolAttributes>[] = [
  { name: 'odd extents, batch 2', inputs: [normal([2, 3, 3, 1, 5], 1)], attributes: {} },
  { name: 'a multiple of 4 voxels', inputs: [normal([1, 5, 2, 3, 4], 2)], attributes: {} },
  { name: 'one voxel', inputs: [normal([3, 7, 1, 1, 1], 3)], attributes: {} },
  { name: 'more voxels than lanes', inputs: [normal([2, 3, 16, 12, 16], 4)], attributes: {} },
  { name: 'more voxels than lanes, odd extents', inputs: [normal([2, 2, 11, 13, 15], 5)], attributes: {} },
];

export const globalAveragePoolBadCases: readonly BadCase<GlobalAveragePoolAttributes>[] = [
  {
    name: 'an input of rank 2',
    shapes: [[2, 3]],
    attributes: {},
    message: /global-average-pool: an activation is \[batch.*2x3/,
  },
  {
    name: 'two inputs',
    shapes: [
      [1, 1, 2, 2, 2],
      [1, 1, 2, 2, 2],
    ],
    attributes: {},
    message: /global-average-pool: takes 1 input/,
  },
];
