import type { Model } from '../pipeline/models/model.ts';
import { type ResolvedTrainSettings, type TrainSettings, trainSettings } from '../pipeline/train/settings.ts';

/** A tenth of what training from scratch takes: the network is to be moved, not replaced. */
const LEARNING_RATE = 4e-4;

/**
 * How a network is trained on with a few corrected scans: as it is, whatever it was designed for.
 * @param subjects names of the scans
 * @throws UsageError for the number of steps, or a model that says nothing of its settings.
 */
export function fineTuneSettings(
  model: Model,
  steps: number,
  subjects: readonly string[],
): ResolvedTrainSettings {
  const { task, patch, network } = model.info;
  const before = trainSettings({ preset: 'single', ...(model.info.settings as Partial<TrainSettings>) });
  const { preset, baseChannels, levels } = before;
  return {
    ...trainSettings({
      preset,
      task: before.task,
      network: network.kind,
      networkConfig: network.config,
      baseChannels,
      levels,
      patch,
      // One patch a step: the page's GPU may be a processor.
      batch: 1,
      steps,
      lr: LEARNING_RATE,
      schedule: 'cosine',
      crossEntropy: 1,
      foregroundShare: 0.5,
    }),
    subjects,
    modalities: task.channels,
  };
}
