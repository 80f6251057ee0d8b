import { batchNorm } from '../../../src/engine/ops/batch-norm.ts';
import { batchNormBadCases, batchNormCases } from '../../cases/batch-norm.ts';
import { batchNormReference } from '../../reference/batch-norm.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(batchNorm, batchNormReference, batchNormCases, batchNormBadCases);
