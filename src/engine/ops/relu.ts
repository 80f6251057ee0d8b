import type { Op } from '../tape/op.ts';
import { activation } from './elementwise/activation.ts';

/** `slope` (default 0, at least 0) is that below zero: above 0 for a leaky ReLU. */
export interface ReluAttributes {
  readonly slope?: number;
}

/**
 * output = max(input, 0) + slope * min(input, 0). Any shape.
 * The gradient at 0 is `slope`, as in PyTorch. Backward needs the output only.
 */
export const relu: Op<ReluAttributes, undefined> = activation<ReluAttributes>({
  name: 'relu',
  file: 'relu.wgsl',
  derivativeOf: 'output',
  settings({ slope = 0 }, rule) {
    rule(slope >= 0 && Number.isFinite(slope), `slope is at least 0 and finite (here ${slope})`);
    return { alpha: slope };
  },
});
