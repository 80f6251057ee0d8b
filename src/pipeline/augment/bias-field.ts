import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';
import { statisticsKernel, statisticsPass } from './statistics.ts';

/** Powers of z, y and x up to a sum of 3, but the constant: terms of the field, 19 of them. */
export const BIAS_TERMS = 19;

/**
 * A smooth field of a coil: exp of a polynomial of order 3 (TorchIO's range of coefficients; the probability is ours).
 * Images are standardised, so the field multiplies what lies above the darkest voxel of the patch.
 */
export const biasField: Augmentation = defineIntensity({
  name: 'bias-field',
  title: 'Bias field',
  kind: 'intensity',
  schema: z.strictObject({
    biasProbability: probability(0.15, 'a bias field'),
    biasStrength: numberSetting(0, 2, 0.5, 'largest coefficient of the logarithm of a bias field'),
  }),
  draw: (random, { biasProbability, biasStrength }, context) =>
    drawChannels(random, context, biasProbability, () =>
      Array.from({ length: BIAS_TERMS }, () => random.uniform(-biasStrength, biasStrength)),
    ),
  kernels: [
    statisticsKernel,
    { kernel: { file: 'augment-bias.wgsl', entry: 'bias_field' }, bindings: ['values', 'scratch'] },
  ],
  passes(coefficients) {
    // In fives of four, as a uniform holds them.
    const term = (i: number): { f32: number } => ({ f32: coefficients[i] ?? 0 });
    const four = (i: number): { f32: number }[] => [term(i), term(i + 1), term(i + 2), term(i + 3)];
    return [statisticsPass(0), { params: { a: four(0), b: four(4), c: four(8), d: four(12), e: four(16) } }];
  },
});
