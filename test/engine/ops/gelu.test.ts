import { gelu } from '../../../src/engine/ops/gelu.ts';
import { geluBadCases, geluCases } from '../../cases/gelu.ts';
import { geluReference } from '../../reference/gelu.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(gelu, geluReference, geluCases, geluBadCases);
