import { averagePool3d } from '../../../src/engine/ops/average-pool3d.ts';
import { averagePool3dBadCases, averagePool3dCases } from '../../cases/average-pool3d.ts';
import { averagePool3dReference } from '../../reference/average-pool3d.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(averagePool3d, averagePool3dReference, averagePool3dCases, averagePool3dBadCases);
