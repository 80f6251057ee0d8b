import type { UpsampleTrilinearAttributes } from '../../src/engine/ops/upsample-trilinear.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const upsampleTrilinearCases: readonly OpCase<UpsampleTrilinearAttributes>[] = [
  { name: 'by 2', inputs: [normal([2, 2, 2, 3, 4], 1)], attributes: {} },
  { name: 'by 1, 2 and 3', inputs: [normal([1, 2, 3, 2, 5], 2)], attributes: { scale: [1, 2, 3] } },
  { name: 'one voxel', inputs: [normal([2, 3, 1, 1, 1], 3)], attributes: { scale: [2, 4, 5] } },
  { name: 'by 1', inputs: [normal([1, 1, 3, 4, 5], 4)], attributes: { scale: [1, 1, 1] } },
  { name: 'by 4', inputs: [normal([1, 2, 3, 3, 4], 5)], attributes: { scale: 4 } },
  { name: 'many workgroups', inputs: [normal([2, 2, 9, 8, 10], 6)], attributes: { scale: [2, 2, 2] } },
];

export const upsampleTrilinearBadCases: readonly BadCase<UpsampleTrilinearAttributes>[] = [
  {
    name: 'a factor that is not whole',
    shapes: [[1, 1, 2, 2, 2]],
    attributes: { scale: [1, 2, 1.5] },
    message:
      /upsample-trilinear: scale is a whole number from 1 to 16, or \[z, y, x\] of such \(here \[1,2,1.5\]\); got 1x1x2x2x2/,
  },
  {
    name: 'an input of rank 2',
    shapes: [[2, 3]],
    attributes: { scale: [2, 2, 2] },
    message: /upsample-trilinear: an activation is \[batch/,
  },
];
