import { type Model, requireModel } from '../engine/checkpoint/checkpoint.ts';
import { variantConfig } from '../engine/nn/variants.ts';
import { type ResolvedTrainSettings, trainSettings } from '../pipeline/train/settings.ts';

/** A tenth of what training from scratch takes: the network is to be moved, not replaced. */
const LEARNING_RATE = 4e-4;

/**
 * How a network is trained on with a few corrected scans.
 * @param subjects names of the scans
 * @throws CheckpointError for a network that is none of the house's variants; UsageError for the number of steps.
 */
export function fineTuneSettings(
  model: Model,
  steps: number,
  subjects: readonly string[],
): ResolvedTrainSettings {
  const { variant, modalities, patch } = model.info;
  const { baseChannels, levels } = model.info.settings as { baseChannels?: number; levels?: number };
  const settings = trainSettings({
    preset: variant,
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
  });
  requireModel(model, { network: variantConfig(variant, modalities, settings) }, 'fine-tuning');
  return { ...settings, subjects, modalities };
}
