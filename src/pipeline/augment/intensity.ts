import { z } from 'zod/mini';
import { type Augmentation, defineIntensity } from './augmentation.ts';
import { scaleKernel, scalePass } from './scale.ts';

const intensityOf = z._default(
  z
    .number()
    .check(
      z.minimum(0),
      z.maximum(1),
      z.describe('largest random change of contrast and brightness of a patch, 0 for none'),
    ),
  0.1,
);

/** Multiplies each image by up to 1 ± this, and adds up to ± this, in standard deviations. */
export const intensity: Augmentation = defineIntensity({
  name: 'intensity',
  title: 'A factor and a summand per image',
  kind: 'intensity',
  schema: z.strictObject({ intensity: intensityOf }),
  draw(random, { intensity: most }, { images }) {
    if (most === 0) return [];
    const each = { length: images };
    const factors = Array.from(each, () => random.uniform(1 - most, 1 + most));
    const summands = Array.from(each, () => random.uniform(-most, most));
    return factors.map((scale, c) => ({ scale, shift: summands[c]! }));
  },
  kernels: [scaleKernel],
  passes: (parameters) => [scalePass(parameters)],
});
