import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { filterKernels, filterPasses, forEachAxis, truncatingFilter } from './axis-filter.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';

/** Ringing at edges: high frequencies are cut off along each axis. MONAI has the same; the probability is ours. */
export const gibbs: Augmentation = defineIntensity({
  name: 'gibbs',
  title: 'Gibbs ringing',
  kind: 'intensity',
  schema: z.strictObject({
    gibbsProbability: probability(0.1, 'Gibbs ringing'),
    gibbsLow: numberSetting(0.05, 1, 0.5, 'smallest share of the frequencies along each axis that are kept'),
  }),
  draw: (random, { gibbsProbability, gibbsLow }, context) =>
    drawChannels(random, context, gibbsProbability, () => ({ kept: random.uniform(gibbsLow, 1) }), 0.5),
  kernels: filterKernels,
  passes: ({ kept }, patch) =>
    filterPasses(
      forEachAxis(patch, (extent) => truncatingFilter(extent, Math.max(1, Math.round(extent * kept)))),
    ),
});
