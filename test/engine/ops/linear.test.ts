import { linear } from '../../../src/engine/ops/linear.ts';
import { linearBadCases, linearCases } from '../../cases/linear.ts';
import { linearReference } from '../../reference/linear.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(linear, linearReference, linearCases, linearBadCases, { boundWhole: true });
