import { z } from 'zod/mini';

/** Bounds keep a forged file from asking for a network that no machine holds. */
export const channelCount: z.ZodMiniInt = z.int().check(z.minimum(1), z.maximum(65536));
/** A word, which goes into the names of tensors. */
export const headName: z.ZodMiniString = z.string().check(z.regex(/^\w+$/));

type Each<T extends z.core.SomeType> = z.ZodMiniArray<T>;
type Block = z.ZodMiniTuple<[z.ZodMiniInt, z.ZodMiniInt], null>;
const block: Block = z.tuple([channelCount, channelCount]);

/** The fields of a `UNetShape`, for a kind's schema. */
export const shapeFields: {
  readonly inChannels: z.ZodMiniInt;
  readonly encoder: Each<Block>;
  readonly up: Each<z.ZodMiniInt>;
  readonly decoder: Each<Block>;
} = {
  inChannels: channelCount,
  encoder: z.array(block).check(z.minLength(2), z.maxLength(12)),
  up: z.array(channelCount),
  decoder: z.array(block),
};
