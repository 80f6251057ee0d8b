import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';
import { statisticsKernel, statisticsPass } from './statistics.ts';

/**
 * Raises an image to a power within its range, or its negative, and gives it the mean and deviation that it had.
 * Probabilities and range are nnU-Net's.
 */
export const gamma: Augmentation = defineIntensity({
  name: 'gamma',
  title: 'Gamma',
  kind: 'intensity',
  schema: z.strictObject({
    gammaProbability: probability(0.3, 'a gamma'),
    gammaInverted: numberSetting(
      0,
      1,
      0.1,
      'probability of a gamma of the negative, where there is none of the image',
    ),
    gammaLow: numberSetting(0.1, 1, 0.7, 'smallest exponent'),
    gammaHigh: numberSetting(1, 10, 1.5, 'largest exponent'),
  }),
  draw(random, { gammaProbability, gammaInverted, gammaLow, gammaHigh }, context) {
    const place = random.uniform();
    const inverted = place >= gammaProbability;
    if (inverted && place >= gammaProbability + (1 - gammaProbability) * gammaInverted) return [];
    return drawChannels(random, context, 1, () => ({
      inverted,
      exponent: random.uniform() < 0.5 ? random.uniform(gammaLow, 1) : random.uniform(1, gammaHigh),
    }));
  },
  kernels: [
    statisticsKernel,
    { kernel: { file: 'augment-gamma.wgsl', entry: 'raise' }, bindings: ['values', 'scratch'] },
    statisticsKernel,
    { kernel: { file: 'augment-gamma.wgsl', entry: 'restore' }, bindings: ['values', 'scratch'] },
  ],
  passes: ({ inverted, exponent }) => [
    statisticsPass(0),
    { params: { exponent: { f32: exponent }, inverted: inverted ? 1 : 0 } },
    statisticsPass(1),
    {},
  ],
});
