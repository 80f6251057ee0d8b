import type { AdamSettings } from './adam.ts';
import { constantSchedule, type Schedule } from './schedule.ts';

/** An optimizer with its settings, to be given to a trainer. */
export interface Optimizer {
  readonly settings: Partial<AdamSettings>;
  /** The learning rate by step, from 0. */
  readonly rate: Schedule;
}

/**
 * Adam with PyTorch's defaults.
 * @param options `lr`: a learning rate (default 1e-3), or one by step such as `cosineSchedule(1e-3, 500)`
 * @throws UsageError for a negative rate.
 */
export function adam(options: Partial<AdamSettings> & { readonly lr?: number | Schedule } = {}): Optimizer {
  const { lr = 1e-3, ...settings } = options;
  return { settings, rate: typeof lr === 'number' ? constantSchedule(lr) : lr };
}
