import type { Op } from '../tape/op.ts';
import { activation } from './elementwise/activation.ts';

/** `approximate` (default `none`): the exact function, or PyTorch's approximation by a hyperbolic tangent. */
export interface GeluAttributes {
  readonly approximate?: 'none' | 'tanh';
}

/**
 * output = input * P(X <= input), X normal with mean 0 and variance 1 (Hendrycks and Gimpel 2016). Any shape.
 * TensorFlow.js calls the exact function `gelu` and the approximation `gelu_new`.
 */
export const gelu: Op<GeluAttributes, undefined> = activation<GeluAttributes>({
  name: 'gelu',
  file: 'gelu.wgsl',
  derivativeOf: 'input',
  settings({ approximate = 'none' }, rule) {
    rule(
      approximate === 'none' || approximate === 'tanh',
      `approximate is none or tanh (here ${JSON.stringify(approximate)})`,
    );
    return { spec: { TANH: approximate === 'tanh' ? 1 : 0 } };
  },
});
