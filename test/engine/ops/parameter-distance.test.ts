import { parameterDistance } from '../../../src/engine/ops/parameter-distance.ts';
import { parameterDistanceBadCases, parameterDistanceCases } from '../../cases/parameter-distance.ts';
import { parameterDistanceReference } from '../../reference/parameter-distance.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(parameterDistance, parameterDistanceReference, parameterDistanceCases, parameterDistanceBadCases, {
  boundWhole: true,
});
