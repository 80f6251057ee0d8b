import type { ReluAttributes } from '../../src/engine/ops/relu.ts';
import type { Reference } from '../support/describe-op.ts';
import { pointwiseReference } from '../support/pointwise.ts';

export const reluReference: Reference<ReluAttributes> = pointwiseReference(
  (x, { slope = 0 }) => (x > 0 ? x : slope * x),
  (x, { slope = 0 }) => (x > 0 ? 1 : slope),
);
