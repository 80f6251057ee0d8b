import { z } from 'zod/mini';
import { type Augmentation, defineSpatial, type Matrix3 } from './augmentation.ts';
import { numberSetting, probability } from './setting-fields.ts';
import { multiply } from './transform.ts';

/** Turns patches about z, y and x by up to 30° each. Probability and range are nnU-Net's. */
export const rotation: Augmentation = defineSpatial({
  name: 'rotation',
  title: 'Rotation',
  kind: 'spatial',
  schema: z.strictObject({
    rotationProbability: probability(0.2, 'a rotation'),
    rotationDegrees: numberSetting(0, 180, 30, 'largest rotation about each axis, in degrees'),
  }),
  draw(random, { rotationProbability, rotationDegrees }) {
    if (random.uniform() >= rotationProbability) return undefined;
    const most = (rotationDegrees * Math.PI) / 180;
    const [a, b, c] = [0, 1, 2].map(() => random.uniform(-most, most));
    return { matrix: rotationMatrix(a!, b!, c!) };
  },
});

/** The rotation about z by `a`, then y by `b`, then x by `c` (radians), as a product in this order. */
export function rotationMatrix(a: number, b: number, c: number): Matrix3 {
  const [ca, sa, cb, sb, cc, sc] = [a, b, c].flatMap((angle) => [Math.cos(angle), Math.sin(angle)]) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const aboutZ: Matrix3 = [1, 0, 0, 0, ca, -sa, 0, sa, ca];
  const aboutY: Matrix3 = [cb, 0, -sb, 0, 1, 0, sb, 0, cb];
  const aboutX: Matrix3 = [cc, -sc, 0, sc, cc, 0, 0, 0, 1];
  return multiply(multiply(aboutZ, aboutY), aboutX);
}
