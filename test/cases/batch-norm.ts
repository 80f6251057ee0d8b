import type { BatchNormAttributes } from '../../src/engine/ops/batch-norm.ts';
import { type Tensor, tensor } from '../../src/engine/tape/tensor.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';

type Attributes = HostAttributes<BatchNormAttributes>;

function attributesOf(channels: number, training: boolean, slope: number | null): Attributes {
  const runningVar = normal([channels], 5);
  runningVar.data.forEach((x, i) => {
    runningVar.data[i] = Math.fround(0.5 + Math.abs(x));
  });
  return { training, momentum: 0.1, eps: 1e-5, slope, runningMean: normal([channels], 6), runningVar };
}

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

/** A case is `[name, shape, training, slope]` with normal inputs. */
const SHAPES: readonly [string, readonly number[], boolean, number | null][] = [
  ['odd extents, one channel', [1, 1, 3, 5, 7], true, 0],
  ['batch 2, leaky', [2, 3, 2, 3, 4], true, 0.1],
  ['no activation', [2, 2, 2, 2, 5], true, null],
  ['evaluation', [2, 3, 2, 3, 4], false, 0],
  ['evaluation, scalar path, leaky', [1, 2, 3, 3, 3], false, 0.01],
  ['evaluation, no activation', [1, 5, 1, 1, 4], false, null],
  ['one voxel a channel, batch 3', [3, 4, 1, 1, 1], true, 0.2],
  ['several workgroups, vectors', [2, 5, 17, 16, 15], true, 0],
  ['several workgroups, scalars', [1, 3, 19, 17, 15], true, 0.01],
  ['more than one workgroup a reduction', [1, 2, 40, 41, 42], true, 0],
  ['more channels than lanes', [2, 67, 2, 3, 2], true, 0],
];

export const batchNormCases: readonly OpCase<Attributes>[] = [
  ...SHAPES.map(([name, shape, training, slope], i) => ({
    name,
    inputs: inputsOf(shape, 10 + i),
    attributes: attributesOf(shape[1]!, training, slope),
  })),
  {
    name: 'mean a hundred deviations from zero',
    inputs: [shifted([1, 2, 20, 16, 16], 40, 100, 1), normal([2], 41), normal([2], 42)],
    attributes: attributesOf(2, true, null),
  },
];

function stored(channels: number): Tensor {
  return tensor('running', [channels], 'arena');
}

function bad(training: boolean, channels = 3, varChannels = channels): BatchNormAttributes {
  return {
    training,
    momentum: 0.1,
    eps: 1e-5,
    slope: null,
    runningMean: stored(channels),
    runningVar: stored(varChannels),
  };
}

export const batchNormBadCases: readonly BadCase<BatchNormAttributes>[] = [
  {
    name: 'a missing bias',
    shapes: [[2, 3, 4, 4, 4], [3]],
    attributes: bad(true),
    message: /batch-norm: takes 3 inputs; got 2x3x4x4x4, 3/,
  },
  {
    name: 'an input of rank 4',
    shapes: [[3, 4, 4, 4], [3], [3]],
    attributes: bad(true),
    message: /batch-norm: an activation is .*; got 3x4x4x4, 3, 3/,
  },
  {
    name: 'a weight of other channels',
    shapes: [[2, 3, 4, 4, 4], [4], [3]],
    attributes: bad(true),
    message: /batch-norm: weight is \[channels\]; got 2x3x4x4x4, 4/,
  },
  {
    name: 'a bias of rank 2',
    shapes: [[2, 3, 4, 4, 4], [3], [3, 1]],
    attributes: bad(true),
    message: /batch-norm: bias is \[channels\]; got 2x3x4x4x4, 3x1/,
  },
  {
    name: 'a running mean of other channels',
    shapes: [[2, 3, 4, 4, 4], [3], [3]],
    attributes: bad(true, 2),
    message: /batch-norm: runningMean is \[channels\]; got 2x3x4x4x4, 2/,
  },
  {
    name: 'a running variance of other channels',
    shapes: [[2, 3, 4, 4, 4], [3], [3]],
    attributes: bad(true, 3, 5),
    message: /batch-norm: runningVar is \[channels\]; got 2x3x4x4x4, 5/,
  },
  {
    name: 'a momentum above 1',
    shapes: [[2, 3, 4, 4, 4], [3], [3]],
    attributes: { ...bad(true), momentum: 2 },
    message: /batch-norm: momentum lies in \[0, 1\] \(here 2\)/,
  },
  {
    name: 'no running variance',
    shapes: [[2, 3, 4, 4, 4], [3], [3]],
    attributes: { runningMean: stored(3) } as BatchNormAttributes,
    message: /batch-norm: the attribute `runningVar` is a tensor \(here left out\)/,
  },
  {
    name: 'training on one value a channel',
    shapes: [[1, 3, 1, 1, 1], [3], [3]],
    attributes: bad(true),
    message: /batch-norm: training needs more than one value per channel; got 1x3x1x1x1/,
  },
];
