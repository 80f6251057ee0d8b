import { conv3d } from '../../src/ops/conv3d.ts';
import { conv3dBadCases, conv3dCases } from '../cases/conv3d.ts';
import { conv3dReference } from '../reference/conv3d.ts';
import { describeOp } from '../support/describe-op.ts';

describeOp(conv3d, conv3dReference, conv3dCases, conv3dBadCases);
