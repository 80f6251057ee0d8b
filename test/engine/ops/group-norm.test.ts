import { groupNorm } from '../../../src/engine/ops/group-norm.ts';
import { groupNormBadCases, groupNormCases } from '../../cases/group-norm.ts';
import { groupNormReference } from '../../reference/group-norm.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(groupNorm, groupNormReference, groupNormCases, groupNormBadCases);
