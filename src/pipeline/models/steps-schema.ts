import { z } from 'zod/mini';
import type { ModelCard, ModelSteps } from './steps.ts';

const finite = z.number();
const axis = z.int().check(z.minimum(0), z.maximum(2));
const edge = z.number().check(z.gt(0), z.maximum(1000));
const order = z.union([z.literal(0), z.literal(1), z.literal(3)]);
const resampling = z.object({ order, orderZ: order, separateZ: z.nullable(z.boolean()) });
const normalisation = z.discriminatedUnion('scheme', [
  z.object({ scheme: z.literal('zscore'), mask: z.boolean() }),
  z.object({ scheme: z.literal('ct'), mean: finite, deviation: finite, low: finite, high: finite }),
  z.object({ scheme: z.literal('rescale') }),
  z.object({ scheme: z.literal('rgb') }),
  z.object({ scheme: z.literal('none') }),
]);
const permutation = z
  .tuple([axis, axis, axis])
  .check(z.refine((axes) => new Set(axes).size === 3, { message: 'each axis stands once' }));

const share = z.number().check(z.minimum(0), z.maximum(1));

const brainchop = z.object({
  kind: z.literal('brainchop'),
  extent: z.int().check(z.minimum(8), z.maximum(512)),
  spacing: edge,
  range: z.union([
    z.literal('min-max'),
    z
      .tuple([share, share])
      .check(z.refine(([low, high]) => low < high, { message: 'the first quantile is the lower one' })),
  ]),
});

const nnunet = z.object({
  kind: z.literal('nnunet'),
  reorient: z.boolean(),
  transpose: permutation,
  spacing: z.tuple([edge, edge, edge]),
  normalisation: z.array(normalisation).check(z.minLength(1)),
  images: resampling,
  outputs: resampling,
  mirror: z.array(axis).check(
    z.maxLength(3),
    z.refine((axes) => new Set(axes).size === axes.length, { message: 'an axis stands twice' }),
  ),
});

const wholeHead = z.object({ kind: z.literal('whole-head'), spacing: edge });

/** Checks steps that come from a file. */
export const STEPS_SCHEMA: z.ZodMiniType<ModelSteps> = z.union([nnunet, brainchop, wholeHead]);

/** Checks a card that comes from a file. */
export const CARD_SCHEMA: z.ZodMiniType<ModelCard> = z.object({
  source: z.string().check(z.maxLength(500)),
  licence: z.nullable(z.string().check(z.maxLength(500))),
  about: z.string().check(z.maxLength(5000)),
  files: z.record(z.string(), z.string()),
});
