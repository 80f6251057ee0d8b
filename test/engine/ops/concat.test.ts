import { concat } from '../../../src/engine/ops/concat.ts';
import { concatBadCases, concatCases } from '../../cases/concat.ts';
import { concatReference } from '../../reference/concat.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(concat, concatReference, concatCases, concatBadCases);
