import { maxPool3d } from '../../../src/engine/ops/max-pool3d.ts';
import { maxPool3dBadCases, maxPool3dCases } from '../../cases/max-pool3d.ts';
import { maxPool3dReference } from '../../reference/max-pool3d.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(maxPool3d, maxPool3dReference, maxPool3dCases, maxPool3dBadCases);
