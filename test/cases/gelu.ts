import type { GeluAttributes } from '../../src/engine/ops/gelu.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { fromArray, normal } from '../support/nd.ts';

/** From tail to tail, where the error function or the exponential of a poor kernel overflows. */
const tails = fromArray(
  [401],
  Float32Array.from({ length: 401 }, (_, i) => (i - 200) / 20),
);
const far = fromArray([6], [-1000, -90, -12, 12, 90, 1000]);

export const geluCases: readonly OpCase<GeluAttributes>[] = [
  { name: 'odd extents', inputs: [normal([1, 1, 3, 5, 7], 1)], attributes: {} },
  { name: 'batch 2, vectors', inputs: [normal([2, 3, 4, 3, 4], 2)], attributes: { approximate: 'none' } },
  { name: 'tanh', inputs: [normal([2, 3, 4, 3, 5], 3)], attributes: { approximate: 'tanh' } },
  { name: 'tails', inputs: [tails], attributes: {}, checkGradient: true },
  { name: 'tails, tanh', inputs: [tails], attributes: { approximate: 'tanh' }, checkGradient: true },
  { name: 'far out', inputs: [far], attributes: {}, checkGradient: false },
  { name: 'far out, tanh', inputs: [far], attributes: { approximate: 'tanh' }, checkGradient: false },
  { name: 'many workgroups', inputs: [normal([2, 9, 17, 16, 15], 4)], attributes: {} },
];

export const geluBadCases: readonly BadCase<GeluAttributes>[] = [
  { name: 'no input', shapes: [], attributes: {}, message: /gelu: takes 1 input; got no inputs/ },
  {
    name: 'another approximation',
    shapes: [[2]],
    attributes: { approximate: 'erf' } as unknown as GeluAttributes,
    message: /gelu: approximate is none or tanh \(here "erf"\); got 2/,
  },
];
