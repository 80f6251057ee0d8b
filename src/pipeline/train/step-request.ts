import { type Triple, toTriple } from '../../core/shape.ts';
import { findLoss } from '../../engine/loss/index.ts';
import { architectureOf } from '../../engine/nn/networks/index.ts';
import type { StepRequest } from '../../engine/nn/training-step.ts';
import { lossOf } from '../task/task.ts';
import { type NetworkSettings, networkOf, taskOf } from './network.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** What of a run's settings makes its step. */
export type StepSettings = NetworkSettings &
  Pick<ResolvedTrainSettings, 'loss' | 'batch' | 'precision' | 'weightDecay' | 'clip' | 'auxiliaryWeight'>;

/**
 * The training step that settings ask for.
 * @param spacing as for `networkOf`
 * @throws UsageError for widths that no network has, and for a loss that does not go with a head.
 */
export function stepRequest(settings: StepSettings, spacing?: Triple): StepRequest {
  const { batch, patch, precision, weightDecay, clip, auxiliaryWeight } = settings;
  const run = runLoss(settings);
  return {
    network: architectureOf(networkOf(settings, spacing)),
    batch,
    patch: toTriple(patch),
    objectives: taskOf(settings).heads.map((head, i) => ({
      head: head.name,
      loss: lossOf(head, run),
      weight: i === 0 ? head.weight : head.weight * auxiliaryWeight,
    })),
    optimizer: { weightDecay, maxGradNorm: clip > 0 ? clip : null },
    stored: precision,
  };
}

/** The run's loss: its name, and those of the settings that it has. */
function runLoss(settings: Pick<StepSettings, 'loss'>): Readonly<Record<string, unknown>> {
  const { loss: name } = settings;
  const own = Object.keys(findLoss(name).schema.shape);
  const entries = Object.entries(settings).filter(([key]) => own.includes(key));
  return { ...Object.fromEntries(entries), name };
}
