import { z } from 'zod/mini';
import { CheckpointError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import type { UNetConfig } from '../nn/unet-config.ts';
import { VARIANTS, type Variant } from '../nn/variants.ts';

/** A voxel size that a network learned at. */
export interface TrainedSpacing {
  /** Edges in mm, along the axes as they are stored. */
  readonly mm: readonly [number, number, number];
  /** The training scans of this size. */
  readonly scans: readonly string[];
}

/** What a trained network is, beside its weights. */
export interface ModelInfo {
  readonly variant: Variant;
  readonly network: UNetConfig;
  /** Image modalities in the order of the input channels. */
  readonly modalities: readonly string[];
  /** A voxel is lesion where its probability is at or above this; chosen on the training scans. */
  readonly threshold: number;
  /** Edge of the patch that it was trained with, and so of the sliding window. */
  readonly patch: number;
  /** Voxel sizes of the training scans, mostly one; missing in models that were made before it was recorded. */
  readonly spacing?: readonly TrainedSpacing[] | undefined;
  /** Settings of the run, for the record. */
  readonly settings: Json;
}

// The page reads models before anything else, so this is zod's small form; it has no language of its own.
z.config(z.locales.en());

// Bounds keep a forged file from asking for a network that no machine holds.
const channels = z.int().check(z.minimum(1), z.maximum(65536));
const block = z.tuple([channels, channels]);
const head = z.object({
  name: z.string().check(z.regex(/^\w+$/)),
  classes: z.int().check(z.minimum(2), z.maximum(1024)),
});
const network = z.object({
  inChannels: channels,
  encoder: z.array(block).check(z.minLength(2), z.maxLength(12)),
  up: z.array(channels),
  decoder: z.array(block),
  heads: z.array(head).check(z.minLength(1), z.maxLength(16)),
  crossStitch: z.optional(z.literal(true)),
});

const edge = z.number().check(z.gt(0), z.maximum(1000));
const spacing = z.object({ mm: z.tuple([edge, edge, edge]), scans: z.array(z.string()) });

const SCHEMA = z.object({
  variant: z.enum(VARIANTS),
  network: network.check(
    z.refine(({ heads, crossStitch }) => !crossStitch || heads.length === 2, {
      message: 'cross-stitch units join two heads',
    }),
    z.refine(({ encoder, up, decoder }) => up.length === encoder.length - 1 && decoder.length === up.length, {
      message: 'the decoder has one level less than the encoder',
    }),
  ),
  modalities: z.array(z.string().check(z.minLength(1))).check(z.minLength(1)),
  threshold: z.number().check(z.minimum(0), z.maximum(1)),
  patch: z.int().check(z.minimum(1)),
  spacing: z.optional(z.array(spacing).check(z.minLength(1))),
  settings: z.json(),
});

/**
 * Checks the description of a network that came with a file.
 * @throws CheckpointError naming the field.
 */
export function parseModelInfo(value: unknown, path: string): ModelInfo {
  const parsed = SCHEMA.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CheckpointError(
    `${path}: the description of the network is wrong: ${issue?.path.map(String).join('.') || 'it'}: ${issue?.message ?? ''}`,
    { hint: 'The file is damaged or was made by another program.' },
  );
}
