import type { SigmoidAttributes } from '../../src/engine/ops/sigmoid.ts';
import type { Reference } from '../support/describe-op.ts';
import { pointwiseReference } from '../support/pointwise.ts';

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

export const sigmoidReference: Reference<SigmoidAttributes> = pointwiseReference(
  logistic,
  (x) => logistic(x) * (1 - logistic(x)),
);
