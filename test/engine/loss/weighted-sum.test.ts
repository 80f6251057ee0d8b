import { weightedSum } from '../../../src/engine/loss/weighted-sum.ts';
import { weightedSumBadCases, weightedSumCases } from '../../cases/weighted-sum.ts';
import { weightedSumReference } from '../../reference/weighted-sum.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(weightedSum, weightedSumReference, weightedSumCases, weightedSumBadCases, { boundWhole: true });
