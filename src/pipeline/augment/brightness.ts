import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { drawChannels } from './per-channel.ts';
import { scaleKernel, scalePass } from './scale.ts';
import { numberSetting, probability } from './setting-fields.ts';

/** A factor per image. Probability and range are nnU-Net's. */
export const brightness: Augmentation = defineIntensity({
  name: 'brightness',
  title: 'Brightness',
  kind: 'intensity',
  schema: z.strictObject({
    brightnessProbability: probability(0.15, 'another brightness'),
    brightnessRange: numberSetting(0, 1, 0.25, 'largest change of brightness, as a share'),
  }),
  draw: (random, { brightnessProbability, brightnessRange }, context) =>
    drawChannels(random, context, brightnessProbability, () => ({
      scale: random.uniform(1 - brightnessRange, 1 + brightnessRange),
      shift: 0,
    })),
  kernels: [scaleKernel],
  passes: (parameters) => [scalePass(parameters)],
});
