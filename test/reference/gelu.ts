import type { GeluAttributes } from '../../src/engine/ops/gelu.ts';
import type { Reference } from '../support/describe-op.ts';
import { pointwiseReference } from '../support/pointwise.ts';

/** The error function by a series of terms of one sign (Abramowitz and Stegun 7.1.6); beyond 6 it is 1 to the last bit. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let sum = 0;
  let term = x;
  for (let n = 0; n < 200; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const SLOPE = Math.sqrt(2 / Math.PI);
const inner = (x: number): number => SLOPE * (x + 0.044715 * x ** 3);

export const geluReference: Reference<GeluAttributes> = pointwiseReference(
  (x, { approximate }) =>
    approximate === 'tanh' ? 0.5 * x * (1 + Math.tanh(inner(x))) : 0.5 * x * (1 + erf(x / Math.SQRT2)),
  (x, { approximate }) => {
    if (approximate !== 'tanh')
      return 0.5 * (1 + erf(x / Math.SQRT2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
    const t = Math.tanh(inner(x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SLOPE * (1 + 3 * 0.044715 * x * x);
  },
);
