import type { AveragePool3dAttributes } from '../../src/engine/ops/average-pool3d.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const averagePool3dCases: readonly OpCase<AveragePool3dAttributes>[] = [
  { name: 'even extents', inputs: [normal([1, 1, 4, 2, 6], 1)], attributes: {} },
  { name: 'odd extents, batch 2', inputs: [normal([2, 2, 3, 5, 7], 2)], attributes: { kernel: 2 } },
  { name: 'in planes', inputs: [normal([1, 3, 3, 4, 6], 3)], attributes: { kernel: [1, 2, 2] } },
  { name: 'an edge for each axis', inputs: [normal([2, 1, 7, 5, 6], 4)], attributes: { kernel: [3, 1, 4] } },
  { name: 'kernel 1', inputs: [normal([1, 2, 2, 3, 3], 5)], attributes: { kernel: 1 } },
  { name: 'many workgroups', inputs: [normal([2, 3, 17, 22, 25], 6)], attributes: {} },
  {
    name: 'many workgroups, in rows',
    inputs: [normal([1, 2, 16, 20, 26], 7)],
    attributes: { kernel: [1, 1, 2] },
  },
];

export const averagePool3dBadCases: readonly BadCase<AveragePool3dAttributes>[] = [
  {
    name: 'an input of rank 4',
    shapes: [[1, 4, 4, 4]],
    attributes: {},
    message: /average-pool3d: an activation is .*; got 1x4x4x4/,
  },
  {
    name: 'an extent below the kernel',
    shapes: [[1, 2, 4, 2, 4]],
    attributes: { kernel: [1, 3, 1] },
    message: /average-pool3d: depth, height and width are at least the kernel's 1x3x1; got 1x2x4x2x4/,
  },
  {
    name: 'a kernel of 0',
    shapes: [[1, 2, 4, 2, 4]],
    attributes: { kernel: [2, 0, 2] },
    message:
      /average-pool3d: kernel is a whole number from 1 to 16, or \[z, y, x\] of such \(here \[2,0,2\]\)/,
  },
];
