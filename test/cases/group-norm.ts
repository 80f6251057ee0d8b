import type { GroupNormAttributes } from '../../src/engine/ops/group-norm.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal } from '../support/nd.ts';

function inputsOf(shape: readonly number[], seed: number): Nd[] {
  const channels = shape[1]!;
  return [normal(shape, seed), normal([channels], seed + 100), normal([channels], seed + 200)];
}

/** Values of the given mean and deviation, exact in 32 bits. */
function shifted(shape: readonly number[], seed: number, mean: number, deviation: number): Nd {
  const array = normal(shape, seed, deviation);
  array.data.forEach((x, i) => {
    array.data[i] = Math.fround(x + mean);
  });
  return array;
}

/** A case is `[name, shape, attributes]` with normal inputs. */
const SHAPES: readonly [string, readonly number[], GroupNormAttributes][] = [
  ['odd extents, one channel', [1, 1, 3, 5, 7], {}],
  ['batch 2, leaky', [2, 3, 2, 3, 4], { slope: 0.01 }],
  ['ReLU, scalar path', [2, 2, 3, 3, 3], { slope: 0 }],
  ['two groups, leaky', [2, 4, 2, 3, 3], { groups: 2, slope: 0.1 }],
  ['one group, vectors', [2, 3, 2, 2, 4], { groups: 1, slope: null }],
  ['groups of one voxel a channel', [3, 6, 1, 1, 1], { groups: 2 }],
  ['another eps', [1, 2, 2, 2, 3], { eps: 0.5 }],
  ['several workgroups, vectors', [2, 5, 17, 16, 15], { slope: 0.01 }],
  ['several workgroups, scalars, groups', [1, 4, 19, 17, 15], { groups: 2, slope: 0.01 }],
  ['the most partial sums', [1, 1, 40, 41, 44], { slope: 0.01 }],
  ['more channels than lanes', [2, 68, 2, 3, 2], { groups: 2, slope: 0 }],
];

export const groupNormCases: readonly OpCase<GroupNormAttributes>[] = [
  ...SHAPES.map(([name, shape, attributes], i) => ({
    name,
    inputs: inputsOf(shape, 10 + i),
    attributes,
  })),
  {
    name: 'mean a hundred deviations from zero',
    inputs: [shifted([1, 2, 20, 16, 16], 40, 100, 1), normal([2], 41), normal([2], 42)],
    attributes: {},
  },
];

export const groupNormBadCases: readonly BadCase<GroupNormAttributes>[] = [
  {
    name: 'a missing bias',
    shapes: [[2, 3, 4, 4, 4], [3]],
    attributes: {},
    message: /group-norm: takes 3 inputs; got 2x3x4x4x4, 3/,
  },
  {
    name: 'an input of rank 4',
    shapes: [[3, 4, 4, 4], [3], [3]],
    attributes: {},
    message: /group-norm: an activation is .*; got 3x4x4x4, 3, 3/,
  },
  {
    name: 'a weight of other channels',
    shapes: [[2, 3, 4, 4, 4], [4], [3]],
    attributes: {},
    message: /group-norm: weight is \[channels\]; got 2x3x4x4x4, 4/,
  },
  {
    name: 'a bias of rank 2',
    shapes: [[2, 3, 4, 4, 4], [3], [3, 1]],
    attributes: {},
    message: /group-norm: bias is \[channels\]; got 2x3x4x4x4, 3x1/,
  },
  ...[2, 0, 1.5, 6].map((groups) => ({
    name: `${groups} groups of 3 channels`,
    shapes: [[2, 3, 4, 4, 4], [3], [3]],
    attributes: { groups },
    message: new RegExp(`group-norm: groups divide the channels \\(here ${groups}\\)`),
  })),
  {
    name: 'an eps below 0',
    shapes: [[2, 3, 4, 4, 4], [3], [3]],
    attributes: { eps: -1 },
    message: /group-norm: eps is at least 0 and finite \(here -1\)/,
  },
  {
    name: 'a slope that is not a number',
    shapes: [[2, 3, 4, 4, 4], [3], [3]],
    attributes: { slope: Number.NaN },
    message: /group-norm: slope is finite, or null for no activation \(here NaN\)/,
  },
  {
    name: 'one value a group',
    shapes: [[2, 3, 1, 1, 1], [3], [3]],
    attributes: {},
    message: /group-norm: a group holds more than one value per sample; got 2x3x1x1x1, 3, 3/,
  },
];
