import { convTranspose3d } from '../../../../src/engine/ops/conv-transpose3d.ts';
import { convTranspose3dCases } from '../../../cases/conv-transpose3d.ts';
import { convTranspose3dReference } from '../../../reference/conv-transpose3d.ts';
import { describeVariants } from '../../../support/describe-op.ts';

// Software drivers take long to compile these kernels: two shapes.
const CASES = new Set(['k 2, bias, batch 2', 'k 1x2x2, bias, 18 to 9']);

// Candidates on GPUs alone, on whatever adapter is at hand: kernels as wide as their strides.
const cases = convTranspose3dCases.filter(
  ({ name, inputs: [, weight], attributes: { stride = 1, padding = 0 } }) =>
    padding === 0 &&
    CASES.has(name) &&
    weight!.shape.slice(2).every((taps, a) => taps === (typeof stride === 'number' ? stride : stride[a])),
);
describeVariants(convTranspose3d, convTranspose3dReference, cases, { family: 'gpu', only: /^wide/ });
