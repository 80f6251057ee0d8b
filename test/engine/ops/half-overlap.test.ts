import { halfOverlap } from '../../../src/engine/ops/half-overlap.ts';
import { halfOverlapBadCases, halfOverlapCases } from '../../cases/half-overlap.ts';
import { halfOverlapReference } from '../../reference/half-overlap.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(halfOverlap, halfOverlapReference, halfOverlapCases, halfOverlapBadCases, { boundWhole: true });
