import { relu } from '../../../src/engine/ops/relu.ts';
import { reluBadCases, reluCases } from '../../cases/relu.ts';
import { reluReference } from '../../reference/relu.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(relu, reluReference, reluCases, reluBadCases);
