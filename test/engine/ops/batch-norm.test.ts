import { batchNorm } from '../../../src/engine/ops/batch-norm.ts';
import { batchNormBadCases, batchNormCases } from '../../cases/batch-norm.ts';
import { batchNormReference } from '../../reference/batch-norm.ts';
import { describeOp, describeVariants } from '../../support/describe-op.ts';

describeOp(batchNorm, batchNormReference, batchNormCases, batchNormBadCases);

describeVariants(batchNorm, batchNormReference, batchNormCases, {
  family: 'gpu',
  // Cut, it takes the kernels that run everywhere.
  sameBitsWhenCut: false,
});
