import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { scaleKernel, scalePass } from './scale.ts';
import { probability } from './setting-fields.ts';

/** Leaves out images, never all of them, so that a network learns to do without one. The probability is ours. */
export const modalityDropout: Augmentation = defineIntensity({
  name: 'modality-dropout',
  title: 'Modality dropout',
  kind: 'intensity',
  schema: z.strictObject({
    dropoutProbability: probability(0.15, 'each image to be left out, not all of them,'),
  }),
  draw(random, { dropoutProbability }, { images }) {
    const dropped = Array.from({ length: images }, () => random.uniform() < dropoutProbability);
    if (dropped.every((each) => each)) dropped[random.integer(images)] = false;
    return dropped.map((each) => (each ? { scale: 0, shift: 0 } : undefined));
  },
  kernels: [scaleKernel],
  passes: (parameters) => [scalePass(parameters)],
});
