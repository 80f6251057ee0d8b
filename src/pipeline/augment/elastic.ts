import { z } from 'zod/mini';
import { type Augmentation, defineSpatial } from './augmentation.ts';
import { numberSetting, probability } from './setting-fields.ts';

/**
 * Bends patches smoothly: control points move by up to `elasticShift` voxels along each axis, and a cubic B-spline lies
 * between them. The probability is nnU-Net's (of its version 1), the grid is TorchIO's.
 */
export const elastic: Augmentation = defineSpatial({
  name: 'elastic',
  title: 'Elastic deformation',
  kind: 'spatial',
  schema: z.strictObject({
    elasticProbability: probability(0.2, 'an elastic deformation'),
    elasticPoints: z._default(
      z
        .int()
        .check(z.minimum(4), z.maximum(16), z.describe('control points of a deformation along each axis')),
      7,
    ),
    elasticShift: numberSetting(0, 64, 4, 'largest shift of a control point along each axis, in voxels'),
  }),
  points: ({ elasticPoints }) => elasticPoints,
  draw(random, { elasticProbability, elasticPoints, elasticShift }) {
    if (random.uniform() >= elasticProbability) return undefined;
    const values = Float32Array.from({ length: 3 * elasticPoints ** 3 }, () =>
      random.uniform(-elasticShift, elasticShift),
    );
    return { shifts: { points: elasticPoints, values } };
  },
});
