import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { filterKernels, filterPasses, forEachAxis, noFilter, slicingFilter } from './axis-filter.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';

/** Thick slices along one axis: means over slices, and back. TorchIO's range of thickness; the probability is ours. */
export const thickSlices: Augmentation = defineIntensity({
  name: 'thick-slices',
  title: 'Thick slices',
  kind: 'intensity',
  schema: z.strictObject({
    slicesProbability: probability(0.15, 'thick slices'),
    slicesThickness: numberSetting(1, 16, 5, 'largest thickness of slices, in voxels'),
  }),
  draw: (random, { slicesProbability, slicesThickness }, context) =>
    drawChannels(
      random,
      context,
      slicesProbability,
      () => ({
        axis: random.integer(3),
        thickness: random.uniform(Math.min(1.5, slicesThickness), slicesThickness),
      }),
      0.5,
    ),
  kernels: filterKernels,
  passes: ({ axis, thickness }, patch) =>
    filterPasses(
      forEachAxis(patch, (extent, each) =>
        each === axis ? slicingFilter(extent, Math.max(1, Math.round(extent / thickness))) : noFilter(extent),
      ),
    ),
});
