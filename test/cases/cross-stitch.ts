import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

type None = Record<string, never>;

function unit(name: string, shape: readonly number[], seed: number): OpCase<None> {
  const inputs = [normal(shape, seed), normal(shape, seed + 1), normal([2, shape[1]!], seed + 2)];
  return { name, inputs, attributes: {} };
}

export const crossStitchCases: readonly OpCase<None>[] = [
  unit('odd extents, one channel', [1, 1, 3, 5, 7], 1),
  unit('batch 2, fours', [2, 3, 2, 4, 2], 4),
  unit('odd extents, batch 2', [2, 5, 3, 3, 1], 7),
  unit('more weights than lanes', [1, 37, 2, 2, 3], 10),
  unit('many workgroups', [2, 3, 32, 33, 36], 13),
];

export const crossStitchBadCases: readonly BadCase<None>[] = [
  {
    name: 'two inputs',
    shapes: [
      [1, 2, 3, 3, 3],
      [1, 2, 3, 3, 3],
    ],
    attributes: {},
    message: /cross-stitch: takes 3 inputs; got/,
  },
  {
    name: 'activations of two shapes',
    shapes: [
      [1, 2, 3, 3, 3],
      [1, 2, 3, 3, 4],
      [2, 2],
    ],
    attributes: {},
    message: /cross-stitch: both tasks have activations of one shape; got/,
  },
  {
    name: 'weights of another number of channels',
    shapes: [
      [1, 2, 3, 3, 3],
      [1, 2, 3, 3, 3],
      [2, 3],
    ],
    attributes: {},
    message: /cross-stitch: weight is \[2, channels\]; got/,
  },
];
