import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';
import { statisticsKernel, statisticsPass } from './statistics.ts';

/** Stretches an image about its mean, within the range that it had. Probability and range are nnU-Net's. */
export const contrast: Augmentation = defineIntensity({
  name: 'contrast',
  title: 'Contrast',
  kind: 'intensity',
  schema: z.strictObject({
    contrastProbability: probability(0.15, 'another contrast'),
    contrastRange: numberSetting(0, 1, 0.25, 'largest change of contrast, as a share'),
  }),
  draw: (random, { contrastProbability, contrastRange }, context) =>
    drawChannels(random, context, contrastProbability, () => ({
      factor: random.uniform(1 - contrastRange, 1 + contrastRange),
    })),
  kernels: [
    statisticsKernel,
    { kernel: { file: 'augment-contrast.wgsl', entry: 'contrast' }, bindings: ['values', 'scratch'] },
  ],
  passes: ({ factor }) => [statisticsPass(0), { params: { factor: { f32: factor } } }],
});
