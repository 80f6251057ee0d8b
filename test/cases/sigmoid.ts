import type { SigmoidAttributes } from '../../src/engine/ops/sigmoid.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { fromArray, normal } from '../support/nd.ts';

export const sigmoidCases: readonly OpCase<SigmoidAttributes>[] = [
  { name: 'odd extents', inputs: [normal([1, 1, 3, 5, 7], 1)], attributes: {} },
  { name: 'batch 2, vectors', inputs: [normal([2, 3, 4, 3, 5], 2, 3)], attributes: {} },
  { name: 'far out', inputs: [fromArray([8], [-1e4, -100, -20, -1, 0, 1, 100, 1e4])], attributes: {} },
  { name: 'many workgroups', inputs: [normal([1, 3, 33, 17, 9], 3)], attributes: {} },
  { name: 'many workgroups, vectors', inputs: [normal([2, 3, 17, 16, 15], 4)], attributes: {} },
];

export const sigmoidBadCases: readonly BadCase<SigmoidAttributes>[] = [
  { name: 'no input', shapes: [], attributes: {}, message: /sigmoid: takes 1 input; got no inputs/ },
];
