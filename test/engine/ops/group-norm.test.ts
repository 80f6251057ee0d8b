import { groupNorm } from '../../../src/engine/ops/group-norm.ts';
import { groupNormBadCases, groupNormCases } from '../../cases/group-norm.ts';
import { groupNormReference } from '../../reference/group-norm.ts';
import { describeOp, describeVariants } from '../../support/describe-op.ts';

describeOp(groupNorm, groupNormReference, groupNormCases, groupNormBadCases);
// Where lanes are cheap it adds up in wider workgroups, with several loads in flight.
describeVariants(groupNorm, groupNormReference, groupNormCases, { family: 'gpu' });
