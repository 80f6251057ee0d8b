import { crossStitch } from '../../../src/engine/ops/cross-stitch.ts';
import { crossStitchBadCases, crossStitchCases } from '../../cases/cross-stitch.ts';
import { crossStitchReference } from '../../reference/cross-stitch.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(crossStitch, crossStitchReference, crossStitchCases, crossStitchBadCases);
