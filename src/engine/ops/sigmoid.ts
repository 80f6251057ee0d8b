import type { Op } from '../tape/op.ts';
import { activation } from './elementwise/activation.ts';

/** There is nothing to choose. */
export type SigmoidAttributes = Readonly<Record<string, never>>;

/** output = 1 / (1 + exp(-input)), elementwise. Any shape. Backward needs the output only. */
export const sigmoid: Op<SigmoidAttributes, undefined> = activation<SigmoidAttributes>({
  name: 'sigmoid',
  file: 'sigmoid.wgsl',
  derivativeOf: 'output',
  settings: () => ({}),
});
