import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { filterKernels, filterPasses, forEachAxis, gaussianFilter } from './axis-filter.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';

/** A Gaussian filter on half of the images. Probability and range are nnU-Net's. */
export const blur: Augmentation = defineIntensity({
  name: 'blur',
  title: 'Gaussian blur',
  kind: 'intensity',
  schema: z.strictObject({
    blurProbability: probability(0.2, 'a blur'),
    blurLow: numberSetting(0.1, 5, 0.5, 'smallest standard deviation of a blur, in voxels'),
    blurHigh: numberSetting(0.1, 5, 1, 'largest standard deviation of a blur, in voxels'),
  }),
  draw: (random, { blurProbability, blurLow, blurHigh }, context) =>
    drawChannels(random, context, blurProbability, () => ({ sigma: random.uniform(blurLow, blurHigh) }), 0.5),
  kernels: filterKernels,
  passes: ({ sigma }, patch) => filterPasses(forEachAxis(patch, (extent) => gaussianFilter(extent, sigma))),
});
