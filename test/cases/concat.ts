import type { ConcatAttributes } from '../../src/engine/ops/concat.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

export const concatCases: readonly OpCase<ConcatAttributes>[] = [
  {
    name: 'three sources, odd extents',
    inputs: [normal([2, 1, 3, 1, 5], 1), normal([2, 3, 3, 1, 5], 2), normal([2, 2, 3, 1, 5], 3)],
    attributes: {},
  },
  { name: 'two sources', inputs: [normal([1, 3, 2, 4, 4], 4), normal([1, 2, 2, 4, 4], 5)], attributes: {} },
  { name: 'one source', inputs: [normal([2, 2, 2, 3, 4], 6)], attributes: {} },
  {
    name: 'four sources, channels that devices bind by themselves',
    inputs: [1, 2, 3, 4].map((channels) => normal([2, channels, 4, 4, 8], 7 + channels)),
    attributes: {},
  },
  {
    name: 'many workgroups',
    inputs: [normal([2, 2, 16, 17, 16], 12), normal([2, 1, 16, 17, 16], 13), normal([2, 3, 16, 17, 16], 14)],
    attributes: {},
  },
];

export const concatBadCases: readonly BadCase<ConcatAttributes>[] = [
  { name: 'no input', shapes: [], attributes: {}, message: /concat: takes at least 1 input; got no inputs/ },
  {
    name: 'sources of other volumes',
    shapes: [
      [1, 2, 4, 4, 4],
      [1, 2, 4, 4, 5],
    ],
    attributes: {},
    message: /concat: sources agree in batch, depth, height and width; got 1x2x4x4x4, 1x2x4x4x5/,
  },
  {
    name: 'a source of rank 2',
    shapes: [
      [1, 2, 4, 4, 4],
      [1, 2],
    ],
    attributes: {},
    message: /concat: an activation is \[batch.*1x2/,
  },
];
