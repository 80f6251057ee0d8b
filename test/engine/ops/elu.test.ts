import { elu } from '../../../src/engine/ops/elu.ts';
import { eluBadCases, eluCases } from '../../cases/elu.ts';
import { eluReference } from '../../reference/elu.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(elu, eluReference, eluCases, eluBadCases);
