import type { AddAttributes } from '../../src/engine/ops/add.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal } from '../support/nd.ts';

function inputs(count: number, shape: readonly number[], seed: number): Nd[] {
  return Array.from({ length: count }, (_, i) => normal(shape, seed + i));
}

export const addCases: readonly OpCase<AddAttributes>[] = [
  { name: 'odd extents', inputs: inputs(2, [1, 1, 3, 5, 7], 1), attributes: {} },
  { name: 'batch 2, vectors', inputs: inputs(2, [2, 3, 2, 3, 4], 5), attributes: {} },
  { name: 'three inputs', inputs: inputs(3, [1, 2, 3, 3, 3], 10), attributes: {} },
  { name: 'five inputs, vectors', inputs: inputs(5, [1, 2, 2, 4, 4], 15), attributes: {} },
  { name: 'another rank', inputs: inputs(2, [5], 20), attributes: {} },
  { name: 'many workgroups', inputs: inputs(2, [2, 9, 17, 16, 15], 25), attributes: {} },
];

export const addBadCases: readonly BadCase<AddAttributes>[] = [
  { name: 'one input', shapes: [[1, 2]], attributes: {}, message: /add: takes 2 inputs or more; got 1x2/ },
  {
    name: 'inputs of two shapes',
    shapes: [
      [1, 2, 4, 4, 4],
      [1, 2, 4, 4, 4],
      [1, 1, 4, 4, 4],
    ],
    attributes: {},
    message: /add: all inputs have one shape; got 1x2x4x4x4, 1x2x4x4x4, 1x1x4x4x4/,
  },
];
