/**
 * Where the dynamic scale of a loss stands. Gradients that are stored in 16 bits are those of `scale` times the loss, so
 * that small ones do not round to zero (Micikevicius et al. 2018, "Mixed precision training"); Adam divides them again.
 */
export interface LossScale {
  /** A power of two: multiplied by it, a float keeps its digits. */
  readonly scale: number;
  /** Steps in a row that were finite with this scale. */
  readonly goodSteps: number;
  /** Steps that were passed over since the first. */
  readonly skippedSteps: number;
}

/** How a scale moves. */
export interface LossScaling {
  readonly start: number;
  /** After so many finite steps in a row the scale doubles. */
  readonly interval: number;
  readonly most: number;
}

/** PyTorch's start and interval; beyond the largest scale a gradient of 1 / 256 would be out of range. */
export const LOSS_SCALING: LossScaling = { start: 2 ** 16, interval: 2000, most: 2 ** 24 };

/** The scale of a run's first step. */
export function firstLossScale({ start }: LossScaling = LOSS_SCALING): LossScale {
  return { scale: start, goodSteps: 0, skippedSteps: 0 };
}

/**
 * The scale after a step: half of it where the gradient was not finite (the step is passed over), twice as much where
 * that has not happened for long.
 */
export function nextLossScale(
  { scale, goodSteps, skippedSteps }: LossScale,
  finite: boolean,
  { interval, most }: LossScaling = LOSS_SCALING,
): LossScale {
  if (!finite) return { scale: Math.max(1, scale / 2), goodSteps: 0, skippedSteps: skippedSteps + 1 };
  if (goodSteps + 1 < interval) return { scale, goodSteps: goodSteps + 1, skippedSteps };
  return { scale: Math.min(most, scale * 2), goodSteps: 0, skippedSteps };
}
