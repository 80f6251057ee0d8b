import { sigmoid } from '../../../src/engine/ops/sigmoid.ts';
import { sigmoidBadCases, sigmoidCases } from '../../cases/sigmoid.ts';
import { sigmoidReference } from '../../reference/sigmoid.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(sigmoid, sigmoidReference, sigmoidCases, sigmoidBadCases);
