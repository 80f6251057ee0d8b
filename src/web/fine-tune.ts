import { requireNetwork } from '../engine/checkpoint/checkpoint.ts';
import type { Model } from '../pipeline/models/model.ts';
import { networkOf } from '../pipeline/train/network.ts';
import { type ResolvedTrainSettings, type TrainSettings, trainSettings } from '../pipeline/train/settings.ts';

/** A tenth of what training from scratch takes: the network is to be moved, not replaced. */
const LEARNING_RATE = 4e-4;

/**
 * How a network is trained on with a few corrected scans.
 * @param subjects names of the scans
 * @throws CheckpointError for a network that does not follow from its settings; UsageError for the number of steps.
 */
export function fineTuneSettings(
  model: Model,
  steps: number,
  subjects: readonly string[],
): ResolvedTrainSettings {
  const { task, patch } = model.info;
  const before = trainSettings({ preset: 'single', ...(model.info.settings as Partial<TrainSettings>) });
  const { preset, baseChannels, levels, network, networkConfig } = before;
  const settings = {
    ...trainSettings({
      preset,
      task: before.task,
      network,
      networkConfig,
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
  requireNetwork(model, networkOf(settings), 'fine-tuning');
  return settings;
}
