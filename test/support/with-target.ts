import {
  type SegmentationLossSaved,
  type SegmentationLossSettings,
  segmentationLoss,
} from '../../src/engine/loss/segmentation-loss.ts';
import type { Op } from '../../src/engine/tape/op.ts';
import { tensor } from '../../src/engine/tape/tensor.ts';

/** The loss with the target as a second input, so that what drives ops can drive it. */
export const withTarget: Op<SegmentationLossSettings, SegmentationLossSaved> = {
  name: segmentationLoss.name,
  shape: ([logits, target], settings) =>
    segmentationLoss.shape([logits!], { ...settings, target: tensor('target', target!, 'arena') }),
  forward: (emit, [logits, target], output, settings) =>
    segmentationLoss.forward(emit, [logits!], output, { ...settings, target: target! }),
  backward: ({ inputs: [logits, target], output, attributes, saved }, gradOutput) => [
    ...segmentationLoss.backward(
      { inputs: [logits!], output, attributes: { ...attributes, target: target! }, saved },
      gradOutput,
    ),
    null,
  ],
};
