import type { DropoutAttributes } from '../../src/engine/ops/dropout.ts';
import { tensor } from '../../src/engine/tape/tensor.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { fromArray, normal } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';

type Attributes = HostAttributes<DropoutAttributes>;

/** Two words, written as the floats of the same bits. */
const seed = fromArray([2], [1.2345678806304932, -3.5]);

export const dropoutCases: readonly OpCase<Attributes>[] = [
  { name: 'odd extents', inputs: [normal([1, 1, 3, 5, 7], 1)], attributes: { seed } },
  {
    name: 'vectors, another stream',
    inputs: [normal([2, 3, 4, 3, 4], 2)],
    attributes: { seed, p: 0.2, stream: 7 },
  },
  { name: 'nothing dropped', inputs: [normal([2, 9], 3)], attributes: { seed, p: 0 } },
  { name: 'nearly all dropped', inputs: [normal([2, 9, 4], 4)], attributes: { seed, p: 0.95 } },
  { name: 'channels', inputs: [normal([2, 5, 3, 3, 3], 5)], attributes: { seed, perChannel: true } },
  {
    name: 'channels, vectors across them',
    inputs: [normal([2, 6, 1, 3, 3], 6)],
    attributes: { seed, perChannel: true, p: 0.3, stream: 2 ** 32 - 1 },
  },
  { name: 'many workgroups', inputs: [normal([2, 9, 17, 16, 15], 7)], attributes: { seed, p: 0.1 } },
];

const words = tensor('seed', [2], 'arena');

export const dropoutBadCases: readonly BadCase<DropoutAttributes>[] = [
  {
    name: 'two inputs',
    shapes: [[1], [1]],
    attributes: { seed: words },
    message: /dropout: takes 1 input; got 1, 1/,
  },
  {
    name: 'no seed',
    shapes: [[2, 3]],
    attributes: {} as DropoutAttributes,
    message: /dropout: the attribute `seed` is a tensor \(here left out\); got 2x3/,
  },
  {
    name: 'a seed of 3 words',
    shapes: [[2, 3]],
    attributes: { seed: tensor('seed', [3], 'arena') },
    message: /dropout: `seed` holds 2 words, as that of a StepSeed does; got 2x3/,
  },
  ...[1, -0.1, Number.NaN].map((p) => ({
    name: `p ${p}`,
    shapes: [[2, 3]],
    attributes: { seed: words, p },
    message: new RegExp(`dropout: p is at least 0 and below 1 \\(here ${p}\\)`),
  })),
  ...[-1, 0.5, 2 ** 32].map((stream) => ({
    name: `stream ${stream}`,
    shapes: [[2, 3]],
    attributes: { seed: words, stream },
    message: new RegExp(`dropout: stream is an integer of 32 bits, at least 0 \\(here ${stream}\\)`),
  })),
  {
    name: 'channels of what is not an activation',
    shapes: [[2, 3]],
    attributes: { seed: words, perChannel: true },
    message: /dropout: an activation is .*; got 2x3/,
  },
];
