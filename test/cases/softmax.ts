import type { SoftmaxAttributes } from '../../src/engine/ops/softmax.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { fromArray, normal } from '../support/nd.ts';

export const softmaxCases: readonly OpCase<SoftmaxAttributes>[] = [
  { name: 'two channels, odd extents', inputs: [normal([1, 2, 3, 5, 7], 1)], attributes: {} },
  { name: 'four channels, batch 2', inputs: [normal([2, 4, 3, 2, 5], 2, 3)], attributes: {} },
  { name: 'one channel', inputs: [normal([2, 1, 3, 3, 3], 3)], attributes: {}, checkGradient: false },
  { name: 'eleven channels', inputs: [normal([2, 11, 1, 3, 5], 4)], attributes: {} },
  { name: 'eleven channels, vectors', inputs: [normal([2, 11, 2, 3, 2], 5)], attributes: {} },
  {
    name: 'far out',
    inputs: [fromArray([1, 2, 1, 1, 4], [1000, -1000, 90, 3, 1000, 1000, -90, -1e4])],
    attributes: {},
    checkGradient: false,
  },
  {
    name: 'far out, many channels',
    inputs: [fromArray([1, 9, 1, 1, 1], [-1e4, -200, 300, 299, 298, 0, 1, 300, 200])],
    attributes: {},
    checkGradient: false,
  },
  { name: 'many workgroups', inputs: [normal([2, 3, 17, 13, 15], 6)], attributes: {} },
  { name: 'many workgroups, vectors', inputs: [normal([2, 2, 19, 16, 15], 7)], attributes: {} },
];

export const softmaxBadCases: readonly BadCase<SoftmaxAttributes>[] = [
  {
    name: 'two inputs',
    shapes: [
      [1, 2, 2, 2, 2],
      [1, 2, 2, 2, 2],
    ],
    attributes: {},
    message: /softmax: takes 1 input; got 1x2x2x2x2, 1x2x2x2x2/,
  },
  {
    name: 'an input of rank 2',
    shapes: [[2, 4]],
    attributes: {},
    message: /softmax: an activation is .*; got 2x4/,
  },
];
