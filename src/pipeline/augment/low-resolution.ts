import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { decimatingFilter, filterKernels, filterPasses, forEachAxis } from './axis-filter.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';

/** Fewer voxels along all axes, and back, on half of the images. Probability and range are nnU-Net's. */
export const lowResolution: Augmentation = defineIntensity({
  name: 'low-resolution',
  title: 'Low resolution',
  kind: 'intensity',
  schema: z.strictObject({
    resolutionProbability: probability(0.25, 'a lower resolution'),
    resolutionLow: numberSetting(0.05, 1, 0.5, 'lowest resolution, as a share of the voxels along each axis'),
  }),
  draw: (random, { resolutionProbability, resolutionLow }, context) =>
    drawChannels(
      random,
      context,
      resolutionProbability,
      () => ({ zoom: random.uniform(resolutionLow, 1) }),
      0.5,
    ),
  kernels: filterKernels,
  passes: ({ zoom }, patch) =>
    filterPasses(
      forEachAxis(patch, (extent) => decimatingFilter(extent, Math.max(1, Math.round(extent * zoom)))),
    ),
});
