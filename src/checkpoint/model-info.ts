import { z } from 'zod';
import { CheckpointError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { UNetConfig } from '../nn/unet-config.ts';
import { VARIANTS, type Variant } from '../nn/variants.ts';

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
  /** Settings of the run, for the record. */
  readonly settings: Json;
}

// Bounds keep a forged file from asking for a network that no machine holds.
const channels = z.int().min(1).max(65536);
const block = z.tuple([channels, channels]);

const SCHEMA = z.object({
  variant: z.enum(VARIANTS),
  network: z
    .object({
      inChannels: channels,
      encoder: z.array(block).min(2).max(12),
      up: z.array(channels),
      decoder: z.array(block),
      heads: z
        .array(z.object({ name: z.string().regex(/^\w+$/), classes: z.int().min(2).max(1024) }))
        .min(1)
        .max(16),
      crossStitch: z.literal(true).optional(),
    })
    .refine(({ heads, crossStitch }) => !crossStitch || heads.length === 2, {
      message: 'cross-stitch units join two heads',
    })
    .refine(({ encoder, up, decoder }) => up.length === encoder.length - 1 && decoder.length === up.length, {
      message: 'the decoder has one level less than the encoder',
    }),
  modalities: z.array(z.string().min(1)).min(1),
  threshold: z.number().min(0).max(1),
  patch: z.int().min(1),
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
