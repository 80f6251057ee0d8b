import { dropout } from '../../../src/engine/ops/dropout.ts';
import { dropoutBadCases, dropoutCases } from '../../cases/dropout.ts';
import { dropoutReference } from '../../reference/dropout.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(dropout, dropoutReference, dropoutCases, dropoutBadCases);
