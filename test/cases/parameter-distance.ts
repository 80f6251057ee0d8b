import type { Shape } from '../../src/core/shape.ts';
import type { ParameterDistanceAttributes } from '../../src/engine/ops/parameter-distance.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal } from '../support/nd.ts';

/** A tensor that is nearly another one: networks that started alike. */
function near(other: Nd, seed: number): Nd {
  const change = normal(other.shape, seed, 0.05);
  return { shape: other.shape, data: other.data.map((x, i) => Math.fround(x + change.data[i]!)) };
}

const cases: readonly (readonly [string, readonly Shape[]])[] = [
  ['a weight', [[4, 3, 3, 3, 3]]],
  ['one number', [[1]]],
  ['several tensors', [[5, 7], [13], [2, 3, 1, 2, 3]]],
  ['more pairs than lanes', Array.from({ length: 70 }, (_, k) => [4 + (k % 3)])],
  ['many workgroups', [[40, 33, 3, 3, 3], [40]]],
];

export const parameterDistanceCases: readonly OpCase<ParameterDistanceAttributes>[] = cases.flatMap(
  ([name, shapes]) =>
    // Rows of one number are always parallel: there the trace norm's gradient is nothing but rounding.
    (name === 'one number' ? (['l2'] as const) : (['l2', 'trace'] as const)).flatMap((norm) => {
      const first = shapes.map((shape, k) => normal(shape, 3 * k + 1));
      const apart = shapes.map((shape, k) => normal(shape, 3 * k + 2));
      const alike = first.map((one, k) => near(one, 3 * k + 3));
      return [
        { name: `${name}, ${norm}`, inputs: [...first, ...apart], attributes: { norm } },
        { name: `${name} nearly alike, ${norm}`, inputs: [...first, ...alike], attributes: { norm } },
      ];
    }),
);

export const parameterDistanceBadCases: readonly BadCase<ParameterDistanceAttributes>[] = [
  {
    name: 'an odd number of tensors',
    shapes: [[2], [2], [2]],
    attributes: { norm: 'l2' },
    message: /parameter-distance: takes pairs of tensors; got 2, 2, 2/,
  },
  {
    name: 'a pair of two shapes',
    shapes: [[2], [3], [2], [4]],
    attributes: { norm: 'l2' },
    message: /parameter-distance: the tensors of a pair have one shape; got 2, 3, 2, 4/,
  },
  {
    name: 'an unknown norm',
    shapes: [[2], [2]],
    attributes: { norm: 'l1' as 'l2' },
    message: /parameter-distance: the norm is l2 or trace; got "l1"/,
  },
];
