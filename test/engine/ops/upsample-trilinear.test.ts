import { upsampleTrilinear } from '../../../src/engine/ops/upsample-trilinear.ts';
import { upsampleTrilinearBadCases, upsampleTrilinearCases } from '../../cases/upsample-trilinear.ts';
import { upsampleTrilinearReference } from '../../reference/upsample-trilinear.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(upsampleTrilinear, upsampleTrilinearReference, upsampleTrilinearCases, upsampleTrilinearBadCases);
