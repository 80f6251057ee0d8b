import { convTranspose3d } from '../../../src/engine/ops/conv-transpose3d.ts';
import { convTranspose3dBadCases, convTranspose3dCases } from '../../cases/conv-transpose3d.ts';
import { convTranspose3dReference } from '../../reference/conv-transpose3d.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(convTranspose3d, convTranspose3dReference, convTranspose3dCases, convTranspose3dBadCases);
