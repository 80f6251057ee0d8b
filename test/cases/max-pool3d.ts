import type { Shape } from '../../src/core/shape.ts';
import type { MaxPool3dAttributes } from '../../src/engine/ops/max-pool3d.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { fromArray, type Nd, normal } from '../support/nd.ts';

/** Small integers, so that most windows hold their largest value more than once. */
function tied(shape: Shape, seed: number): Nd {
  return fromArray(
    shape,
    normal(shape, seed).data.map((x) => Math.round(x) || 0),
  );
}

export const maxPool3dCases: readonly OpCase<MaxPool3dAttributes>[] = [
  { name: 'even extents', inputs: [normal([1, 1, 4, 2, 6], 1)], attributes: {} },
  { name: 'odd extents', inputs: [normal([1, 1, 3, 5, 7], 2)], attributes: {} },
  { name: 'batch 2, odd width', inputs: [normal([2, 3, 4, 6, 3], 3)], attributes: {} },
  { name: 'rows of vectors', inputs: [normal([1, 2, 2, 4, 8], 4)], attributes: {} },
  { name: 'rows of vectors, odd depth and height', inputs: [normal([2, 1, 3, 5, 8], 5)], attributes: {} },
  { name: 'ties', inputs: [tied([2, 3, 5, 4, 7], 6)], attributes: {}, checkGradient: false },
  {
    name: 'ties, rows of vectors',
    inputs: [tied([1, 3, 4, 3, 16], 7)],
    attributes: {},
    checkGradient: false,
  },
  {
    name: 'all negative',
    inputs: [
      fromArray(
        [1, 1, 2, 4, 8],
        normal([64], 8).data.map((x) => -1 - Math.abs(x)),
      ),
    ],
    attributes: {},
  },
  { name: 'many workgroups', inputs: [normal([2, 5, 17, 22, 25], 9)], attributes: {} },
  { name: 'many workgroups, vectors', inputs: [normal([2, 3, 25, 30, 40], 10)], attributes: {} },
  { name: 'in planes', inputs: [normal([2, 2, 3, 4, 5], 11)], attributes: { kernel: [1, 2, 2] } },
  { name: 'an edge for each axis', inputs: [normal([1, 2, 7, 5, 6], 12)], attributes: { kernel: [3, 1, 4] } },
  {
    name: 'ties in planes',
    inputs: [tied([2, 1, 3, 7, 9], 13)],
    attributes: { kernel: [1, 2, 2] },
    checkGradient: false,
  },
  {
    name: 'many workgroups, in planes',
    inputs: [normal([2, 2, 13, 22, 40], 14)],
    attributes: { kernel: [1, 2, 2] },
  },
];

export const maxPool3dBadCases: readonly BadCase<MaxPool3dAttributes>[] = [
  {
    name: 'two inputs',
    shapes: [
      [1, 1, 4, 4, 4],
      [1, 1, 4, 4, 4],
    ],
    attributes: {},
    message: /max-pool3d: takes 1 input; got 1x1x4x4x4, 1x1x4x4x4/,
  },
  {
    name: 'an input of rank 4',
    shapes: [[1, 4, 4, 4]],
    attributes: {},
    message: /max-pool3d: an activation is .*; got 1x4x4x4/,
  },
  {
    name: 'an extent of 1',
    shapes: [[1, 2, 4, 1, 4]],
    attributes: {},
    message: /max-pool3d: depth, height and width are at least the kernel's 2x2x2; got 1x2x4x1x4/,
  },
];
