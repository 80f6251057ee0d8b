import type { Op } from '../tape/op.ts';
import { activation } from './elementwise/activation.ts';

/** `alpha` (default 1, at least 0): the output is above -alpha. */
export interface EluAttributes {
  readonly alpha?: number;
}

/**
 * output = input if that is above 0, else alpha * (exp(input) - 1) (Clevert et al. 2016). Any shape.
 * Backward needs the output only.
 */
export const elu: Op<EluAttributes, undefined> = activation<EluAttributes>({
  name: 'elu',
  file: 'elu.wgsl',
  derivativeOf: 'output',
  settings({ alpha = 1 }, rule) {
    rule(alpha >= 0 && Number.isFinite(alpha), `alpha is at least 0 and finite (here ${alpha})`);
    return { alpha };
  },
});
