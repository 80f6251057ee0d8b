import type { Shape } from '../../../core/shape.ts';
import { expectRule } from '../../tape/check.ts';

/** What normalisations have in common. */
export interface NormSettings {
  /** Added to the variance (default 1e-5). */
  readonly eps?: number;
  /** Below zero the output is multiplied by this: 0 fuses a ReLU, 0.01 a leaky one; default null fuses nothing. */
  readonly slope?: number | null;
}

/** @throws ShapeError for numbers that cannot be meant. */
export function expectNormSettings(
  op: string,
  { eps = 1e-5, slope = null }: NormSettings,
  inputs: readonly Shape[],
): void {
  expectRule(op, eps >= 0 && Number.isFinite(eps), `eps is at least 0 and finite (here ${eps})`, inputs);
  const fits = slope === null || Number.isFinite(slope);
  expectRule(op, fits, `slope is finite, or null for no activation (here ${slope})`, inputs);
}
