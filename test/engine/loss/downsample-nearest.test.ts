import { downsampleNearest } from '../../../src/engine/loss/downsample-nearest.ts';
import { downsampleNearestBadCases, downsampleNearestCases } from '../../cases/downsample-nearest.ts';
import { downsampleNearestReference } from '../../reference/downsample-nearest.ts';
import { describeOp } from '../../support/describe-op.ts';

describeOp(downsampleNearest, downsampleNearestReference, downsampleNearestCases, downsampleNearestBadCases);
