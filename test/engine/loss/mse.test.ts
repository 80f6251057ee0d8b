import { mse } from '../../../src/engine/loss/mse.ts';
import { mseBadCases, mseCases } from '../../cases/mse.ts';
import { mseReference } from '../../reference/mse.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(mse, mseReference, mseCases, mseBadCases);
