import type { Shape } from '../../src/core/shape.ts';
import type { MseAttributes } from '../../src/engine/loss/mse.ts';
import { tensor } from '../../src/engine/tape/tensor.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal, zeros } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';
import { regionTarget } from './tversky-loss.ts';

function withOneChannel([items, , ...volume]: Shape): Shape {
  return [items!, 1, ...volume];
}

function weights(shape: Shape, seed: number): Nd {
  const { data } = normal(withOneChannel(shape), seed);
  return { shape: withOneChannel(shape), data: data.map((x) => Math.fround(Math.abs(x))) };
}

export const mseCases: readonly OpCase<HostAttributes<MseAttributes>>[] = (
  [
    ['a map', [2, 3, 3, 4, 5]],
    ['odd extents', [1, 2, 3, 3, 5]],
    ['numbers', [3, 2]],
    ['one number', [1, 1]],
    ['many workgroups', [2, 2, 17, 32, 16]],
    ['many workgroups of scalars', [2, 2, 17, 19, 23]],
  ] as const
).flatMap(([name, shape]) => {
  const inputs = [normal(shape, 1, 2)];
  const target = normal(shape, 2);
  return [
    { name, inputs, attributes: { target } },
    { name: `${name}, weighted`, inputs, attributes: { target, mask: weights(shape, 3) } },
    {
      name: `${name}, masked`,
      inputs,
      attributes: { target, mask: regionTarget(withOneChannel(shape), 4, 0.4) },
    },
    {
      name: `${name}, nothing in the mask`,
      inputs,
      attributes: { target, mask: zeros(withOneChannel(shape)) },
    },
  ];
});

const at = (shape: Shape): MseAttributes['target'] => tensor('t', shape, 'arena');

export const mseBadCases: readonly BadCase<MseAttributes>[] = [
  {
    name: 'a target of another shape',
    shapes: [[2, 1, 4, 4, 4]],
    attributes: { target: at([2, 1, 4, 4, 5]) },
    message: /mse: the target has the shape of the output; got target 2x1x4x4x5 for output 2x1x4x4x4/,
  },
  {
    name: 'a mask of several channels',
    shapes: [[2, 3, 4, 4, 4]],
    attributes: { target: at([2, 3, 4, 4, 4]), mask: at([2, 3, 4, 4, 4]) },
    message: /mse: the mask has the shape of the output with one channel; got mask 2x3x4x4x4/,
  },
  {
    name: 'an output of rank 1',
    shapes: [[4]],
    attributes: { target: at([4]) },
    message: /mse: an output is \[batch, channels, ...\], each at least 1; got 4/,
  },
];
