import { softmax } from '../../../src/engine/ops/softmax.ts';
import { softmaxBadCases, softmaxCases } from '../../cases/softmax.ts';
import { softmaxReference } from '../../reference/softmax.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(softmax, softmaxReference, softmaxCases, softmaxBadCases);
