import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { drawChannels } from './per-channel.ts';
import { numberSetting, probability } from './setting-fields.ts';

/**
 * Adds normal deviates, whose standard deviation is drawn up to `noiseDeviation`: nnU-Net's 0.1, which it calls a
 * variance. Each voxel's deviate is a hash of its place and two words that are drawn, so nothing has to be stored.
 */
export const noise: Augmentation = defineIntensity({
  name: 'noise',
  title: 'Gaussian noise',
  kind: 'intensity',
  schema: z.strictObject({
    noiseProbability: probability(0.1, 'noise'),
    noiseDeviation: numberSetting(0, 10, 0.1, 'largest standard deviation of noise'),
  }),
  draw: (random, { noiseProbability, noiseDeviation }, context) =>
    drawChannels(random, context, noiseProbability, () => ({
      deviation: random.uniform(0, noiseDeviation),
      seed: [random.uint32(), random.uint32()] as const,
    })),
  kernels: [{ kernel: { file: 'augment-noise.wgsl', entry: 'add_noise' }, bindings: ['values'] }],
  passes: ({ deviation, seed }) => [
    { params: { seed_low: seed[0], seed_high: seed[1], deviation: { f32: deviation } } },
  ],
});
