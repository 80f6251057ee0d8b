import type { EluAttributes } from '../../src/engine/ops/elu.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { fromArray, normal } from '../support/nd.ts';

export const eluCases: readonly OpCase<EluAttributes>[] = [
  { name: 'odd extents', inputs: [normal([1, 1, 3, 5, 7], 1)], attributes: {} },
  { name: 'another alpha, batch 2', inputs: [normal([2, 3, 4, 3, 4], 2)], attributes: { alpha: 0.5 } },
  { name: 'alpha 0', inputs: [normal([7], 3)], attributes: { alpha: 0 } },
  {
    name: 'both tails, where an exponential would overflow',
    inputs: [fromArray([8], [-1000, -90, -20, -1e-3, 1e-3, 20, 90, 100])],
    attributes: {},
    checkGradient: false,
  },
  { name: 'many workgroups', inputs: [normal([2, 9, 17, 16, 15], 4)], attributes: {} },
];

export const eluBadCases: readonly BadCase<EluAttributes>[] = [
  { name: 'two inputs', shapes: [[1], [1]], attributes: {}, message: /elu: takes 1 input; got 1, 1/ },
  {
    name: 'an alpha below 0',
    shapes: [[2]],
    attributes: { alpha: -1 },
    message: /elu: alpha is at least 0 and finite \(here -1\); got 2/,
  },
];
