import type { DownsampleNearestAttributes } from '../../src/engine/loss/downsample-nearest.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const downsampleNearestCases: readonly OpCase<DownsampleNearestAttributes>[] = [
  { name: 'by 2', inputs: [normal([2, 3, 4, 6, 8], 1)], attributes: { extents: [2, 3, 4] } },
  { name: 'by 1, 2 and 4', inputs: [normal([1, 2, 3, 4, 8], 2)], attributes: { extents: [3, 2, 2] } },
  { name: 'by 3 to one voxel', inputs: [normal([2, 1, 3, 3, 3], 3)], attributes: { extents: [1, 1, 1] } },
  { name: 'many workgroups', inputs: [normal([2, 2, 16, 24, 20], 4)], attributes: { extents: [8, 12, 10] } },
];

export const downsampleNearestBadCases: readonly BadCase<DownsampleNearestAttributes>[] = [
  {
    name: 'extents that do not divide',
    shapes: [[1, 1, 4, 4, 5]],
    attributes: { extents: [2, 2, 2] },
    message:
      /downsample-nearest: depth, height and width divide by those of the output, 2x2x2; got 1x1x4x4x5/,
  },
  {
    name: 'an input of rank 2',
    shapes: [[1, 1]],
    attributes: { extents: [1, 1, 1] },
    message: /downsample-nearest: an activation is \[batch/,
  },
];
