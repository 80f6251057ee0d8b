import { z } from 'zod/mini';
import { type Augmentation, defineSpatial } from './augmentation.ts';
import { numberSetting, probability } from './setting-fields.ts';

/** Makes what a patch shows smaller or larger. Probability and range are nnU-Net's. */
export const scaling: Augmentation = defineSpatial({
  name: 'scaling',
  title: 'Scaling',
  kind: 'spatial',
  schema: z.strictObject({
    scalingProbability: probability(0.2, 'a scaling'),
    scalingLow: numberSetting(0.1, 1, 0.7, 'smallest part of the patch that is shown, as a factor per axis'),
    scalingHigh: numberSetting(1, 10, 1.4, 'largest such factor'),
  }),
  draw(random, { scalingProbability, scalingLow, scalingHigh }) {
    if (random.uniform() >= scalingProbability) return undefined;
    const factor = drawFactor(random, scalingLow, scalingHigh);
    return { matrix: [factor, 0, 0, 0, factor, 0, 0, 0, factor] };
  },
});

/** Below 1 as often as above, as nnU-Net draws factors. */
function drawFactor(
  random: { uniform(low?: number, high?: number): number },
  low: number,
  high: number,
): number {
  return random.uniform() < 0.5 ? random.uniform(low, 1) : random.uniform(1, high);
}
