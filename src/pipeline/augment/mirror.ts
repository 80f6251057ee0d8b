import { z } from 'zod/mini';
import { type Augmentation, defineSpatial } from './augmentation.ts';

const flips = z._default(z.boolean().check(z.describe('mirror patches at random along each axis')), true);

/** Mirrors each axis with probability 1/2, as nnU-Net does. */
export const mirror: Augmentation = defineSpatial({
  name: 'mirror',
  title: 'Mirroring of each axis',
  kind: 'spatial',
  resamples: false,
  schema: z.strictObject({ flips }),
  draw(random, settings) {
    const [z, y, x] = [0, 1, 2].map(() => (settings.flips && random.uniform() < 0.5 ? -1 : 1));
    return { matrix: [z!, 0, 0, 0, y!, 0, 0, 0, x!] };
  },
});
