import { paperLoss } from '../../engine/loss/paper.ts';
import type { SegmentationLossSettings } from '../../engine/loss/segmentation-loss.ts';
import { architectureOf } from '../../engine/nn/networks/index.ts';
import type { StepRequest } from '../../engine/nn/training-step.ts';
import { TISSUE_HEAD, type Variant, variantConfig } from '../../engine/nn/variants.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** What of a run's settings makes its step. */
export type StepSettings = Pick<
  ResolvedTrainSettings,
  | 'preset'
  | 'modalities'
  | 'baseChannels'
  | 'levels'
  | 'patch'
  | 'batch'
  | 'precision'
  | 'weightDecay'
  | 'clip'
  | 'auxiliaryWeight'
  | keyof SegmentationLossSettings
>;

/**
 * The training step that settings ask for.
 * @throws UsageError for widths that no network has.
 */
export function stepRequest(settings: StepSettings): StepRequest {
  const { preset, modalities, batch, patch, precision, weightDecay, clip, auxiliaryWeight } = settings;
  const network = architectureOf(variantConfig(preset as Variant, modalities, settings));
  return {
    network,
    batch,
    patch: [patch, patch, patch],
    objectives: network.heads.map(({ name }) => ({
      head: name,
      // The paper adds the TPR term for "our main task" alone.
      loss: paperLoss(name === TISSUE_HEAD.name ? { ...settings, tpr: 'off' } : settings),
      weight: name === TISSUE_HEAD.name ? auxiliaryWeight : 1,
    })),
    optimizer: { weightDecay, maxGradNorm: clip > 0 ? clip : null },
    stored: precision,
  };
}
