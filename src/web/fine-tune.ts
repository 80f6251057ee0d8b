import type { Model } from '../pipeline/models/model.ts';
import { settingsOfModel } from '../pipeline/train/initial.ts';
import { type ResolvedTrainSettings, trainSettings } from '../pipeline/train/settings.ts';

/** A tenth of what training from scratch takes: the network is to be moved, not replaced. */
const LEARNING_RATE = 4e-4;

/**
 * How a network is trained on with a few corrected scans: as it is, whatever it was designed for.
 * @param subjects names of the scans
 * @throws UsageError for the number of steps, or a model whose recorded settings are not valid; CheckpointError for the
 *   mean of several networks.
 */
export function fineTuneSettings(
  model: Model,
  steps: number,
  subjects: readonly string[],
): ResolvedTrainSettings {
  return {
    ...trainSettings({
      ...settingsOfModel(model.info),
      modalities: null,
      // One patch per step: the page's GPU may be a processor.
      batch: 1,
      steps,
      lr: LEARNING_RATE,
      schedule: 'cosine',
      crossEntropy: 1,
      foregroundShare: 0.5,
    }),
    subjects,
    modalities: model.info.task.channels,
  };
}
