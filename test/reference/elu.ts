import type { EluAttributes } from '../../src/engine/ops/elu.ts';
import type { Reference } from '../support/describe-op.ts';
import { pointwiseReference } from '../support/pointwise.ts';

export const eluReference: Reference<EluAttributes> = pointwiseReference(
  (x, { alpha = 1 }) => (x > 0 ? x : alpha * Math.expm1(x)),
  (x, { alpha = 1 }) => (x > 0 ? 1 : alpha * Math.exp(x)),
);
